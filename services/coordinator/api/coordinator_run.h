// What a coordinator begins with, this process and its time on a data directory.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "center/v1/event.pb.h"
#include "center/v1/server.pb.h"
#include "services/common/http/server.h"
#include "services/common/net_address.h"
#include "services/common/signal_pipe.h"
#include "services/coordinator/api/client_fleet.h"
#include "services/coordinator/api/fleet.h"
#include "services/coordinator/jobs/job_store.h"
#include "services/coordinator/state/store.h"

namespace center::coordinator {

// Stores that a coordinator, this process, has come; returns the event that says so, and how the
// one before has ended.
absl::StatusOr<v1::Event> BeginRun(state::Store& store, const std::string& data_dir);

// Stores that this run has ended in order, or logs why the next one will not know.
void EndRun(state::Store& store);

// What GetCoordinator says of this process, which is reached at `addresses`. They are logged.
// `http`: null where it is off.
v1::Coordinator DescribeRun(const std::string& data_dir, const std::vector<NetAddress>& addresses,
                            const http::Server* http);

// "2 servers, 3 workers".
std::string DescribeCounts(const Fleet& fleet);
// "SIGTERM from process 1234 (…)"
std::string DescribeSignal(const SignalPipe::Arrival& arrival);

// What clients need, most of which servers need too.
ClientFleet::Dependencies ClientDependencies(
    const Fleet::Dependencies& of_servers, std::function<void(SteadyTime)> arm_timer,
    std::function<absl::StatusOr<ServerTarget>(const std::string& server)> find_server);

// The services whose health is told each by itself.
std::vector<std::string> ServicesWithHealth();

// The jobs that are in the folder, which is made if there is none. `post` runs a task on the
// control thread.
absl::StatusOr<std::unique_ptr<jobs::JobStore>> OpenJobs(
    const std::string& dir, std::function<void(std::function<void()>)> post);

}  // namespace center::coordinator
