// The part of a coordinator that is there only where workers are pods of a cluster.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/types/optional.h"
#include "services/common/clock.h"
#include "services/coordinator/kube/cluster.h"
#include "services/coordinator/supervision/backend.h"

namespace center::coordinator {

// Null without options: workers are processes of this machine.
absl::StatusOr<std::unique_ptr<kube::Cluster>> ConnectCluster(
    const absl::optional<kube::ClusterOptions>& options, kube::Cluster::Post post);
// What the fleet's backend is made by; empty for a cluster that is null.
std::function<std::unique_ptr<supervision::Backend>(supervision::Observer&)> PodsOf(
    kube::Cluster* cluster, std::function<void(SteadyTime)> arm_timer);
// Begins to follow it, where there is one; what does not work is logged.
void FollowCluster(kube::Cluster* cluster);
// What a coordinator that is asked to end does to workers and clients, for people.
std::string HowItStops(const kube::Cluster* cluster, bool now);

}  // namespace center::coordinator
