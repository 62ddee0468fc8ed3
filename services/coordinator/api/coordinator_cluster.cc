#include "services/coordinator/api/coordinator_cluster.h"

#include <utility>

#include "services/common/log.h"

namespace center::coordinator {

absl::StatusOr<std::unique_ptr<kube::Cluster>> ConnectCluster(
    const absl::optional<kube::ClusterOptions>& options, kube::Cluster::Post post) {
  if (!options.has_value()) return nullptr;
  return kube::Cluster::Connect(*options, std::move(post));
}

std::function<std::unique_ptr<supervision::Backend>(supervision::Observer&)> PodsOf(
    kube::Cluster* cluster, std::function<void(SteadyTime)> arm_timer) {
  if (cluster == nullptr) return nullptr;
  return [cluster, arm_timer = std::move(arm_timer)](supervision::Observer& observer) {
    return cluster->MakeBackend(observer, RealClock(), arm_timer);
  };
}

void FollowCluster(kube::Cluster* cluster) {
  if (cluster == nullptr) return;
  cluster->Begin([](const std::string& what, const absl::Status& status) {
    if (status.ok()) {
      spdlog::info("the cluster's {} are followed again", what);
    } else {
      spdlog::error("the cluster's {} cannot be followed; tried again: {}", what, status);
    }
  });
}

std::string HowItStops(const kube::Cluster* cluster, bool now) {
  if (now) return "stops at once";
  return cluster == nullptr ? "clients and workers finish their connections"
                            : "clients finish their connections, workers go on";
}

}  // namespace center::coordinator
