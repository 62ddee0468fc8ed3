// The StatefulSets and pods of Center, as far as it looks at them.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "services/coordinator/kube/json.h"

namespace center::kube {

inline constexpr char kPartOfLabel[] = "app.kubernetes.io/part-of";
inline constexpr char kComponentLabel[] = "app.kubernetes.io/component";
inline constexpr char kServerLabel[] = "center.v1/server";
// Of a StatefulSet: the Service that producers connect to.
inline constexpr char kProducersAnnotation[] = "center.v1/producers";
// The container of a pod that is the worker; a pod may have others beside it.
inline constexpr char kWorkerContainer[] = "worker";
// The container's port for producers.
inline constexpr char kIngestPort[] = "ingest";

// What all objects of workers are found by: "app.kubernetes.io/part-of=center,…".
std::string WorkerSelector();

struct StatefulSet {
  std::string name;
  std::string uid;
  std::string server;  // of its label
  int64_t replicas = 1;
  uint64_t version = 0;  // a later one of the same object is greater; 0: not known
  bool deleting = false;
  std::string host;  // where producers find it: of its annotation, or made of its name
  int64_t port = 0;  // of the container's port kIngestPort; 0: none
};

// How a container has ended.
struct ContainerEnd {
  int64_t exit_code = 0;
  int64_t signal = 0;  // rarely told: mostly it is in the exit code, as a shell has it
  std::string reason;  // "Error", "OOMKilled", "Completed", …
  std::string message;
  absl::Time finished;
};

// Why a container does not run.
struct ContainerWait {
  std::string reason;  // "CrashLoopBackOff", "ImagePullBackOff", …
  std::string message;
};

struct Pod {
  std::string name;
  std::string uid;
  std::string server;
  absl::Time created;
  uint32_t ordinal = 0;
  std::string phase;    // "Pending", "Running", "Succeeded", "Failed", "Unknown"
  std::string reason;   // "Evicted", "NodeLost", …
  std::string message;  // to it
  std::string node;     // "" while it is not scheduled
  bool ready = false;   // by its probes
  bool deleting = false;
  // Why it cannot be scheduled; "": it is, or nobody has said.
  std::string unschedulable;
  // What ends or has ended it from outside (condition DisruptionTarget): "EvictionByEvictionAPI",
  // ….
  std::string disruption;
  std::string disruption_message;
  // Of the worker's container.
  int64_t restarts = 0;
  bool running = false;
  absl::optional<ContainerWait> waiting;
  absl::optional<ContainerEnd> ended;       // it has ended, and is not restarted yet
  absl::optional<ContainerEnd> last_ended;  // the one before it

  // The worker's container runs, or is about to without anything in the way.
  bool Hopeful() const;
};

// 0 where it cannot be read as a number.
uint64_t VersionOf(const Json& object);

// InvalidArgument, naming the object, for what is no worker's: without a label, name or ordinal.
absl::StatusOr<StatefulSet> ParseStatefulSet(const Json& object);
absl::StatusOr<Pod> ParsePod(const Json& object);

}  // namespace center::kube
