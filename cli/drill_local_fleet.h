// A coordinator with one server that belong to `drill` alone: in a temporary folder, on a unix
// socket there, with a port that the kernel chooses. Nothing of it is left behind.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "cli/context.h"
#include "cli/coordinator_process.h"
#include "cli/drill_fleet.h"
#include "services/common/fd.h"

namespace center::cli {

struct LocalFleetOptions {
  uint32_t workers = 3;
  v1::Durability durability = v1::DURABILITY_WRITTEN;
  bool lose_segment = false;  // a control: at rest, the oldest one of a journal is removed
};

// Main's thread, Interrupt and NewContext excepted.
class LocalFleet final : public DrillFleet {
 public:
  // Everything up: the coordinator answers and every worker is READY.
  static absl::StatusOr<std::unique_ptr<LocalFleet>> Start(const Context& outer,
                                                           const LocalFleetOptions& options);
  // Kills what is left; removes the folder unless Keep was called.
  ~LocalFleet() override;

  const std::string& dir() const { return dir_; }
  void Keep() { keep_ = true; }
  // Its remarks go to the drill's log.
  std::unique_ptr<Context> NewContext() const override;
  Context& context() override { return *context_; }

  // Processes of its workers that there are, whoever knows of them. Not those that only read what
  // slots that were scaled away have left.
  std::vector<int64_t> WorkerProcesses() const;
  absl::Status SignalWorker(int64_t pid, int signal);
  // True when it has ended within `timeout`.
  bool WaitWorkerEnd(int64_t pid, absl::Duration timeout);
  absl::Status KillCoordinator();
  absl::Status StartCoordinatorAgain();

  // Stops everything in order, and checks and reads the journals on disk.
  absl::Status ReadAtRest(DrillTally* stored, std::vector<DrillJournal>* journals) override;

  // Kills every process that was started for this drill, each found by the name of the folder on
  // its command line. Nothing is started from then on.
  void Interrupt() override;

 private:
  LocalFleet(const Context& outer, std::string dir, const LocalFleetOptions& options);
  absl::Status StartServer();
  // Stops the server in order, then the coordinator.
  absl::Status Stop();
  // By slot, also of slots that were scaled away.
  std::vector<std::string> JournalDirs() const;
  std::string data_dir() const { return dir_ + "/data"; }

  const LocalFleetOptions options_;
  const std::string dir_;
  const ScopedFd log_;
  Globals globals_;
  Dependencies dependencies_;
  bool keep_ = false;
  std::unique_ptr<Context> context_;
  absl::optional<DaemonSpec> spec_;
  absl::optional<StartedCoordinator> coordinator_;
};

}  // namespace center::cli
