// The coordinator process, put together: data directory, store, control thread, fleet, gRPC.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/common/clock.h"
#include "services/common/net_address.h"
#include "services/common/rpc/tls.h"
#include "services/coordinator/api/coordinator_ops.h"
#include "services/coordinator/api/host_duties.h"
#include "services/coordinator/api/job_manager.h"
#include "services/coordinator/kube/cluster.h"
#include "services/coordinator/state/store.h"

namespace center::coordinator {

struct CoordinatorOptions {
  std::string data_dir;
  // Set: workers are pods of this cluster, rather than processes of this machine.
  absl::optional<kube::ClusterOptions> cluster;
  std::vector<NetAddress> listen;       // at least one; TCP port 0: the kernel chooses
  HttpOptions http;                     // off unless it is said where
  std::shared_ptr<const rpc::Tls> tls;  // of TCP connections; null: they are in plain text
  rpc::AccessRules rules;               // of calls over TLS
  std::string worker_program;           // path of center-worker
  std::string client_program;           // path of center-client
  std::string log_format = "text";      // of the processes
  std::string log_level = "info";
  uint64_t events_max = state::kEventsMax;  // kept
  // Takes the stacks of workers (see StackHelper). Empty: they are not taken.
  std::string stacks_program;
  SteadyDuration stacks_timeout = std::chrono::seconds(2);
  JobLimits jobs;
  // What the configuration file wants of the servers, carried out once this one serves.
  FleetFile fleet;
  // Reads the configuration file again, for SIGHUP. Empty: there is none.
  std::function<absl::StatusOr<Reloaded>()> read_again;
};

// Lifecycle: Create (locks the data directory, serves gRPC, takes up what the store says), Run on
// the same thread until a signal or Stop ends it, destroy. REQUIRES: rpc::InitServerPlugins was
// called in this process.
class Coordinator {
 public:
  // Errors: FailedPrecondition (another coordinator has the data directory), AlreadyExists (an
  // address is in use), and what the store says. Nothing is started when it fails.
  static absl::StatusOr<std::unique_ptr<Coordinator>> Create(CoordinatorOptions options);
  ~Coordinator();

  // Where it serves, with the ports that were chosen.
  const std::vector<NetAddress>& addresses() const;

  // Serves until SIGTERM or SIGINT, then drains all workers (a second signal: at once). Desired
  // state stays, so that the next coordinator starts the same servers. SIGUSR2: leaves the workers
  // as they are to the next coordinator. SIGHUP: reads the configuration again.
  void Run();
  // As a signal. Any thread.
  void Stop();

 private:
  struct Parts;
  explicit Coordinator(std::unique_ptr<Parts> parts);

  std::unique_ptr<Parts> parts_;
};

// The default of --data-dir: $XDG_STATE_HOME/center or ~/.local/state/center.
std::string DefaultDataDir();

// `name` in the folder of the running program.
absl::StatusOr<std::string> SiblingProgram(const std::string& name);

}  // namespace center::coordinator
