// The workers of a server as the pods of a StatefulSet.
//
// Kubernetes launches, places and restarts; this follows. The number of workers is the
// StatefulSet's number of replicas, whoever has set it; a slot is a pod's ordinal. What a slot is
// follows from what the watches tell of its pod and from what the worker itself tells over its
// register stream:
//
//   no pod                                        STARTING (it is to come), or STOPPED
//   pending, or runs and has not said READY       STARTING
//   runs, and is READY by its own word            READY
//   being deleted, or drains by its own word      DRAINING
//   its container has ended, or cannot be started BACKOFF
//
// One process after another in a slot ("incarnations") are told apart by the pod's uid, its count
// of restarts, and the token that a worker makes anew whenever it starts: "UID.RANDOM". SlotView's
// pid is the number of the incarnation, not a process id.
//
// A worker that is silent is not killed from here: its node can see it, and its liveness probe
// ends it if need be; what we see may be our own network's fault. It only stops to be READY.
//
// A pod is replaced by deleting it, with its grace; the next one has its volume. A roll does that
// slot by slot, as Supervisor's does, and waits for READY and for the pod's readiness.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "services/coordinator/kube/calls.h"
#include "services/coordinator/kube/objects.h"
#include "services/coordinator/kube/pod_death.h"
#include "services/coordinator/supervision/backend.h"

namespace center::kube {

struct PodBackendOptions {
  // A container that was restarted may register before its pod's status says so: it is turned away
  // for so long, so that the death before it is known first.
  SteadyDuration status_patience = std::chrono::seconds(5);
  // The earliest deadline has become this one: call Tick then.
  std::function<void(SteadyTime)> on_deadline;
};

class PodBackend final : public supervision::Backend {
 public:
  // The three must outlive the backend.
  PodBackend(Calls& calls, Clock& clock, supervision::Observer& observer,
             PodBackendOptions options = {});
  ~PodBackend() override;
  PodBackend(const PodBackend&) = delete;
  PodBackend& operator=(const PodBackend&) = delete;

  // What the watches tell. Nothing is told on before both have listed all there is.
  void OnStatefulSets(std::vector<StatefulSet> all);
  void OnStatefulSet(StatefulSet set);
  void OnStatefulSetGone(const StatefulSet& set);
  void OnPods(const std::vector<Pod>& all);
  void OnPod(const Pod& pod);
  void OnPodGone(const Pod& pod);
  // What of these, "pods" or "StatefulSets", cannot be followed, and why; OK: it is followed again.
  void OnTrouble(const std::string& what, const absl::Status& status);

  bool Launches() const override { return false; }
  // Errors: FailedPrecondition (no StatefulSet), Unavailable (nothing is known yet), and what the
  // API server says.
  void SetWorkers(const std::string& server, uint32_t workers,
                  std::function<void(const absl::Status&)> done) override;
  absl::Status Start(supervision::ServerPlan plan) override;
  absl::Status Adopt(supervision::ServerPlan plan,
                     std::vector<supervision::AdoptedProcess> processes) override;
  void Release(absl::string_view /*server*/) override {}
  absl::Status Stop(absl::string_view server, bool now) override;
  absl::Status Scale(absl::string_view server, uint32_t slots, bool now) override;
  absl::Status SetPlan(supervision::ServerPlan plan) override;
  absl::Status Roll(absl::string_view server, supervision::RollOptions options) override;
  absl::optional<supervision::RollProgress> Rolling(absl::string_view server) const override;
  // Unavailable where the pod is not known yet, or not known any more: it may try again.
  absl::Status Register(absl::string_view worker, int64_t pid, absl::string_view token) override;
  absl::Status Identify(absl::string_view worker, int64_t pid, absl::string_view token) override;
  void Disconnected(absl::string_view worker) override;
  void SetReady(absl::string_view worker) override;
  void Heartbeat(absl::string_view worker) override;
  void Draining(absl::string_view worker) override;
  void KillForTask(absl::string_view worker, int64_t pid, const std::string& why) override;
  SteadyTime Tick() override;
  std::vector<supervision::SlotView> Slots(absl::string_view server) const override;
  std::vector<std::string> Servers() const override;
  std::string Trouble() const override;

 private:
  struct PodSlot;
  struct Server;
  class Scope;

  // pod_backend.cc
  absl::StatusOr<Server*> FindServing(absl::string_view server);
  bool IsStale(const StatefulSet& set) const;
  PodSlot* Find(absl::string_view worker);
  PodSlot& AddSlot(Server& server);
  void TellOutside();
  void RemoveIfStopped(Server& server);
  void Trim(Server& server);
  void NotifyDrainNow(const PodSlot& slot);
  SteadyTime NextDeadline() const;
  void AnnounceDeadline();

  // pod_backend_slots.cc: what becomes of a slot.
  const Pod* PodOf(const std::string& server, uint32_t ordinal) const;
  // Its pod is now this one, or there is none.
  void Observe(PodSlot& slot, const Pod* pod);
  void Begin(PodSlot& slot, const Pod& pod);
  void ObserveSame(PodSlot& slot, const Pod& pod);
  void RecordDeath(PodSlot& slot, const absl::optional<ContainerEnd>& end);
  void TellWait(PodSlot& slot);
  supervision::SlotState StateOf(const PodSlot& slot) const;
  // Tells what has changed of it.
  void Refresh(PodSlot& slot);
  void ReportReady(PodSlot& slot);
  void DeletePod(PodSlot& slot, AskedOfPod asked, absl::optional<absl::Duration> grace);
  absl::Status CheckToken(PodSlot& slot, absl::string_view token);
  void NotifyChanged(const PodSlot& slot);
  void NotifyEvent(supervision::EventType type, const PodSlot& slot, std::string reason,
                   std::map<std::string, std::string> details = {});

  // pod_backend_roll.cc
  void StepRolls();
  bool StepRoll(Server& server);
  void FailRoll(PodSlot& slot, const std::string& reason);
  void EndRoll(Server& server, supervision::RollResult result);

  Calls& calls_;
  Clock& clock_;
  supervision::Observer& observer_;
  const PodBackendOptions options_;

  // As the watches tell, by server.
  std::map<std::string, StatefulSet> sets_;
  std::map<std::string, std::map<uint32_t, Pod>> pods_;
  bool sets_known_ = false;
  bool pods_known_ = false;
  std::map<std::string, std::string> troubles_;  // what -> why, for people
  std::map<std::string, uint64_t> scaled_at_;    // older versions of the set say nothing
  std::map<std::string, supervision::OutsideServer> told_outside_;

  std::map<std::string, std::unique_ptr<Server>, std::less<>> servers_;
  int64_t last_incarnation_ = 0;
  std::deque<std::function<void()>> notifications_;
  int depth_ = 0;
  SteadyTime announced_ = SteadyTime::max();
  // Answers of the API server hold it weakly.
  std::shared_ptr<PodBackend*> self_;
};

}  // namespace center::kube
