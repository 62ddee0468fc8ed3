// What `drill` works on: a coordinator, and a server of it with its workers. They are the drill's
// own (drill_local_fleet), or were there before it (drill_cluster_fleet).
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "center/v1/event.grpc.pb.h"
#include "center/v1/server.grpc.pb.h"
#include "cli/context.h"
#include "cli/drill.h"
#include "cli/drill_reader.h"
#include "cli/tcp.h"

namespace center::cli {

// Main's thread, Interrupt and what takes a Context excepted.
class DrillFleet {
 public:
  virtual ~DrillFleet() = default;
  DrillFleet(const DrillFleet&) = delete;
  DrillFleet& operator=(const DrillFleet&) = delete;

  const std::string& server() const { return feed_.server; }
  // How many it has when the drill begins.
  uint32_t workers() const { return workers_; }
  // Where producers connect, and what of the server's payloads is theirs.
  const Target& target() const { return target_; }
  const DrillFeed& feed() const { return feed_; }
  // A way to the coordinator with a channel of its own.
  virtual std::unique_ptr<Context> NewContext() const = 0;
  virtual Context& context() = 0;

  absl::StatusOr<v1::Server> Server();
  // All that are kept and have a larger id, oldest first.
  absl::StatusOr<std::vector<v1::Event>> Events(uint64_t since_id = 0);
  // Waits until every one of `workers` slots is READY and `fits` (may be null) is content.
  absl::Status WaitReady(uint32_t workers, absl::Duration timeout,
                         const std::function<bool(const v1::Server&)>& fits = nullptr);
  // These answer when it is done.
  absl::Status Roll(Context& context);
  absl::Status Scale(Context& context, uint32_t workers);
  absl::Status RestartWorker(Context& context, const std::string& worker, bool now);

  // When the load is over: adds to *stored what every journal holds, and says of each how it is.
  virtual absl::Status ReadAtRest(DrillTally* stored, std::vector<DrillJournal>* journals) = 0;

  // Ends whatever the drill waits for. Any thread; for good.
  virtual void Interrupt() { CancelCalls(); }
  bool interrupted() const { return interrupted_.load(); }

 protected:
  DrillFleet(std::string server, uint32_t workers, absl::Duration poll,
             absl::Duration change_timeout)
      : poll_(poll), change_timeout_(change_timeout), workers_(workers) {
    feed_.server = std::move(server);
  }
  void CancelCalls() ABSL_LOCKS_EXCLUDED(mutex_);
  // What Scale was last called with; 0: never.
  uint32_t scaled_to() const { return scaled_to_.load(); }

  const absl::Duration poll_;
  const absl::Duration change_timeout_;
  uint32_t workers_;
  Target target_;
  DrillFeed feed_;

 private:
  template <typename Request, typename Response>
  absl::Status Change(Context& context,
                      grpc::Status (v1::ServerService::Stub::*method)(grpc::ClientContext*,
                                                                      const Request&, Response*),
                      const Request& request) ABSL_LOCKS_EXCLUDED(mutex_);

  std::atomic<bool> interrupted_{false};
  std::atomic<uint32_t> scaled_to_{0};
  absl::Mutex mutex_;
  std::set<grpc::ClientContext*> calls_ ABSL_GUARDED_BY(mutex_);  // that may take long
};

}  // namespace center::cli
