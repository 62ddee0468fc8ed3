// The journal's own thread: fdatasync, group commit, retention.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/worker/journal/journal.h"
#include "services/worker/journal/retention.h"
#include "services/worker/journal/segment_set.h"
#include "services/worker/journal/writer.h"

namespace center::journal {

// Starts its thread when made, ends it when destroyed, without a last sync.
//
// With kSynced it syncs as soon as something was appended; what arrives during an fdatasync is
// covered by the next one: that is the group commit. With kWritten it syncs each sync_interval.
class Maintenance {
 public:
  // `inherited`: names of sealed segments that an earlier process may not have synced.
  Maintenance(const Options& options, const Dependencies& dependencies, Writer* writer,
              Retention* retention, std::shared_ptr<SegmentSet> segments,
              std::vector<std::string> inherited);
  ~Maintenance();

  // After an append: something may have to be synced or deleted.
  void Notify() ABSL_LOCKS_EXCLUDED(mutex_);
  // Something may be deleted now.
  void NotifyRetention() ABSL_LOCKS_EXCLUDED(mutex_);
  // Returns when everything below `offset` is synced, or with the failure that prevents it.
  absl::Status AwaitSynced(uint64_t offset) ABSL_LOCKS_EXCLUDED(mutex_);
  SyncStats sync_stats() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  void Run();
  // One round of fdatasync. Called by the thread only.
  void Sync() ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status SyncFiles(const Writer::Unsynced& unsynced);
  void Retain();

  const Options& options_;
  const Dependencies& dependencies_;
  Writer* const writer_;
  Retention* const retention_;
  const std::shared_ptr<SegmentSet> segments_;
  std::vector<std::string> inherited_;  // the thread's
  std::string last_complaint_;          // the thread's: says a lasting failure once

  mutable absl::Mutex mutex_;
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  bool sync_wanted_ ABSL_GUARDED_BY(mutex_) = false;
  bool retention_wanted_ ABSL_GUARDED_BY(mutex_) = false;
  bool failed_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t synced_end_ ABSL_GUARDED_BY(mutex_) = 0;
  SyncStats sync_stats_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

// Makes a file's earlier content, written by whomever, survive a power loss.
absl::Status SyncExisting(FileSystem& fs, const std::string& path);

}  // namespace center::journal
