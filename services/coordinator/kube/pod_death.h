// Why a worker's container ended, or does not begin, from the status of its pod: the same causes
// and words as those of local processes (supervision/exit_reason.h).
#pragma once

#include <string>

#include "absl/types/optional.h"
#include "services/coordinator/kube/objects.h"
#include "services/coordinator/supervision/supervisor.h"

namespace center::kube {

// What we have asked of the pod before it ended; "": nothing.
struct AskedOfPod {
  bool to_end = false;
  bool for_task = false;
  std::string why;  // for people: "its task cannot be stopped"
};

// The end of a container of `pod`, which may have been deleted since. Absent `end`: nobody has
// reported how it ended.
supervision::ExitRecord DescribePodDeath(const Pod& pod, const absl::optional<ContainerEnd>& end,
                                         const AskedOfPod& asked);

// What keeps the pod's container from starting, for people: "cannot be scheduled: …", "its image
// cannot be pulled: …"; "" when nothing is known to.
std::string WhyPodDoesNotStart(const Pod& pod);
// The same as one word, which stays while the words change: "unschedulable", "image", ….
std::string KindOfWait(const Pod& pod);
// Nothing but a change of the pod's template or of the cluster will help.
bool StartIsHopeless(const Pod& pod);

}  // namespace center::kube
