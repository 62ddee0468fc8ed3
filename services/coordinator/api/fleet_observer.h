// What the fleet tells those who use its workers.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "services/coordinator/relay/worker_directory.h"
#include "services/coordinator/supervision/supervisor.h"

namespace center::coordinator {

struct FleetWorker {
  relay::WorkerEndpoint endpoint;
  int64_t pid = 0;
  bool ready = false;  // READY: neither starting nor draining
};

struct FleetServer {
  std::string name;
  bool running = false;
  absl::Duration cancel_grace;
  std::vector<FleetWorker> workers;
};

// What a compute thread of a worker is at.
struct RunningTask {
  uint64_t chunk = 0;
  uint64_t input = 0;  // index in the job
};

// Called on the control thread; must not call back into the fleet.
class FleetObserver {
 public:
  virtual ~FleetObserver() = default;
  // A server or its workers may have changed.
  virtual void OnServer(const FleetServer& server) = 0;
  // A worker's process has ended; what it was running then, where that is known.
  virtual void OnWorkerExited(const std::string& worker, int64_t pid,
                              const supervision::ExitRecord& exit,
                              const std::vector<RunningTask>& running) = 0;
};

}  // namespace center::coordinator
