#include "services/coordinator/kube/pod_backend.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/common/log.h"
#include "services/common/status_macros.h"
#include "services/coordinator/kube/pod_backend_internal.h"

namespace center::kube {

using supervision::OutsideServer;
using supervision::ServerPlan;
using supervision::SlotState;
using supervision::SlotView;

PodBackend::PodBackend(Calls& calls, Clock& clock, supervision::Observer& observer,
                       PodBackendOptions options)
    : calls_(calls),
      clock_(clock),
      observer_(observer),
      options_(std::move(options)),
      self_(std::make_shared<PodBackend*>(this)) {}

PodBackend::~PodBackend() = default;

void PodBackend::OnStatefulSets(std::vector<StatefulSet> all) {
  const Scope scope(*this);
  std::map<std::string, StatefulSet> before = std::exchange(sets_, {});
  for (StatefulSet& set : all) {
    const auto known = before.find(set.server);
    if (IsStale(set) && known != before.end()) set = known->second;
    OnStatefulSet(std::move(set));
  }
  sets_known_ = true;
  TellOutside();
}

void PodBackend::OnStatefulSet(StatefulSet set) {
  const Scope scope(*this);
  const auto known = sets_.find(set.server);
  if (known != sets_.end() && known->second.name != set.name) {
    spdlog::error("StatefulSets {} and {} are both labelled as server {}: the second is ignored",
                  known->second.name, set.name, set.server);
    return;
  }
  if (known != sets_.end() && IsStale(set)) return;
  sets_[set.server] = std::move(set);
  TellOutside();
}

// It was written before we scaled it, and is on its way since.
bool PodBackend::IsStale(const StatefulSet& set) const {
  const auto scaled = scaled_at_.find(set.server);
  return scaled != scaled_at_.end() && set.version != 0 && set.version < scaled->second;
}

void PodBackend::OnStatefulSetGone(const StatefulSet& set) {
  const Scope scope(*this);
  const auto known = sets_.find(set.server);
  if (known == sets_.end() || known->second.name != set.name) return;
  sets_.erase(known);
  scaled_at_.erase(set.server);
  TellOutside();
}

void PodBackend::OnPods(const std::vector<Pod>& all) {
  const Scope scope(*this);
  std::map<std::string, std::map<uint32_t, Pod>> before = std::exchange(pods_, {});
  pods_known_ = true;
  for (const Pod& pod : all) {
    if (auto server = before.find(pod.server); server != before.end()) {
      server->second.erase(pod.ordinal);
    }
    OnPod(pod);
  }
  for (const auto& [server, gone] : before) {
    for (const auto& [ordinal, pod] : gone) {
      if (PodSlot* slot = Find(absl::StrCat(server, "/", ordinal))) Observe(*slot, nullptr);
    }
    if (const auto found = servers_.find(server); found != servers_.end()) {
      Trim(*found->second);
      RemoveIfStopped(*found->second);
    }
  }
  TellOutside();
}

void PodBackend::OnPod(const Pod& pod) {
  const Scope scope(*this);
  const std::string worker = absl::StrCat(pod.server, "/", pod.ordinal);
  const Pod& known = pods_[pod.server][pod.ordinal] = pod;
  if (PodSlot* slot = Find(worker)) Observe(*slot, &known);
}

void PodBackend::OnPodGone(const Pod& pod) {
  const Scope scope(*this);
  auto& pods = pods_[pod.server];
  const auto known = pods.find(pod.ordinal);
  // Its successor may have been seen before it.
  if (known == pods.end() || known->second.uid != pod.uid) return;
  pods.erase(known);
  PodSlot* slot = Find(absl::StrCat(pod.server, "/", pod.ordinal));
  if (slot == nullptr) return;
  // The last that is told of it: how its container has ended, perhaps.
  if (slot->pod.has_value() && slot->pod->uid == pod.uid) Observe(*slot, &pod);
  Server& server = slot->server;
  Observe(*slot, nullptr);
  Trim(server);
  RemoveIfStopped(server);
}

void PodBackend::OnTrouble(const std::string& what, const absl::Status& status) {
  troubles_.erase(what);
  if (!status.ok()) troubles_[what] = std::string(status.message());
}

std::string PodBackend::Trouble() const {
  std::vector<std::string> parts;
  parts.reserve(troubles_.size());
  for (const auto& [what, why] : troubles_) {
    parts.push_back(absl::StrCat("the cluster's ", what, " cannot be followed: ", why));
  }
  return absl::StrJoin(parts, "; ");
}

void PodBackend::TellOutside() {
  if (!sets_known_ || !pods_known_) return;
  std::map<std::string, OutsideServer> outside;
  for (const auto& [server, set] : sets_) {
    if (set.deleting) continue;
    outside[server] = {.workers = static_cast<uint32_t>(std::clamp<int64_t>(
                           set.replicas, 0, std::numeric_limits<uint32_t>::max())),
                       .host = set.host,
                       .port = static_cast<uint16_t>(std::clamp<int64_t>(set.port, 0, 65535))};
  }
  if (outside == told_outside_) return;
  told_outside_ = outside;
  notifications_.push_back([this, outside = std::move(outside)] { observer_.OnOutside(outside); });
}

void PodBackend::SetWorkers(const std::string& server, uint32_t workers,
                            std::function<void(const absl::Status&)> done) {
  if (!sets_known_ || !pods_known_) {
    const std::string trouble = Trouble();
    return done(absl::UnavailableError(
        absl::StrCat("the cluster's API server has not told yet what there is",
                     trouble.empty() ? "" : ": ", trouble)));
  }
  const auto set = sets_.find(server);
  if (set == sets_.end() || set->second.deleting) {
    if (workers == 0) return done(absl::OkStatus());
    return done(absl::FailedPreconditionError(absl::StrCat(
        "there is no StatefulSet for server '", server, "' in this namespace; make one by: ",
        "centerctl server manifest ", server, " | kubectl apply -f -")));
  }
  calls_.Scale(set->second.name, workers,
               [this, weak = std::weak_ptr<PodBackend*>(self_), server, workers,
                done = std::move(done)](const absl::StatusOr<uint64_t>& version) {
                 if (weak.expired()) return;
                 if (!version.ok()) return done(version.status());
                 const Scope scope(*this);
                 scaled_at_[server] = *version;
                 if (auto scaled = sets_.find(server); scaled != sets_.end()) {
                   scaled->second.replicas = workers;
                 }
                 // Who asked for it acts on it; nobody needs to be told.
                 if (auto told = told_outside_.find(server); told != told_outside_.end()) {
                   told->second.workers = workers;
                 }
                 done(absl::OkStatus());
               });
}

absl::Status PodBackend::Start(ServerPlan plan) {
  const Scope scope(*this);
  if (plan.slots == 0 || plan.slots > supervision::kSlotsPerServerMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("server ", plan.name, ": ", plan.slots, " workers; 1 to ",
                     supervision::kSlotsPerServerMax, " are possible"));
  }
  if (servers_.contains(plan.name)) {
    return absl::AlreadyExistsError(
        absl::StrCat("server ", plan.name, " runs already, or is still stopping"));
  }
  Server& server = *servers_.emplace(plan.name, std::make_unique<Server>()).first->second;
  server.plan = std::move(plan);
  for (uint32_t i = 0; i < server.plan.slots; ++i) AddSlot(server);
  return absl::OkStatus();
}

