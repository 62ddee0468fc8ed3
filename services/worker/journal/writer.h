// The end of the journal: appending to the active segment, and beginning the next one.
#pragma once

#include <sys/uio.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/optional.h"
#include "absl/types/span.h"
#include "services/worker/journal/fs.h"
#include "services/worker/journal/journal.h"
#include "services/worker/journal/retention.h"
#include "services/worker/journal/segment_set.h"

namespace center::journal {

// Append is for one thread; the rest is thread-safe. The mutex is held during a write, never
// during a sync: a slow disk makes syncs late, not appends.
class Writer {
 public:
  // Where the journal goes on: what recovery found.
  struct Active {
    std::shared_ptr<Segment> segment;
    std::shared_ptr<File> file;
    int64_t max_time_ns = 0;
  };
  // What fdatasync has not seen yet. Taking it is a promise to sync it, once.
  struct Unsynced {
    uint64_t end_offset = 0;
    std::vector<std::shared_ptr<File>> files;  // oldest first
    bool directory = false;                    // segments were created
  };

  Writer(const Options& options, const Dependencies& dependencies, Retention* retention,
         std::shared_ptr<SegmentSet> segments, Active active);

  uint64_t next_offset() const { return next_offset_.load(std::memory_order_acquire); }
  // See Journal::Append. The records are in the file and in the segment's extent when it returns,
  // but not published.
  absl::Status Append(absl::Span<const Record> records) ABSL_LOCKS_EXCLUDED(mutex_);
  std::string BlockedReason() ABSL_LOCKS_EXCLUDED(mutex_);

  Unsynced TakeUnsynced() ABSL_LOCKS_EXCLUDED(mutex_);
  // Begins a new segment when the active one holds records received before `time_ns`, so that
  // retention can delete it.
  void RollIfBefore(int64_t time_ns) ABSL_LOCKS_EXCLUDED(mutex_);
  // The journal takes no more records. Seals the active segment: no later process appends to a
  // file of which a sync has failed.
  void Fail(const absl::Status& status) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status failure() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  absl::Status AppendLocked(absl::Span<const Record> records) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Roll() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Encode(absl::Span<const Record> records) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status WriteParts(uint64_t position) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Why `bytes` more may not be written; "" when they may. Looks at the file system's free space
  // when it is blocked, and else now and then.
  std::string FullReason(uint64_t bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Keeps blocked_reason_; returns the event that a change is.
  absl::optional<JournalEvent> SetBlocked(std::string reason) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Options& options_;
  const Dependencies& dependencies_;
  Retention* const retention_;
  const std::shared_ptr<SegmentSet> segments_;

  std::atomic<uint64_t> next_offset_;
  std::atomic<bool> blocked_{false};

  mutable absl::Mutex mutex_;
  Active active_ ABSL_GUARDED_BY(mutex_);
  uint64_t active_bytes_ ABSL_GUARDED_BY(mutex_);
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);
  std::string blocked_reason_ ABSL_GUARDED_BY(mutex_);
  bool blocked_by_write_ ABSL_GUARDED_BY(mutex_) = false;  // a write said so, not our own limits
  uint64_t blocked_bytes_ ABSL_GUARDED_BY(mutex_) = 0;     // size of the group that was refused
  uint64_t bytes_since_check_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<std::shared_ptr<File>> sealed_unsynced_ ABSL_GUARDED_BY(mutex_);
  bool active_unsynced_ ABSL_GUARDED_BY(mutex_) = true;  // what recovery found counts as unsynced
  bool directory_unsynced_ ABSL_GUARDED_BY(mutex_) = true;
  // Reused from group to group.
  std::vector<char> headers_ ABSL_GUARDED_BY(mutex_);
  std::vector<iovec> parts_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace center::journal
