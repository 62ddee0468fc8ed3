// The subscriber of `drill`, and the final read of everything.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "center/v1/payload.pb.h"
#include "cli/context.h"
#include "cli/drill_ledger.h"
#include "cli/follow.h"

namespace center::cli {

// What of a server's payloads is read.
struct DrillFeed {
  std::string server;
  std::string run;    // only payloads of this run (see drill_ledger.h); empty: all
  v1::Cursor begins;  // empty: with the earliest
};

// Follows a server's payloads, over every break of the line, and remembers what it saw. Runs from
// construction until it is destroyed.
class DrillSubscriber {
 public:
  DrillSubscriber(std::unique_ptr<Context> context, DrillFeed feed);
  ~DrillSubscriber();
  DrillSubscriber(const DrillSubscriber&) = delete;
  DrillSubscriber& operator=(const DrillSubscriber&) = delete;

  // Ends the stream; another one, on this route, goes on from its cursor.
  void Resume(Route route);
  // What it saw, while it sees nothing more.
  void Look(const std::function<void(const DrillTally&)>& visit) const ABSL_LOCKS_EXCLUDED(mutex_);
  // Not OK when it has given up.
  absl::Status status() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  void Begin(Route route);
  void End();
  bool Take(const StreamMessage& message) ABSL_LOCKS_EXCLUDED(mutex_);

  const std::unique_ptr<Context> context_;
  DrillFeed feed_;
  mutable absl::Mutex mutex_;
  DrillTally seen_ ABSL_GUARDED_BY(mutex_);
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<Follower> follower_;  // of thread_, while that runs
  std::thread thread_;
};

// What can be read now.
struct DrillStored {
  DrillTally tally;
  std::map<std::string, std::string> gaps;  // by worker: what of it cannot be read, and why
};
absl::StatusOr<DrillStored> ReadStored(Context& context, const DrillFeed& feed,
                                       Route route = Route::kRelayed);

}  // namespace center::cli