absl::Status PodBackend::Adopt(ServerPlan plan,
                               std::vector<supervision::AdoptedProcess> processes) {
  if (processes.empty()) return Start(std::move(plan));
  return absl::FailedPreconditionError("processes of this machine cannot become pods");
}

PodBackend::PodSlot& PodBackend::AddSlot(Server& server) {
  const auto index = static_cast<uint32_t>(server.slots.size());
  PodSlot& slot =
      server.slots.emplace_back(server, index, absl::StrCat(server.plan.name, "/", index));
  const Pod* pod = PodOf(server.plan.name, index);
  // Whether it is new to the cluster or only to us: one that runs was there.
  slot.found = pod != nullptr && pod->running;
  Observe(slot, pod);
  return slot;
}

absl::Status PodBackend::Stop(absl::string_view name, bool now) {
  const Scope scope(*this);
  const auto found = servers_.find(name);
  if (found == servers_.end()) {
    return absl::NotFoundError(absl::StrCat("server ", name, " does not run"));
  }
  Server& server = *found->second;
  server.stopping = true;
  for (PodSlot& slot : server.slots) {
    slot.asked = {.to_end = true, .why = "the server is stopped"};
    if (now) NotifyDrainNow(slot);
    Refresh(slot);
  }
  if (server.roll.has_value()) {
    EndRoll(server, {.outcome = supervision::RollOutcome::kStopped,
                     .reason = "the server was stopped meanwhile"});
  }
  RemoveIfStopped(server);
  return absl::OkStatus();
}

