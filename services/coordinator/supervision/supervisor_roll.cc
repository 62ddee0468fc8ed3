// Changes to a server that runs: its number of slots, its settings, new processes for old ones.
#include <algorithm>
#include <utility>

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
  if (server->roll.has_value()) {
    return absl::AlreadyExistsError(
        absl::StrCat("the workers of server ", server_name, " are being replaced already"));
  }
  RollState roll{.options = std::move(options), .began = last_launch_id_};
  const RollOptions& wanted = roll.options;
  for (const Process& process : server->processes) {
    const bool meant = wanted.only_slot.value_or(process.index) == process.index;
    const bool outdated = process.generation < server->plan.generation;
    if (!process.leaving && meant && (outdated || !wanted.only_outdated)) {
      roll.pending.push_back(process.index);
    }
  }
  if (wanted.only_slot.has_value() && roll.pending.empty()) {
    return absl::NotFoundError(
        absl::StrCat("there is no worker ", server_name, "/", *wanted.only_slot));
  }
  roll.total = static_cast<uint32_t>(roll.pending.size());
  server->roll = std::move(roll);
  return absl::OkStatus();
}

absl::optional<RollProgress> Supervisor::Rolling(absl::string_view server) const {
  const auto found = servers_.find(std::string(server));
  if (found == servers_.end() || !found->second->roll.has_value()) return absl::nullopt;
  return RollProgress{found->second->roll->replaced, found->second->roll->total};
}

void Supervisor::StepRolls() {
  for (const auto& [name, server] : servers_) {
    while (server->roll.has_value() && StepRoll(*server)) {
    }
  }
}

// One step of a roll, if one is possible now.
bool Supervisor::StepRoll(Server& server) {
  RollState& roll = *server.roll;
  if (roll.failed.has_value()) {
    EndRoll(server, *std::exchange(roll.failed, absl::nullopt));
    return true;
  }
  const auto stays = [&](uint32_t slot) {
    return slot < server.processes.size() && !server.processes[slot].leaving;
  };
  if (roll.current.has_value()) {
    if (stays(*roll.current)) {
      const Process& process = server.processes[*roll.current];
      const bool done =
          process.slot.state() == SlotState::kReady && process.launch_id > roll.launched_before;
      if (!done) return false;
      ++roll.replaced;
    } else if (roll.options.only_slot.has_value()) {
      EndRoll(server, {.outcome = RollOutcome::kStopped, .reason = "it was scaled away meanwhile"});
      return true;
    }
    roll.current.reset();
  }
  // A process that was launched meanwhile, for another reason, is new already.
  std::erase_if(roll.pending, [&](uint32_t slot) {
    return !stays(slot) || server.processes[slot].launch_id > roll.began;
  });
  if (roll.pending.empty()) {
    EndRoll(server, {.outcome = RollOutcome::kDone});
    return true;
  }
  const absl::optional<uint32_t> next = NextToRoll(server);
  if (!next.has_value()) return false;
  std::erase(roll.pending, *next);
  roll.current = next;
  roll.launched_before = last_launch_id_;
  Process& process = server.processes[*next];
  End(process, Ending::kReplace, roll.options.now, "it is replaced");
  Advance(process);
  return true;
}

absl::optional<uint32_t> Supervisor::NextToRoll(const Server& server) const {
  const RollState& roll = *server.roll;
  for (const uint32_t slot : roll.pending) {
    if (server.processes[slot].slot.state() != SlotState::kReady) return slot;
  }
  const bool others_serve =
      std::all_of(server.processes.begin(), server.processes.end(), [](const Process& process) {
        return process.leaving || process.slot.state() == SlotState::kReady ||
               HasGivenUp(process.slot);
      });
  if (!others_serve && !roll.options.only_slot.has_value()) return absl::nullopt;
  return roll.pending.front();
}

// A process has died that nobody had asked to end.
void Supervisor::NoteDeath(const Process& process, bool was_ready, const std::string& reason) {
  absl::optional<RollState>& roll = process.server.roll;
  if (!roll.has_value() || roll->failed.has_value()) return;
  const bool current = roll->current == process.index;
  const bool old =
      std::find(roll->pending.begin(), roll->pending.end(), process.index) != roll->pending.end() &&
      process.launch_id <= roll->began;
  // Old processes say nothing about the new program.
  const bool counts = current || (!old && !was_ready && !roll->options.only_slot.has_value());
  if (!counts || process.leaving) return;
  roll->failed =
      RollResult{.outcome = RollOutcome::kFailed,
                 .reason = absl::StrCat("worker ", process.name, " did not become READY: ", reason),
                 .slot = process.index};
}

void Supervisor::EndRoll(Server& server, RollResult result) {
  RollState roll = *std::exchange(server.roll, absl::nullopt);
  result.replaced = roll.replaced;
  if (!roll.options.done) return;
  notifications_.push_back(
      [done = std::move(roll.options.done), result = std::move(result)] { done(result); });
}

}  // namespace center::supervision
