// A coordinator with one server that belong to `drill` alone: in a temporary folder, on a unix
// socket there, with a port that the kernel chooses. Nothing of it is left behind.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "center/v1/event.grpc.pb.h"
#include "center/v1/server.grpc.pb.h"
#include "cli/context.h"
#include "cli/coordinator_process.h"
#include "cli/tcp.h"
#include "services/common/fd.h"

namespace center::cli {

struct DrillFleetOptions {
  uint32_t workers = 3;
  v1::Durability durability = v1::DURABILITY_WRITTEN;
};

// Main's thread, KillAll and Channel excepted.
class DrillFleet {
 public:
  static constexpr char kServer[] = "drill";

  // Everything up: the coordinator answers and every worker is READY.
  static absl::StatusOr<std::unique_ptr<DrillFleet>> Start(const Context& outer,
                                                           const DrillFleetOptions& options);
  // Kills what is left; removes the folder unless Keep was called.
  ~DrillFleet();
  DrillFleet(const DrillFleet&) = delete;
  DrillFleet& operator=(const DrillFleet&) = delete;

  const std::string& dir() const { return dir_; }
  const Target& target() const { return target_; }
  void Keep() { keep_ = true; }
  // A way to the coordinator with a channel of its own, whose remarks go to the drill's log.
  std::unique_ptr<Context> NewContext() const;
  Context& context() { return *context_; }

  absl::StatusOr<v1::Server> Server();
  // All that are kept, oldest first.
  absl::StatusOr<std::vector<v1::Event>> Events();
  // Processes of its workers that there are, whoever knows of them. Not those that only read what
  // slots that were scaled away have left.
  std::vector<int64_t> WorkerProcesses() const;
  // Waits until every one of `workers` slots is READY and `fits` (may be null) is content.
  absl::Status WaitReady(uint32_t workers, absl::Duration timeout,
                         const std::function<bool(const v1::Server&)>& fits = nullptr);
  absl::Status SignalWorker(int64_t pid, int signal);
  // True when it has ended within `timeout`.
  bool WaitWorkerEnd(int64_t pid, absl::Duration timeout);
  absl::Status KillCoordinator();
  absl::Status StartCoordinatorAgain();
  // Stops the server in order, then the coordinator.
  absl::Status Stop();
  // By slot, also of slots that were scaled away.
  std::vector<std::string> JournalDirs() const;

  // Kills every process that was started for this drill, each found by the name of the folder on
  // its command line. Any thread; nothing is started from then on.
  void KillAll();
  bool killed() const { return killed_.load(); }

 private:
  DrillFleet(const Context& outer, std::string dir);
  absl::Status StartServer(const DrillFleetOptions& options);
  std::string data_dir() const { return dir_ + "/data"; }

  const std::string dir_;
  const ScopedFd log_;
  Globals globals_;
  Dependencies dependencies_;
  bool keep_ = false;
  Target target_;
  std::unique_ptr<Context> context_;
  absl::optional<DaemonSpec> spec_;
  absl::optional<StartedCoordinator> coordinator_;
  std::atomic<bool> killed_{false};
};

}  // namespace center::cli
