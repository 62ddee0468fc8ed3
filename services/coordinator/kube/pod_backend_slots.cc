// What becomes of a slot: what the watches tell of its pod, and the worker of itself.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "services/common/log.h"
#include "services/common/status_macros.h"
#include "services/coordinator/kube/pod_backend_internal.h"
#include "services/coordinator/supervision/exit_details.h"
#include "services/coordinator/supervision/exit_reason.h"

namespace center::kube {

using supervision::EventType;
using supervision::SlotState;
using supervision::SlotView;

namespace {

// Of a worker that is to be killed: its node sends SIGTERM, and SIGKILL after this.
constexpr absl::Duration kKillGrace = absl::Seconds(1);

std::string PlaceOf(const Pod& pod) {
  return absl::StrCat("pod ", pod.name, pod.node.empty() ? "" : " on node ", pod.node);
}

}  // namespace

SlotView PodBackend::PodSlot::View(SlotState state) const {
  return SlotView{.slot = index,
                  .state = state,
                  .pid = incarnation,
                  .start_time = start_time,
                  .restarts = restarts,
                  .generation = server.plan.generation,
                  .leaving = leaving,
                  .adopted = found,
                  .token = token,
                  .last_exit = last_exit};
}

const Pod* PodBackend::PodOf(const std::string& server, uint32_t ordinal) const {
  const auto pods = pods_.find(server);
  if (pods == pods_.end()) return nullptr;
  const auto pod = pods->second.find(ordinal);
  return pod == pods->second.end() ? nullptr : &pod->second;
}

void PodBackend::Observe(PodSlot& slot, const Pod* pod) {
  if (slot.pod.has_value() && (pod == nullptr || pod->uid != slot.pod->uid)) {
    slot.pod->deleting = true;  // whoever did it
    if (!slot.ended_told) RecordDeath(slot, slot.pod->ended);
    slot.pod.reset();
    slot.found = false;
    if (!slot.server.stopping && !slot.leaving) slot.asked = {};
  }
  if (pod != nullptr) {
    if (slot.pod.has_value()) {
      ObserveSame(slot, *pod);
    } else {
      slot.pod = *pod;
      slot.restarts_seen = pod->restarts;
      slot.wait_told.clear();
      Begin(slot, *pod);
      ObserveSame(slot, *pod);
    }
  }
  Refresh(slot);
}

void PodBackend::Begin(PodSlot& slot, const Pod& pod) {
  if (slot.last_exit.has_value()) ++slot.restarts;
  slot.incarnation = ++last_incarnation_;
  slot.changed = true;
  slot.ended_told = false;
  slot.token.clear();
  slot.registered = slot.says_ready = slot.says_draining = slot.silent = slot.ready_told = false;
  slot.contested_since.reset();
  slot.begun = clock_.Steady();
  slot.start_time = clock_.Wall();
  if (slot.found) {
    slot.start_time = pod.created;
    NotifyEvent(EventType::kWorkerAdopted, slot, absl::StrCat(PlaceOf(pod), " goes on"),
                {{"pod", pod.name}, {"node", pod.node}});
  } else {
    NotifyEvent(EventType::kWorkerStarted, slot,
                absl::StrCat(PlaceOf(pod), pod.restarts > 0 ? " was restarted" : " is there"),
                {{"pod", pod.name}, {"node", pod.node}});
  }
}

void PodBackend::ObserveSame(PodSlot& slot, const Pod& pod) {
  slot.pod = pod;
  if (pod.restarts > slot.restarts_seen) {
    if (!slot.ended_told) RecordDeath(slot, pod.last_ended);
    slot.restarts_seen = pod.restarts;
    slot.found = false;
    Begin(slot, pod);
  }
  const bool ended = pod.ended.has_value() || pod.phase == "Failed" || pod.phase == "Succeeded";
  if (ended && !slot.ended_told) RecordDeath(slot, pod.ended);
  TellWait(slot);
}

void PodBackend::RecordDeath(PodSlot& slot, const absl::optional<ContainerEnd>& end) {
  supervision::ExitRecord record = DescribePodDeath(*slot.pod, end, slot.asked);
  record.exit.pid = slot.incarnation;
  if (record.exit.time == absl::Time() || record.exit.time == absl::InfinitePast()) {
    record.exit.time = clock_.Wall();
  }
  auto details = supervision::ExitDetails(record, clock_.Steady() - slot.begun);
  details.erase("pid");
  details["pod"] = slot.pod->name;
  details["node"] = slot.pod->node;
  const std::string reason = record.reason;
  const bool requested = record.requested;
  slot.ended_told = slot.changed = true;
  slot.incarnation = 0;
  slot.token.clear();
  slot.registered = slot.says_ready = slot.says_draining = false;
  slot.contested_since.reset();
  slot.last_exit = std::move(record);
  NotifyEvent(requested ? EventType::kWorkerStopped : EventType::kWorkerDied, slot, reason,
              std::move(details));
  if (!requested) FailRoll(slot, reason);
}

// What keeps it from starting: told once, however its words change.
void PodBackend::TellWait(PodSlot& slot) {
  const std::string kind = KindOfWait(*slot.pod);
  if (kind == slot.wait_told) return;
  slot.wait_told = kind;
  if (kind.empty() || slot.server.stopping) return;
  const std::string why = WhyPodDoesNotStart(*slot.pod);
  if (kind != "CrashLoopBackOff") {
    // The state says that it does not run, and this says why.
    supervision::ExitRecord record{.exit = {.time = clock_.Wall()},
                                   .cause = supervision::DeathCause::kLaunchFailed,
                                   .reason = absl::StrCat("could not be launched: ", why)};
    slot.last_exit = std::move(record);
    slot.changed = true;
  }
  NotifyEvent(EventType::kWorkerBackoff, slot, absl::StrCat(PlaceOf(*slot.pod), " ", why),
              {{"pod", slot.pod->name}, {"cause", "launch-failed"}});
  if (StartIsHopeless(*slot.pod)) FailRoll(slot, why);
}

SlotState PodBackend::StateOf(const PodSlot& slot) const {
  const bool wanted = !slot.server.stopping && !slot.leaving;
  if (!slot.pod.has_value()) return wanted ? SlotState::kStarting : SlotState::kStopped;
  if (!wanted || slot.pod->deleting) return SlotState::kDraining;
  if (slot.ended_told || !slot.pod->Hopeful()) return SlotState::kBackoff;
  if (slot.says_draining) return SlotState::kDraining;
  return slot.says_ready && !slot.silent ? SlotState::kReady : SlotState::kStarting;
}

void PodBackend::Refresh(PodSlot& slot) {
  const SteadyDuration timeout = absl::ToChronoNanoseconds(slot.server.plan.liveness_timeout);
  if (slot.says_ready && !slot.silent && clock_.Steady() >= slot.heard + timeout) {
    slot.silent = true;
    if (StateOf(slot) == SlotState::kStarting) {
      NotifyEvent(EventType::kWorkerHung, slot,
                  absl::StrCat("no heartbeat for ", supervision::FormatSeconds(timeout),
                               ": it hangs, or cannot reach this coordinator; ", PlaceOf(*slot.pod),
                               " is left to its liveness probe"),
                  {{"pod", slot.pod->name}, {"node", slot.pod->node}});
    }
  }
  const SlotState state = StateOf(slot);
  const SlotState before = std::exchange(slot.told_state, state);
  if (state == before && !std::exchange(slot.changed, false)) return;
  slot.changed = false;
  NotifyChanged(slot);
  if (state == before) return;
  if (state == SlotState::kReady) ReportReady(slot);
  if (state == SlotState::kDraining && before != SlotState::kDraining) {
    NotifyEvent(EventType::kWorkerDraining, slot,
                slot.asked.to_end ? absl::StrCat("asked to finish: ", slot.asked.why)
                                  : std::string("finishes without being asked by Center"));
  }
}

void PodBackend::ReportReady(PodSlot& slot) {
  if (std::exchange(slot.ready_told, true)) {
    NotifyEvent(EventType::kWorkerReady, slot, "is heard again");
  } else if (slot.found) {
    NotifyEvent(EventType::kWorkerReady, slot, "has gone on serving all along");
  } else {
    const SteadyDuration took = clock_.Steady() - slot.begun;
    NotifyEvent(EventType::kWorkerReady, slot,
                absl::StrFormat("ready %.3f s after its pod was there",
                                std::chrono::duration<double>(took).count()));
  }
}

absl::Status PodBackend::CheckToken(PodSlot& slot, absl::string_view token) {
  const absl::string_view uid = token.substr(0, token.find('.'));
  if (!slot.pod.has_value() || slot.pod->uid != uid) {
    // Also of one that has just been made: the watch has not told yet.
    return absl::UnavailableError(absl::StrCat("the pod with uid '", uid,
                                               "' is not the one that is known as worker ",
                                               slot.name, " here (yet)"));
  }
  if (slot.token.empty() || slot.token == token) return absl::OkStatus();
  const SteadyTime now = clock_.Steady();
  if (!slot.contested_since.has_value()) slot.contested_since = now;
  if (now - *slot.contested_since < options_.status_patience) {
    return absl::UnavailableError(absl::StrCat(
        "worker ", slot.name, ": the status of its pod does not tell yet that it was restarted"));
  }
  return absl::OkStatus();
}

absl::Status PodBackend::Register(absl::string_view worker, int64_t /*pid*/,
                                  absl::string_view token) {
  const Scope scope(*this);
  PodSlot* slot = Find(worker);
  if (slot == nullptr) {
    return absl::UnavailableError(
        absl::StrCat("worker ", worker,
                     " is not followed here (yet): no StatefulSet of this "
                     "namespace has such a server and so many replicas"));
  }
  RETURN_IF_ERROR(CheckToken(*slot, token));
  const bool contested = !slot->token.empty() && slot->token != token;
  if (contested) RecordDeath(*slot, absl::nullopt);
  if (slot->ended_told) {
    // Its container runs again; the status will say so.
    slot->restarts_seen = std::max(slot->restarts_seen, slot->pod->restarts) + 1;
    slot->found = false;
    Begin(*slot, *slot->pod);
    slot->pod->ended.reset();
  }
  slot->token = std::string(token);
  slot->registered = true;
  slot->silent = false;
  slot->heard = clock_.Steady();
  Refresh(*slot);
  return absl::OkStatus();
}

absl::Status PodBackend::Identify(absl::string_view worker, int64_t /*pid*/,
                                  absl::string_view token) {
  PodSlot* slot = Find(worker);
  if (slot == nullptr) return absl::UnavailableError("there is no such worker");
  return CheckToken(*slot, token);
}

void PodBackend::Disconnected(absl::string_view worker) {
  if (PodSlot* slot = Find(worker)) slot->registered = false;
}

void PodBackend::SetReady(absl::string_view worker) {
  PodSlot* slot = Find(worker);
  if (slot == nullptr || !slot->registered) return;
  slot->heard = clock_.Steady();
  if (slot->says_ready && !slot->silent) return;
  const Scope scope(*this);
  slot->says_ready = true;
  slot->silent = false;
  Refresh(*slot);
}

void PodBackend::Heartbeat(absl::string_view worker) {
  if (PodSlot* slot = Find(worker); slot != nullptr && slot->registered) {
    slot->heard = clock_.Steady();
  }
}

void PodBackend::Draining(absl::string_view worker) {
  PodSlot* slot = Find(worker);
  if (slot == nullptr || !slot->registered || std::exchange(slot->says_draining, true)) return;
  const Scope scope(*this);
  slot->heard = clock_.Steady();
  Refresh(*slot);
}

void PodBackend::KillForTask(absl::string_view worker, int64_t pid, const std::string& why) {
  const Scope scope(*this);
  PodSlot* slot = Find(worker);
  if (slot == nullptr || slot->incarnation != pid || !slot->pod.has_value()) return;
  DeletePod(*slot, {.to_end = true, .for_task = true, .why = why}, kKillGrace);
}

void PodBackend::DeletePod(PodSlot& slot, AskedOfPod asked, absl::optional<absl::Duration> grace) {
  slot.asked = std::move(asked);
  calls_.DeletePod(
      slot.pod->name, slot.pod->uid, grace,
      [this, weak = std::weak_ptr<PodBackend*>(self_), worker = slot.name,
       uid = slot.pod->uid](const absl::Status& status) {
        if (status.ok() || weak.expired()) return;
        const Scope scope(*this);
        spdlog::error("worker {}: its pod cannot be deleted: {}", worker, status);
        PodSlot* asked_slot = Find(worker);
        if (asked_slot == nullptr || !asked_slot->pod.has_value() || asked_slot->pod->uid != uid) {
          return;
        }
        asked_slot->asked = {};
        FailRoll(*asked_slot, std::string(status.message()));
      });
}

void PodBackend::NotifyChanged(const PodSlot& slot) {
  notifications_.push_back([this, server = slot.server.plan.name, view = slot.View(StateOf(slot))] {
    observer_.OnSlotChanged(server, view);
  });
}

void PodBackend::NotifyEvent(EventType type, const PodSlot& slot, std::string reason,
                             std::map<std::string, std::string> details) {
  notifications_.push_back(
      [this, event = supervision::SupervisionEvent{.type = type,
                                                   .subject = slot.name,
                                                   .reason = std::move(reason),
                                                   .details = std::move(details)}] {
        observer_.OnEvent(event);
      });
}

}  // namespace center::kube