// The kubelet asks it to end as well; only we can tell it not to wait.
void PodBackend::NotifyDrainNow(const PodSlot& slot) {
  notifications_.push_back(
      [this, worker = slot.name] { observer_.RequestDrain(worker, /*now=*/true); });
}

absl::Status PodBackend::Scale(absl::string_view name, uint32_t slots, bool now) {
  const Scope scope(*this);
  ASSIGN_OR_RETURN(Server* const server, FindServing(name));
  if (slots == 0 || slots > supervision::kSlotsPerServerMax) {
    return absl::InvalidArgumentError(
        absl::StrCat(slots, " workers; 1 to ", supervision::kSlotsPerServerMax, " are possible"));
  }
  server->plan.slots = slots;
  for (PodSlot& slot : server->slots) {
    const bool leaves = slot.index >= slots;
    if (leaves && !slot.leaving) slot.asked = {.to_end = true, .why = "the server is scaled down"};
    if (!leaves && slot.leaving && !(slot.pod.has_value() && slot.pod->deleting)) slot.asked = {};
    slot.leaving = leaves;
    if (leaves && now) NotifyDrainNow(slot);
    Refresh(slot);
  }
  while (server->slots.size() < slots) AddSlot(*server);
  Trim(*server);
  return absl::OkStatus();
}

absl::Status PodBackend::SetPlan(ServerPlan plan) {
  const Scope scope(*this);
  ASSIGN_OR_RETURN(Server* const server, FindServing(plan.name));
  plan.slots = server->plan.slots;
  server->plan = std::move(plan);
  return absl::OkStatus();
}

absl::StatusOr<PodBackend::Server*> PodBackend::FindServing(absl::string_view name) {
  const auto found = servers_.find(name);
  if (found == servers_.end()) {
    return absl::NotFoundError(absl::StrCat("server ", name, " does not run"));
  }
  if (found->second->stopping) {
    return absl::FailedPreconditionError(absl::StrCat("server ", name, " is stopping"));
  }
  return found->second.get();
}

PodBackend::PodSlot* PodBackend::Find(absl::string_view worker) {
  const size_t slash = worker.rfind('/');
  uint32_t index = 0;
  if (slash == absl::string_view::npos || !absl::SimpleAtoi(worker.substr(slash + 1), &index)) {
    return nullptr;
  }
  const auto found = servers_.find(worker.substr(0, slash));
  if (found == servers_.end() || index >= found->second->slots.size()) return nullptr;
  PodSlot& slot = found->second->slots[index];
  return slot.name == worker ? &slot : nullptr;  // not "default/00"
}

void PodBackend::Trim(Server& server) {
  while (!server.slots.empty() && server.slots.back().leaving &&
         !server.slots.back().pod.has_value()) {
    server.slots.pop_back();
  }
}

void PodBackend::RemoveIfStopped(Server& server) {
  if (!server.stopping) return;
  for (const PodSlot& slot : server.slots) {
    if (slot.pod.has_value()) return;
  }
  const std::string name = server.plan.name;
  servers_.erase(name);
  notifications_.push_back([this, name] { observer_.OnServerStopped(name); });
}

SteadyTime PodBackend::Tick() {
  {
    const Scope scope(*this);
    announced_ = SteadyTime::min();  // what is due next is returned, not announced
    for (const auto& [name, server] : servers_) {
      for (PodSlot& slot : server->slots) Refresh(slot);
    }
  }
  announced_ = NextDeadline();
  return announced_;
}

void PodBackend::AnnounceDeadline() {
  const SteadyTime next = NextDeadline();
  if (next >= announced_) return;
  announced_ = next;
  if (options_.on_deadline) options_.on_deadline(next);
}

SteadyTime PodBackend::NextDeadline() const {
  SteadyTime next = SteadyTime::max();
  for (const auto& [name, server] : servers_) {
    const SteadyDuration timeout = absl::ToChronoNanoseconds(server->plan.liveness_timeout);
    for (const PodSlot& slot : server->slots) {
      if (slot.says_ready && !slot.silent) next = std::min(next, slot.heard + timeout);
    }
  }
  return next;
}

std::vector<SlotView> PodBackend::Slots(absl::string_view name) const {
  std::vector<SlotView> views;
  const auto found = servers_.find(name);
  if (found == servers_.end()) return views;
  for (const PodSlot& slot : found->second->slots) views.push_back(slot.View(StateOf(slot)));
  return views;
}

std::vector<std::string> PodBackend::Servers() const {
  std::vector<std::string> names;
  names.reserve(servers_.size());
  for (const auto& [name, server] : servers_) names.push_back(name);
  return names;
}

}  // namespace center::kube
