#include "services/coordinator/kube/objects.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "services/common/status_macros.h"
#include "services/common/text.h"

namespace center::kube {
namespace {

// The highest ordinal that a pod of ours may have.
constexpr uint32_t kOrdinalMax = 100'000;

absl::Status CheckServer(const std::string& kind, const std::string& name,
                         const std::string& server) {
  if (name.empty()) return absl::InvalidArgumentError(absl::StrCat("a ", kind, " without a name"));
  if (const absl::Status valid = ValidateName("server name", server); !valid.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(kind, " ", name, ": label ", kServerLabel, ": ", valid.message()));
  }
  return absl::OkStatus();
}

absl::optional<ContainerEnd> EndAt(const Json& state) {
  const Json& ended = At(state, {"terminated"});
  if (!ended.is_object()) return absl::nullopt;
  return ContainerEnd{.exit_code = NumberAt(ended, {"exitCode"}),
                      .signal = NumberAt(ended, {"signal"}),
                      .reason = TextAt(ended, {"reason"}),
                      .message = TextAt(ended, {"message"}),
                      .finished = TimeAt(ended, {"finishedAt"})};
}

// "default-12" -> 12, of a pod that has no label of its ordinal (Kubernetes before 1.28).
absl::StatusOr<uint32_t> OrdinalOf(const Json& object, const std::string& name) {
  std::string text = LabelAt(object, {"metadata", "labels"}, "apps.kubernetes.io/pod-index");
  if (text.empty()) text = name.substr(name.rfind('-') + 1);
  uint32_t ordinal = 0;
  if (!absl::SimpleAtoi(text, &ordinal) || ordinal > kOrdinalMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("pod ", name, " has no ordinal, as a StatefulSet's pods have"));
  }
  return ordinal;
}

void ReadConditions(const Json& object, Pod* pod) {
  const Json& conditions = At(object, {"status", "conditions"});
  pod->ready = TextAt(Named(conditions, "Ready", "type"), {"status"}) == "True";
  const Json& scheduled = Named(conditions, "PodScheduled", "type");
  if (TextAt(scheduled, {"status"}) == "False") {
    pod->unschedulable = TextAt(scheduled, {"message"});
    if (pod->unschedulable.empty()) pod->unschedulable = TextAt(scheduled, {"reason"});
  }
  const Json& disruption = Named(conditions, "DisruptionTarget", "type");
  if (TextAt(disruption, {"status"}) == "True") {
    pod->disruption = TextAt(disruption, {"reason"});
    pod->disruption_message = TextAt(disruption, {"message"});
  }
}

void ReadContainer(const Json& object, Pod* pod) {
  const Json& statuses = At(object, {"status", "containerStatuses"});
  const Json& named = Named(statuses, kWorkerContainer);
  const Json& status =
      named.is_object() || !statuses.is_array() || statuses.empty() ? named : statuses.front();
  pod->restarts = NumberAt(status, {"restartCount"});
  pod->running = At(status, {"state", "running"}).is_object();
  if (const Json& waiting = At(status, {"state", "waiting"}); waiting.is_object()) {
    pod->waiting = ContainerWait{TextAt(waiting, {"reason"}), TextAt(waiting, {"message"})};
  }
  pod->ended = EndAt(At(status, {"state"}));
  pod->last_ended = EndAt(At(status, {"lastState"}));
}

}  // namespace

std::string WorkerSelector() {
  return absl::StrCat(kPartOfLabel, "=center,", kComponentLabel, "=worker,", kServerLabel);
}

bool Pod::Hopeful() const {
  if (phase == "Failed" || phase == "Succeeded" || ended.has_value()) return false;
  return running || !waiting.has_value() || waiting->reason == "ContainerCreating" ||
         waiting->reason == "PodInitializing" || waiting->reason.empty();
}

uint64_t VersionOf(const Json& object) {
  uint64_t version = 0;
  return absl::SimpleAtoi(TextAt(object, {"metadata", "resourceVersion"}), &version) ? version : 0;
}

absl::StatusOr<StatefulSet> ParseStatefulSet(const Json& object) {
  StatefulSet set;
  set.name = TextAt(object, {"metadata", "name"});
  set.uid = TextAt(object, {"metadata", "uid"});
  set.server = LabelAt(object, {"metadata", "labels"}, kServerLabel);
  RETURN_IF_ERROR(CheckServer("StatefulSet", set.name, set.server));
  set.replicas = NumberAt(object, {"spec", "replicas"}, 1);
  set.version = VersionOf(object);
  set.host = LabelAt(object, {"metadata", "annotations"}, kProducersAnnotation);
  if (set.host.empty()) {
    set.host = absl::StrCat(set.name, ".", TextAt(object, {"metadata", "namespace"}), ".svc");
  }
  set.deleting = At(object, {"metadata", "deletionTimestamp"}).is_string();
  const Json& containers = At(object, {"spec", "template", "spec", "containers"});
  const Json& ports = At(Named(containers, kWorkerContainer), {"ports"});
  set.port = NumberAt(Named(ports, kIngestPort), {"containerPort"});
  return set;
}

absl::StatusOr<Pod> ParsePod(const Json& object) {
  Pod pod;
  pod.name = TextAt(object, {"metadata", "name"});
  pod.uid = TextAt(object, {"metadata", "uid"});
  pod.server = LabelAt(object, {"metadata", "labels"}, kServerLabel);
  RETURN_IF_ERROR(CheckServer("pod", pod.name, pod.server));
  if (pod.uid.empty()) return absl::InvalidArgumentError("a pod without a uid");
  ASSIGN_OR_RETURN(pod.ordinal, OrdinalOf(object, pod.name));
  pod.created = TimeAt(object, {"metadata", "creationTimestamp"});
  pod.phase = TextAt(object, {"status", "phase"});
  pod.reason = TextAt(object, {"status", "reason"});
  pod.message = TextAt(object, {"status", "message"});
  pod.node = TextAt(object, {"spec", "nodeName"});
  pod.deleting = At(object, {"metadata", "deletionTimestamp"}).is_string();
  ReadConditions(object, &pod);
  ReadContainer(object, &pod);
  return pod;
}

}  // namespace center::kube
