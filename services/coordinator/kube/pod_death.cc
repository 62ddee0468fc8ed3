#include "services/coordinator/kube/pod_death.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace center::kube {
namespace {

using supervision::DeathCause;

// A process that a signal has ended has this much more in its exit code, as container runtimes tell
// it. Center's own exit codes are all below.
constexpr int64_t kSignalBase = 128;
constexpr int64_t kSignalMax = 64;
constexpr int kSigIll = 4;
constexpr int kSigTrap = 5;
constexpr int kSigAbrt = 6;
constexpr int kSigBus = 7;
constexpr int kSigFpe = 8;
constexpr int kSigSegv = 11;
constexpr int kSigSys = 31;

bool IsCrash(int signal) {
  return signal == kSigIll || signal == kSigTrap || signal == kSigAbrt || signal == kSigBus ||
         signal == kSigFpe || signal == kSigSegv || signal == kSigSys;
}

int SignalOf(const ContainerEnd& end) {
  if (end.signal > 0 && end.signal <= kSignalMax) return static_cast<int>(end.signal);
  const int64_t above = end.exit_code - kSignalBase;
  return above > 0 && above <= kSignalMax ? static_cast<int>(above) : 0;
}

std::string WithMessage(absl::string_view what, absl::string_view message) {
  return message.empty() ? std::string(what) : absl::StrCat(what, ": ", message);
}

std::string NodeOf(const Pod& pod) {
  return pod.node.empty() ? std::string("its node") : absl::StrCat("node ", pod.node);
}

// What has ended the pod from outside, where its status tells.
struct Outside {
  std::string what;  // "": nothing
  std::string who;
};

Outside OutsideOf(const Pod& pod) {
  if (pod.reason == "Evicted") {
    return {WithMessage("evicted by its node", pod.message), NodeOf(pod)};
  }
  if (pod.reason == "NodeLost" || pod.disruption == "DeletionByTaintManager") {
    return {WithMessage(absl::StrCat(NodeOf(pod), " is lost or may not be used any more"),
                        pod.disruption_message),
            "Kubernetes"};
  }
  if (pod.disruption == "EvictionByEvictionAPI") {
    return {WithMessage("evicted, as when a node is emptied", pod.disruption_message),
            "the eviction API"};
  }
  if (pod.disruption == "PreemptionByScheduler") {
    return {WithMessage("gave way to a more important pod", pod.disruption_message),
            "the scheduler"};
  }
  if (pod.disruption == "DeletionByPodGC") {
    return {WithMessage("its node does not exist any more", pod.disruption_message), "Kubernetes"};
  }
  if (!pod.disruption.empty()) {
    return {WithMessage(pod.disruption, pod.disruption_message), NodeOf(pod)};
  }
  return {};
}

std::string HowItEnded(const absl::optional<ContainerEnd>& end) {
  if (!end.has_value()) return "how its container ended is not known";
  const int signal = SignalOf(*end);
  std::string how = signal != 0 ? absl::StrCat("killed by ", supervision::SignalName(signal))
                                : absl::StrCat("exited with code ", end->exit_code);
  if (!end->message.empty()) absl::StrAppend(&how, " (", end->message, ")");
  return how;
}

void DescribeUnasked(const absl::optional<ContainerEnd>& end, supervision::ExitRecord* record) {
  record->reason = HowItEnded(end);
  if (!end.has_value()) return;
  if (record->exit.signal != 0) {
    record->cause = IsCrash(record->exit.signal) ? DeathCause::kCrash : DeathCause::kKilled;
  } else if (end->exit_code != 0) {
    record->cause = DeathCause::kErrorExit;
  } else {
    record->cause = DeathCause::kCleanExit;
    absl::StrAppend(&record->reason, " without being asked to by Center");
  }
}

}  // namespace

supervision::ExitRecord DescribePodDeath(const Pod& pod, const absl::optional<ContainerEnd>& end,
                                         const AskedOfPod& asked) {
  supervision::ExitRecord record;
  record.requested = asked.to_end && !asked.for_task;
  record.exit.known = end.has_value();
  if (end.has_value()) {
    record.exit.signal = SignalOf(*end);
    record.exit.exit_code = record.exit.signal == 0 ? static_cast<int>(end->exit_code) : 0;
    record.exit.time = end->finished;
  }
  const Outside outside = OutsideOf(pod);
  if (end.has_value() && (end->reason == "OOMKilled" || pod.reason == "OOMKilled")) {
    record.cause = DeathCause::kOutOfMemory;
    record.reason = absl::StrCat(
        "killed by the kernel's out-of-memory killer: the container has reached its memory limit");
    record.ended_by = "the kernel";
  } else if (asked.to_end) {
    record.cause = asked.for_task ? DeathCause::kTaskTimeout : DeathCause::kRequested;
    record.reason = absl::StrCat(WithMessage("its pod was deleted by Center", asked.why), "; ",
                                 HowItEnded(end));
    record.ended_by = "Center";
  } else if (!outside.what.empty()) {
    record.cause = DeathCause::kKilled;
    record.reason = absl::StrCat(outside.what, "; ", HowItEnded(end));
    record.ended_by = outside.who;
  } else if (pod.deleting) {
    record.cause = DeathCause::kKilled;
    record.reason = absl::StrCat("its pod was deleted, not by Center; ", HowItEnded(end));
    record.ended_by = "whoever deleted the pod";
  } else {
    DescribeUnasked(end, &record);
  }
  return record;
}

std::string WhyPodDoesNotStart(const Pod& pod) {
  if (!pod.unschedulable.empty()) {
    return absl::StrCat("cannot be scheduled: ", pod.unschedulable);
  }
  if (!pod.waiting.has_value() || pod.running || pod.Hopeful()) return "";
  const std::string& reason = pod.waiting->reason;
  const std::string& message = pod.waiting->message;
  if (absl::StrContains(reason, "Image")) {
    return WithMessage(absl::StrCat("its image cannot be pulled (", reason, ")"), message);
  }
  if (reason == "CrashLoopBackOff") {
    return WithMessage("waits before it is restarted", message);
  }
  return WithMessage(absl::StrCat("its container cannot be started (", reason, ")"), message);
}

std::string KindOfWait(const Pod& pod) {
  if (WhyPodDoesNotStart(pod).empty()) return "";
  if (!pod.unschedulable.empty()) return "unschedulable";
  return absl::StrContains(pod.waiting->reason, "Image") ? "image" : pod.waiting->reason;
}

bool StartIsHopeless(const Pod& pod) {
  return pod.waiting.has_value() && !pod.running && !pod.Hopeful() &&
         pod.waiting->reason != "CrashLoopBackOff";
}

}  // namespace center::kube
