// Deleting the oldest segments, and refusing to.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/optional.h"
#include "services/worker/journal/journal.h"
#include "services/worker/journal/segment_set.h"

namespace center::journal {

// Thread-safe, but Enforce is called by one thread only (the maintenance thread).
class Retention {
 public:
  Retention(const Options& options, const Dependencies& dependencies,
            std::shared_ptr<SegmentSet> segments)
      : options_(options),
        dependencies_(dependencies),
        segments_(std::move(segments)),
        committed_(options.committed_offset) {}

  void SetCommittedOffset(absl::optional<uint64_t> offset) ABSL_LOCKS_EXCLUDED(mutex_);

  // Why `bytes` more may not be stored now: the journal has its size and its oldest segment may not
  // go, or should have gone long ago. "" when they may.
  std::string FullReason(uint64_t bytes) const ABSL_LOCKS_EXCLUDED(mutex_);
  // Whether Enforce would look at anything: cheap.
  bool OverSize() const {
    return options_.retain_bytes > 0 && segments_->disk_bytes() > options_.retain_bytes;
  }

  // Deletes what is over the limits. The new low offset is durable before the first file goes.
  absl::Status Enforce() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  // Whether everything below `end_offset` may be deleted.
  bool MayDrop(uint64_t end_offset) const ABSL_LOCKS_EXCLUDED(mutex_);
  // When the last record of `segment` was received, or later; `next` is the segment after it.
  int64_t NewestTime(const Segment& segment, Segment& next) const;
  absl::optional<uint64_t> committed() const ABSL_LOCKS_EXCLUDED(mutex_);

  const Options& options_;
  const Dependencies& dependencies_;
  const std::shared_ptr<SegmentSet> segments_;
  mutable absl::Mutex mutex_;
  absl::optional<uint64_t> committed_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace center::journal
