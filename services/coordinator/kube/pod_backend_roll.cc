// Replacing pods, one slot at a time.
#include <utility>
#include <vector>

#include "services/common/status_macros.h"
#include "services/coordinator/kube/pod_backend_internal.h"

namespace center::kube {

using supervision::RolledSlot;
using supervision::RollOptions;
using supervision::RollOrder;
using supervision::RollProgress;
using supervision::RollResult;
using supervision::SlotState;

absl::Status PodBackend::Roll(absl::string_view name, RollOptions options) {
  const Scope scope(*this);
  ASSIGN_OR_RETURN(Server* const server, FindServing(name));
  std::vector<uint32_t> slots;
  for (const PodSlot& slot : server->slots) {
    // What pods are outdated, the StatefulSet's own controller knows, and replaces.
    const bool meant = options.only_slot.value_or(slot.index) == slot.index;
    if (meant && !slot.leaving && !options.only_outdated) slots.push_back(slot.index);
  }
  return RollOrder::Begin(name, std::move(options), std::move(slots), last_incarnation_,
                          &server->roll);
}

absl::optional<RollProgress> PodBackend::Rolling(absl::string_view name) const {
  const auto found = servers_.find(name);
  if (found == servers_.end() || !found->second->roll.has_value()) return absl::nullopt;
  return found->second->roll->progress();
}

void PodBackend::StepRolls() {
  for (const auto& [name, server] : servers_) {
    while (server->roll.has_value() && StepRoll(*server)) {
    }
  }
}

bool PodBackend::StepRoll(Server& server) {
  std::vector<RolledSlot> slots;
  slots.reserve(server.slots.size());
  for (const PodSlot& slot : server.slots) {
    // A container that is restarted in the same pod is not what was asked for.
    slots.push_back({.stays = !slot.leaving,
                     .serves = StateOf(slot) == SlotState::kReady && slot.pod->ready,
                     .incarnation = slot.incarnation,
                     .process = slot.pod.has_value() ? slot.pod->uid : ""});
  }
  RollOrder::Step step = server.roll->Next(slots);
  switch (step.what) {
    case RollOrder::What::kWait:
      return false;
    case RollOrder::What::kEnd:
      EndRoll(server, std::move(step.result));
      return true;
    case RollOrder::What::kReplace:
      PodSlot& slot = server.slots[step.slot];
      // One that has no pod gets a new one anyhow.
      if (!slot.pod.has_value()) return true;
      DeletePod(slot, {.to_end = true, .why = "it is replaced"},
                server.roll->options().now ? absl::optional<absl::Duration>(absl::Seconds(1))
                                           : absl::nullopt);
      return true;
  }
  return false;
}

// What was to become READY has died, or cannot start. That of another slot is waited for.
void PodBackend::FailRoll(PodSlot& slot, const std::string& reason) {
  absl::optional<RollOrder>& roll = slot.server.roll;
  if (roll.has_value() && roll->IsCurrent(slot.index)) roll->Fail(slot.index, slot.name, reason);
}

void PodBackend::EndRoll(Server& server, RollResult result) {
  notifications_.push_back(std::move(*server.roll).Ended(std::move(result)));
  server.roll.reset();
}

}  // namespace center::kube
