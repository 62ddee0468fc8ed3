// Replacing pods, one slot at a time.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/status_macros.h"
#include "services/coordinator/kube/pod_backend_internal.h"

namespace center::kube {

using supervision::RollOptions;
using supervision::RollOutcome;
using supervision::RollProgress;
using supervision::RollResult;
using supervision::SlotState;

absl::Status PodBackend::Roll(absl::string_view name, RollOptions options) {
  const Scope scope(*this);
  ASSIGN_OR_RETURN(Server* const server, FindServing(name));
  if (server->roll.has_value()) {
    return absl::AlreadyExistsError(
        absl::StrCat("the workers of server ", name, " are being replaced already"));
  }
  RollState roll{.options = std::move(options), .began = last_incarnation_};
  for (const PodSlot& slot : server->slots) {
    // What pods are outdated, the StatefulSet's own controller knows, and replaces.
    const bool meant = roll.options.only_slot.value_or(slot.index) == slot.index;
    if (meant && !slot.leaving && !roll.options.only_outdated) roll.pending.push_back(slot.index);
  }
  if (roll.options.only_slot.has_value() && roll.pending.empty()) {
    return absl::NotFoundError(
        absl::StrCat("there is no worker ", name, "/", *roll.options.only_slot));
  }
  roll.total = static_cast<uint32_t>(roll.pending.size());
  server->roll = std::move(roll);
  return absl::OkStatus();
}

absl::optional<RollProgress> PodBackend::Rolling(absl::string_view name) const {
  const auto found = servers_.find(name);
  if (found == servers_.end() || !found->second->roll.has_value()) return absl::nullopt;
  return RollProgress{found->second->roll->replaced, found->second->roll->total};
}

void PodBackend::StepRolls() {
  for (const auto& [name, server] : servers_) {
    while (server->roll.has_value() && StepRoll(*server)) {
    }
  }
}

bool PodBackend::StepRoll(Server& server) {
  RollState& roll = *server.roll;
  if (roll.failed.has_value()) {
    EndRoll(server, *std::exchange(roll.failed, absl::nullopt));
    return true;
  }
  const auto stays = [&](uint32_t slot) {
    return slot < server.slots.size() && !server.slots[slot].leaving;
  };
  if (roll.current.has_value()) {
    if (stays(*roll.current)) {
      const PodSlot& slot = server.slots[*roll.current];
      const bool is_new = slot.pod.has_value() && slot.pod->uid != roll.old_uid;
      if (!is_new || StateOf(slot) != SlotState::kReady || !slot.pod->ready) return false;
      ++roll.replaced;
    } else if (roll.options.only_slot.has_value()) {
      EndRoll(server, {.outcome = RollOutcome::kStopped, .reason = "it was scaled away meanwhile"});
      return true;
    }
    roll.current.reset();
  }
  std::erase_if(roll.pending, [&](uint32_t slot) {
    return !stays(slot) || server.slots[slot].incarnation > roll.began;
  });
  if (roll.pending.empty()) {
    EndRoll(server, {.outcome = RollOutcome::kDone});
    return true;
  }
  const absl::optional<uint32_t> next = NextToRoll(server);
  if (!next.has_value()) return false;
  PodSlot& slot = server.slots[*next];
  std::erase(roll.pending, *next);
  roll.current = next;
  roll.old_uid = slot.pod.has_value() ? slot.pod->uid : "";
  // One that has no pod gets a new one anyhow.
  if (!slot.pod.has_value()) return true;
  DeletePod(slot, {.to_end = true, .why = "it is replaced"},
            roll.options.now ? absl::optional<absl::Duration>(absl::Seconds(1)) : absl::nullopt);
  return true;
}

absl::optional<uint32_t> PodBackend::NextToRoll(const Server& server) const {
  const RollState& roll = *server.roll;
  const auto serves = [this](const PodSlot& slot) {
    return StateOf(slot) == SlotState::kReady && slot.pod->ready;
  };
  for (const uint32_t slot : roll.pending) {
    if (!serves(server.slots[slot])) return slot;
  }
  const bool others_serve =
      std::all_of(server.slots.begin(), server.slots.end(),
                  [&](const PodSlot& slot) { return slot.leaving || serves(slot); });
  if (!others_serve && !roll.options.only_slot.has_value()) return absl::nullopt;
  return roll.pending.front();
}

// What was to become READY has died, or cannot start. That of another slot is waited for.
void PodBackend::FailRoll(PodSlot& slot, const std::string& reason) {
  absl::optional<RollState>& roll = slot.server.roll;
  if (!roll.has_value() || roll->failed.has_value() || roll->current != slot.index) return;
  roll->failed =
      RollResult{.outcome = RollOutcome::kFailed,
                 .reason = absl::StrCat("worker ", slot.name, " did not become READY: ", reason),
                 .slot = slot.index};
}

void PodBackend::EndRoll(Server& server, RollResult result) {
  RollState roll = *std::exchange(server.roll, absl::nullopt);
  result.replaced = roll.replaced;
  if (!roll.options.done) return;
  notifications_.push_back(
      [done = std::move(roll.options.done), result = std::move(result)] { done(result); });
}

}  // namespace center::kube
