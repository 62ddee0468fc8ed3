// Changes to a server that runs: its number of slots, its settings, new processes for old ones.
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/common/status_macros.h"
#include "services/coordinator/supervision/supervisor_internal.h"

namespace center::supervision {
namespace {

// It will not serve again by itself: a roll does not wait for it.
bool HasGivenUp(const Slot& slot) {
  return slot.state() == SlotState::kFailed || slot.state() == SlotState::kStopped;
}

}  // namespace

absl::StatusOr<Supervisor::Server*> Supervisor::FindServing(absl::string_view server) {
  const auto found = servers_.find(std::string(server));
  if (found == servers_.end()) {
    return absl::NotFoundError(absl::StrCat("server ", server, " does not run"));
  }
  if (found->second->stopping) {
    return absl::FailedPreconditionError(absl::StrCat("server ", server, " is stopping"));
  }
  return found->second.get();
}

absl::Status Supervisor::Scale(absl::string_view server_name, uint32_t slots, bool now) {
  const Scope scope(*this);
  ASSIGN_OR_RETURN(Server* const server, FindServing(server_name));
  ServerPlan scaled = server->plan;
  scaled.slots = slots;
  RETURN_IF_ERROR(CheckPlan(scaled));
  server->plan.slots = slots;
  for (uint32_t i = slots; i < server->processes.size(); ++i) {
    Process& process = server->processes[i];
    process.leaving = true;
    End(process, Ending::kStop, now, "the server is scaled down");
  }
  for (uint32_t i = 0; i < slots; ++i) {
    if (i >= server->processes.size()) {
      Process& process = AddSlot(*server);
      LaunchOrDie(process);
      Advance(process);
    } else if (Process& process = server->processes[i]; process.leaving) {
      process.leaving = false;
      End(process, Ending::kReplace, /*now=*/false, "it is replaced");
      NotifyChanged(process);
      Advance(process);
    }
  }
  Trim(*server);
  return absl::OkStatus();
}

void Supervisor::Trim(Server& server) {
  while (!server.processes.empty() && server.processes.back().leaving &&
         server.processes.back().slot.state() == SlotState::kStopped) {
    server.processes.pop_back();
  }
}

absl::Status Supervisor::SetPlan(ServerPlan plan) {
  const Scope scope(*this);
  ASSIGN_OR_RETURN(Server* const server, FindServing(plan.name));
  plan.slots = server->plan.slots;
  RETURN_IF_ERROR(CheckPlan(plan));
  server->plan = std::move(plan);
  server->limits = LimitsOf(server->plan);
  for (Process& process : server->processes) process.slot.SetLimits(server->limits);
  return absl::OkStatus();
}

absl::Status Supervisor::Roll(absl::string_view server_name, RollOptions options) {
  const Scope scope(*this);
  ASSIGN_OR_RETURN(Server* const server, FindServing(server_name));
  std::vector<uint32_t> slots;
  for (const Process& process : server->processes) {
    const bool meant = options.only_slot.value_or(process.index) == process.index;
    const bool outdated = process.generation < server->plan.generation;
    if (!process.leaving && meant && (outdated || !options.only_outdated)) {
      slots.push_back(process.index);
    }
  }
  return RollOrder::Begin(server_name, std::move(options), std::move(slots),
                          static_cast<int64_t>(last_launch_id_), &server->roll);
}

absl::optional<RollProgress> Supervisor::Rolling(absl::string_view server) const {
  const auto found = servers_.find(std::string(server));
  if (found == servers_.end() || !found->second->roll.has_value()) return absl::nullopt;
  return found->second->roll->progress();
}

void Supervisor::StepRolls() {
  for (const auto& [name, server] : servers_) {
    while (server->roll.has_value() && StepRoll(*server)) {
    }
  }
}

// One step of a roll, if one is possible now.
bool Supervisor::StepRoll(Server& server) {
  std::vector<RolledSlot> slots;
  slots.reserve(server.processes.size());
  for (const Process& process : server.processes) {
    slots.push_back({.stays = !process.leaving,
                     .serves = process.slot.state() == SlotState::kReady,
                     .given_up = HasGivenUp(process.slot),
                     .incarnation = static_cast<int64_t>(process.launch_id),
                     .process = absl::StrCat(process.launch_id)});
  }
  RollOrder::Step step = server.roll->Next(slots);
  switch (step.what) {
    case RollOrder::What::kWait:
      return false;
    case RollOrder::What::kEnd:
      EndRoll(server, std::move(step.result));
      return true;
    case RollOrder::What::kReplace:
      Process& process = server.processes[step.slot];
      End(process, Ending::kReplace, server.roll->options().now, "it is replaced");
      Advance(process);
      return true;
  }
  return false;
}

// A process has died that nobody had asked to end.
void Supervisor::NoteDeath(const Process& process, bool was_ready, const std::string& reason) {
  absl::optional<RollOrder>& roll = process.server.roll;
  if (!roll.has_value()) return;
  const bool old =
      roll->IsPending(process.index) && static_cast<int64_t>(process.launch_id) <= roll->began();
  // Old processes say nothing about the new program.
  const bool counts = roll->IsCurrent(process.index) ||
                      (!old && !was_ready && !roll->options().only_slot.has_value());
  if (counts && !process.leaving) roll->Fail(process.index, process.name, reason);
}

void Supervisor::EndRoll(Server& server, RollResult result) {
  notifications_.push_back(std::move(*server.roll).Ended(std::move(result)));
  server.roll.reset();
}

}  // namespace center::supervision
