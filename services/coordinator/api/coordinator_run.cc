#include "services/coordinator/api/coordinator_run.h"

#include <unistd.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "center/v1/client.grpc.pb.h"
#include "center/v1/event.grpc.pb.h"
#include "center/v1/job.grpc.pb.h"
#include "center/v1/payload.grpc.pb.h"
#include "center/v1/server.grpc.pb.h"
#include "center/v1/worker.grpc.pb.h"
#include "services/common/clock.h"
#include "services/common/fd.h"
#include "services/common/log.h"
#include "services/common/signal_sender.h"
#include "services/common/status_macros.h"
#include "services/common/utf8.h"
#include "services/coordinator/api/job_table.h"
#include "services/coordinator/api/spec.h"
#include "services/coordinator/api/start_event.h"
#include "services/coordinator/supervision/exit_reason.h"

namespace center::coordinator {

absl::StatusOr<v1::Event> BeginRun(state::Store& store, const std::string& data_dir) {
  ASSIGN_OR_RETURN(const auto before, store.BeginRun({.version = CENTER_VERSION,
                                                      .pid = ::getpid(),
                                                      .start_time = RealClock().Wall()}));
  return StartEvent(before, data_dir);
}

void EndRun(state::Store& store) {
  const absl::Status ended = store.EndRun();
  if (ended.ok()) return;
  spdlog::error("the next coordinator will not know that this one ended in order: {}", ended);
}

v1::Coordinator DescribeRun(const std::string& data_dir, const std::vector<NetAddress>& addresses,
                            const http::Server* http) {
  v1::Coordinator self;
  self.set_pid(::getpid());
  self.set_version(CENTER_VERSION);
  *self.mutable_start_time() = FromTime(RealClock().Wall());
  self.set_data_dir(ValidUtf8(data_dir));
  for (const NetAddress& address : addresses) {
    self.add_addresses(ValidUtf8(address.ToString()));
    spdlog::info("serving gRPC on {}", address.ToString());
  }
  if (http != nullptr) self.set_http_address(http->address().ToString());
  return self;
}

std::string DescribeCounts(const Fleet& fleet) {
  v1::Coordinator counted;
  fleet.CountInto(&counted);
  return absl::StrCat(counted.servers(), " servers, ", counted.workers(), " workers");
}

std::string DescribeSignal(const SignalPipe::Arrival& arrival) {
  const std::string sender = DescribeSender(arrival.sender);
  return absl::StrCat(supervision::SignalName(arrival.signal), sender.empty() ? "" : " from ",
                      sender);
}

ClientFleet::Dependencies ClientDependencies(
    const Fleet::Dependencies& of_servers, std::function<void(SteadyTime)> arm_timer,
    std::function<absl::StatusOr<ServerTarget>(const std::string& server)> find_server) {
  return {
      .launcher = of_servers.launcher,
      .clock = of_servers.clock,
      .store = of_servers.store,
      .events = of_servers.events,
      .post = of_servers.post,
      .arm_timer = std::move(arm_timer),
      .find_server = std::move(find_server),
      .open_process = of_servers.open_process,
      .end_process = of_servers.end_process,
      .judge_oom = of_servers.judge_oom,
      .take_stacks = of_servers.take_stacks,
  };
}

std::vector<std::string> ServicesWithHealth() {
  return {v1::ServerService::service_full_name(),  v1::RegistryService::service_full_name(),
          v1::EventService::service_full_name(),   v1::JobService::service_full_name(),
          v1::PayloadService::service_full_name(), v1::ClientService::service_full_name()};
}

absl::StatusOr<std::unique_ptr<jobs::JobStore>> OpenJobs(
    const std::string& dir, std::function<void(std::function<void()>)> post) {
  RETURN_IF_ERROR(MakeDirectories(dir));
  ASSIGN_OR_RETURN(auto table, JobTable::Open(dir + "/jobs.db"));
  return jobs::JobStore::Open({.dir = dir, .post = std::move(post), .table = std::move(table)});
}

}  // namespace center::coordinator
