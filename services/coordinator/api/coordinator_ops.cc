#include "services/coordinator/api/coordinator_ops.h"

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/common/http/ask.h"
#include "services/common/log.h"
#include "services/common/status_macros.h"
#include "services/coordinator/api/launch.h"

namespace center::coordinator {
namespace {

using http::Check;
using http::MetricSet;
using supervision::SlotState;

constexpr absl::string_view kHttpDefault = "127.0.0.1:7071";

std::string Silent() {
  return absl::StrCat("has not answered within ", absl::FormatDuration(kOpsAnswerTimeout));
}

void AddFleet(const FleetFigures& fleet, MetricSet* metrics) {
  auto& wanted = metrics->Gauge("center_server_workers_wanted",
                                "Workers that a server is to have; 0 while it is stopped.");
  for (const FleetFigures::Server& server : fleet.servers) {
    wanted.Add(server.workers_wanted, {{"server", server.name}});
  }
  auto& states = metrics->Gauge("center_workers", "Worker slots by state.");
  for (const SlotState state : {SlotState::kStarting, SlotState::kReady, SlotState::kDraining,
                                SlotState::kStopped, SlotState::kBackoff, SlotState::kFailed}) {
    const auto count = fleet.workers_by_state.find(state);
    states.Add(count == fleet.workers_by_state.end() ? 0 : static_cast<double>(count->second),
               {{"state", std::string(supervision::SlotStateName(state))}});
  }
  auto& restarts = metrics->Counter("center_worker_restarts_total",
                                    "Processes launched in a slot after its first one.");
  for (const http::WorkerFigures& worker : fleet.workers) {
    const auto count = fleet.restarts.find(WorkerName(worker.server, worker.slot));
    if (count == fleet.restarts.end()) continue;
    restarts.Add(static_cast<double>(count->second),
                 http::WorkerLabels(worker.server, worker.slot));
  }
  auto& deaths = metrics->Counter("center_worker_exits_total",
                                  "Worker processes that ended, by cause; since this coordinator "
                                  "started.");
  for (const auto& [key, count] : fleet.deaths) {
    deaths.Add(static_cast<double>(count),
               {{"server", key.first}, {"cause", std::string(DeathCauseName(key.second))}});
  }
  http::AddWorkerMetrics(fleet.workers, metrics);
}

void AddClients(const std::vector<ClientFigures>& clients, MetricSet* metrics) {
  const auto add = [&](MetricSet::Family& family, const auto& value_of) {
    for (const ClientFigures& client : clients) {
      family.Add(static_cast<double>(value_of(client)), {{"client", client.name}});
    }
  };
  const auto add_stat = [&](MetricSet::Family& family, uint64_t (v1::ClientStats::*stat)() const) {
    add(family, [stat](const ClientFigures& client) { return (client.stats.*stat)(); });
  };
  add(metrics->Gauge("center_client_processes_wanted",
                     "Processes that a traffic client is to have; 0 while it is stopped."),
      [](const ClientFigures& client) { return client.processes_wanted; });
  add(metrics->Gauge("center_client_processes_ready", "Processes of a traffic client that run."),
      [](const ClientFigures& client) { return client.processes_ready; });
  add(metrics->Counter("center_client_restarts_total",
                       "Processes of a traffic client launched after each one's first."),
      [](const ClientFigures& client) { return client.restarts; });
  add_stat(metrics->Gauge("center_client_connections", "Open connections of a traffic client."),
           &v1::ClientStats::connections);
  add_stat(metrics->Counter("center_client_payloads_sent_total",
                            "Payloads that a traffic client has written to its sockets."),
           &v1::ClientStats::payloads_sent);
  add_stat(metrics->Counter("center_client_bytes_sent_total",
                            "Bytes that a traffic client has written, with the framing."),
           &v1::ClientStats::bytes_sent);
  add_stat(metrics->Counter("center_client_payloads_acknowledged_total",
                            "Payloads on connections that their server has read to the end."),
           &v1::ClientStats::payloads_acknowledged);
  add_stat(metrics->Counter("center_client_errors_total",
                            "Connects of a traffic client that failed, connections that broke."),
           &v1::ClientStats::errors);
  add_stat(metrics->Counter("center_client_reconnects_total",
                            "Connections that a traffic client has made again after an error."),
           &v1::ClientStats::reconnects);
}

void AddJobs(const JobFigures& figures, MetricSet* metrics) {
  const jobs::JobCounters& jobs = figures.counters;
  const auto add = [](MetricSet::Family& family, absl::string_view outcome, uint64_t value) {
    family.Add(static_cast<double>(value), {{"outcome", std::string(outcome)}});
  };
  metrics->Gauge("center_jobs_active", "Jobs that have not ended.")
      .Add(static_cast<double>(figures.active));
  metrics->Gauge("center_job_chunks_in_flight", "Chunks of jobs that workers have.")
      .Add(static_cast<double>(figures.chunks_in_flight));
  MetricSet::Family& chunks = metrics->Counter(
      "center_job_chunks_total",
      "Chunks of jobs that came back finished, were given back to be cut anew, or were lost with "
      "their worker, since the coordinator's start.");
  add(chunks, "finished", jobs.chunks_finished);
  add(chunks, "given_back", jobs.chunks_given_back);
  add(chunks, "lost", jobs.chunks_lost);
  MetricSet::Family& inputs =
      metrics->Counter("center_job_inputs_total",
                       "Inputs of jobs that have a result, or the reason why there is "
                       "none, since the coordinator's start.");
  add(inputs, "succeeded", jobs.inputs_succeeded);
  add(inputs, "failed", jobs.inputs_failed);
  metrics
      ->Counter("center_job_task_seconds_total",
                "Time that tasks of jobs took, since the coordinator's start.")
      .Add(std::chrono::duration<double>(jobs.task_time).count());
}

}  // namespace

MetricSet CoordinatorMetrics(const CoordinatorFigures& figures, const std::string& version) {
  MetricSet metrics;
  http::AddBuildInfo(version, &metrics);
  metrics.Gauge("center_coordinator_start_time_seconds", "When it started, since the epoch.")
      .Add(figures.start_time_seconds);
  metrics.Gauge("center_coordinator_payload_streams", "Payload streams that are relayed.")
      .Add(static_cast<double>(figures.payload_streams));
  AddJobs(figures.jobs, &metrics);
  AddFleet(figures.fleet, &metrics);
  AddClients(figures.clients, &metrics);
  return metrics;
}

http::Handler CoordinatorPages(const OpsDependencies& dependencies) {
  const auto stopping = [=] {
    return http::Ask<bool>(dependencies.post, dependencies.stopping, kOpsAnswerTimeout);
  };
  return http::OpsPages(
      {.process = absl::StrCat("center-coordinator ", dependencies.version),
       .live =
           [=] {
             const bool answers = stopping().has_value();
             return std::vector<Check>{
                 {.name = "control-thread", .detail = answers ? "" : Silent(), .ok = answers}};
           },
       .ready =
           [=] {
             const absl::optional<bool> ends = stopping();
             std::vector<Check> checks = {{.name = "control-thread",
                                           .detail = ends.has_value() ? "" : Silent(),
                                           .ok = ends.has_value()}};
             if (ends.has_value()) {
               checks.push_back(
                   {.name = "serving", .detail = *ends ? "it is stopping" : "", .ok = !*ends});
             }
             return checks;
           },
       .metrics = [=]() -> absl::StatusOr<MetricSet> {
         const auto figures = http::Ask<CoordinatorFigures>(dependencies.post, dependencies.figures,
                                                            kOpsAnswerTimeout);
         if (!figures.has_value()) {
           return absl::UnavailableError(absl::StrCat("the control thread ", Silent()));
         }
         return CoordinatorMetrics(*figures, dependencies.version);
       }});
}

absl::StatusOr<HttpOptions> ParseHttpOptions(const std::string& text) {
  if (text == "off") return HttpOptions{};
  HttpOptions options{.off = false, .required = !text.empty()};
  auto address = ParseNetAddress(text.empty() ? kHttpDefault : text);
  if (!address.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("--http: ", address.status().message()));
  }
  if (address->is_unix) {
    return absl::InvalidArgumentError(
        absl::StrCat("--http ", text, ": HTTP is served at host:port, or off"));
  }
  options.address = *std::move(address);
  return options;
}

absl::StatusOr<std::unique_ptr<http::Server>> ServeOps(const HttpOptions& options,
                                                       const http::Handler& handler) {
  if (options.off) return nullptr;
  auto server = http::Server::Start(options.address, handler);
  if (server.ok()) {
    spdlog::info("serving HTTP on {}", (*server)->address().ToString());
    return server;
  }
  if (options.required) {
    return absl::Status(server.status().code(),
                        absl::StrCat("--http: ", server.status().message()));
  }
  spdlog::warn("no HTTP: {}; --http says where it is to be served, or off", server.status());
  return nullptr;
}

}  // namespace center::coordinator
