// Taking over processes that an earlier supervisor launched.
#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "services/common/log.h"
#include "services/common/status_macros.h"
#include "services/coordinator/supervision/exit_reason.h"
#include "services/coordinator/supervision/supervisor_internal.h"

namespace center::supervision {

absl::Status Supervisor::Adopt(ServerPlan plan, std::vector<AdoptedProcess> processes) {
  const Scope scope(*this);
  if (servers_.contains(plan.name)) {
    return absl::AlreadyExistsError(
        absl::StrCat(options_.words.group, " ", plan.name, " runs already"));
  }
  Server& server = *servers_.emplace(plan.name, std::make_unique<Server>()).first->second;
  server.limits = LimitsOf(plan);
  server.plan = std::move(plan);
  server.held = true;
  for (uint32_t i = 0; i < server.plan.slots; ++i) {
    server.processes
        .emplace_back(server, i, absl::StrCat(server.plan.name, "/", i),
                      Slot(server.limits, options_.random))
        .vacant = true;
  }
  for (AdoptedProcess& adopted : processes) {
    if (adopted.slot >= server.processes.size()) continue;
    Process& process = server.processes[adopted.slot];
    const int64_t pid = adopted.pid;
    process.vacant = false;
    process.generation = adopted.generation;
    process.start_time = adopted.start_time;
    process.launched =
        clock_.Steady() - absl::ToChronoNanoseconds(
                              std::max(clock_.Wall() - adopted.start_time, absl::ZeroDuration()));
    process.launches = adopted.restarts + 1;
    if (const absl::Status taken = TakeOver(process, std::move(adopted)); !taken.ok()) {
      if (!absl::IsNotFound(taken)) {
        spdlog::error("{} {}: process {} cannot be adopted: {}", options_.words.member,
                      process.name, pid, taken);
      }
      process.lost = ProcessExit{.pid = pid, .known = false};
    }
  }
  return absl::OkStatus();
}

absl::Status Supervisor::TakeOver(Process& process, AdoptedProcess adopted) {
  if (!adopted.pidfd.valid()) return absl::NotFoundError("it has died");
  const uint64_t launch_id = ++last_launch_id_;
  RETURN_IF_ERROR(launcher_.Adopt(
      {.pid = adopted.pid, .pidfd = std::move(adopted.pidfd), .log_name = process.name},
      OnExitOf(process, launch_id)));
  process.token = std::move(adopted.token);
  process.launch_id = launch_id;
  process.pid = adopted.pid;
  process.kill_reported = false;
  process.adopted = true;
  process.slot.Start(clock_.Steady());
  NotifyChanged(process);
  return absl::OkStatus();
}

void Supervisor::Release(absl::string_view server_name) {
  const Scope scope(*this);
  const auto found = servers_.find(server_name);
  if (found == servers_.end() || !found->second->held) return;
  Server& server = *found->second;
  server.held = false;
  RecordLost(server);
  for (Process& process : server.processes) {
    if (std::exchange(process.vacant, false)) {
      process.slot.Start(clock_.Steady());
      LaunchOrDie(process);
    }
    Advance(process);
  }
}

void Supervisor::RecordLost(Server& server) {
  for (Process& process : server.processes) {
    if (!process.lost.has_value()) continue;
    ProcessExit exit = *std::exchange(process.lost, absl::nullopt);
    exit.time = clock_.Wall();
    process.slot.Start(clock_.Steady());
    ExitRecord record = Examine(process, std::move(exit));
    record.reason = absl::StrCat("died while there was no coordinator: ", record.reason);
    RecordDeath(process, std::move(record));
  }
}

void Supervisor::ReportAdopted(Process& process) {
  if (!process.adopted || std::exchange(process.adoption_reported, true)) return;
  const SteadyDuration age = clock_.Steady() - process.launched;
  NotifyEvent(EventType::kWorkerAdopted, process,
              absl::StrFormat("process %d, launched %s ago by an earlier coordinator, goes on",
                              process.pid, FormatSeconds(age)),
              {{"pid", absl::StrCat(process.pid)}});
}

}  // namespace center::supervision
