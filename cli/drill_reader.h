// The subscriber of `drill`, and the final read of everything.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "cli/context.h"
#include "cli/drill_ledger.h"
#include "cli/follow.h"

namespace center::cli {

// Follows a server's payloads from the earliest on, over every break of the line, and remembers
// what it saw. Runs from construction until it is destroyed.
class DrillSubscriber {
 public:
  DrillSubscriber(std::unique_ptr<Context> context, const std::string& server);
  ~DrillSubscriber();
  DrillSubscriber(const DrillSubscriber&) = delete;
  DrillSubscriber& operator=(const DrillSubscriber&) = delete;

  uint64_t payloads() const { return payloads_.load(); }
  // What it saw, while it sees nothing more.
  void Look(const std::function<void(const DrillTally&)>& visit) const ABSL_LOCKS_EXCLUDED(mutex_);
  // Not OK when it has given up.
  absl::Status status() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  bool Take(const StreamMessage& message) ABSL_LOCKS_EXCLUDED(mutex_);

  const std::unique_ptr<Context> context_;
  std::atomic<uint64_t> payloads_{0};
  mutable absl::Mutex mutex_;
  DrillTally seen_ ABSL_GUARDED_BY(mutex_);
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
  Follower follower_;
  std::thread thread_;
};

// Everything that the server's journals hold now.
absl::StatusOr<DrillTally> ReadStored(Context& context, const std::string& server);

}  // namespace center::cli
