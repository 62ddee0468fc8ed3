#include "services/coordinator/kube/cluster.h"

#include <cstdlib>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/fd.h"
#include "services/common/log.h"
#include "services/common/status_macros.h"
#include "services/coordinator/kube/curl_transport.h"
#include "services/coordinator/kube/objects.h"

namespace center::kube {
namespace {

std::string ReadEnv(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

absl::StatusOr<std::string> ReadWhole(const std::string& path) { return ReadSmallFile(path); }

// What is no worker's, though its labels say so, is told and left alone.
template <typename Parsed>
absl::optional<Parsed> Accept(absl::StatusOr<Parsed> parsed) {
  if (parsed.ok()) return *std::move(parsed);
  spdlog::warn("ignored: {}", parsed.status().message());
  return absl::nullopt;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Cluster>> Cluster::Connect(const ClusterOptions& options,
                                                          Post post) {
  ClusterConfig config;
  if (options.kubeconfig.empty()) {
    ASSIGN_OR_RETURN(config, InClusterConfig(ReadEnv, ReadWhole));
  } else {
    ASSIGN_OR_RETURN(config, LoadKubeconfig(options.kubeconfig, ReadWhole));
  }
  const std::string name_space =
      options.name_space.empty() ? config.name_space : options.name_space;
  spdlog::info("workers are pods of namespace {} of the cluster {}", name_space, config.server);
  return std::make_unique<Cluster>(std::make_unique<CurlTransport>(std::move(config), ReadWhole),
                                   name_space, std::move(post));
}

Cluster::Cluster(std::unique_ptr<Transport> transport, std::string name_space, Post post)
    : transport_(std::move(transport)),
      name_space_(std::move(name_space)),
      post_(std::move(post)),
      calls_(std::make_unique<ApiCalls>(
          *transport_, ApiCallsOptions{.name_space = name_space_, .post = post_})) {}

Cluster::~Cluster() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  transport_->Interrupt();
  for (std::thread& thread : threads_) thread.join();
}

std::unique_ptr<supervision::Backend> Cluster::MakeBackend(
    supervision::Observer& observer, Clock& clock, std::function<void(SteadyTime)> on_deadline) {
  auto backend = std::make_unique<PodBackend>(
      *calls_, clock, observer, PodBackendOptions{.on_deadline = std::move(on_deadline)});
  backend_ = backend.get();
  return backend;
}

void Cluster::Begin(std::function<void(const std::string&, const absl::Status&)> on_trouble) {
  on_trouble_ = std::move(on_trouble);
  threads_.emplace_back([this] {
    Follow("StatefulSets",
           absl::StrCat("/apis/apps/v1/namespaces/", UrlEscape(name_space_), "/statefulsets"),
           SetHandlers());
  });
  threads_.emplace_back([this] {
    Follow("pods", absl::StrCat("/api/v1/namespaces/", UrlEscape(name_space_), "/pods"),
           PodHandlers());
  });
}

void Cluster::Follow(const std::string& what, const std::string& collection,
                     ListWatch::Handlers handlers) {
  handlers.on_health = [this, what](const absl::Status& status) {
    post_([this, what, status] {
      backend_->OnTrouble(what, status);
      on_trouble_(what, status);
    });
  };
  handlers.on_list = [this, what, first = true,
                      on_list = std::move(handlers.on_list)](const std::vector<Json>& all) mutable {
    spdlog::info("the cluster's {} are listed{}: {} of Center in namespace {}", what,
                 std::exchange(first, false) ? "" : " anew", all.size(), name_space_);
    on_list(all);
  };
  std::mt19937_64 generator{std::random_device{}()};
  ListWatch watch(
      *transport_,
      {.collection = collection,
       .selector = WorkerSelector(),
       .random =
           [&generator] { return std::uniform_real_distribution<double>(0.0, 1.0)(generator); }},
      std::move(handlers));
  while (Pause(watch.Round())) {
  }
}

bool Cluster::Pause(absl::Duration pause) {
  const auto stops = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return stopping_; };
  absl::MutexLock lock(&mutex_);
  return !mutex_.AwaitWithTimeout(absl::Condition(&stops), pause);
}

ListWatch::Handlers Cluster::SetHandlers() {
  ListWatch::Handlers handlers;
  handlers.on_list = [this](const std::vector<Json>& objects) {
    std::vector<StatefulSet> sets;
    for (const Json& object : objects) {
      if (auto set = Accept(ParseStatefulSet(object))) sets.push_back(*std::move(set));
    }
    post_([this, sets = std::move(sets)]() mutable { backend_->OnStatefulSets(std::move(sets)); });
  };
  handlers.on_change = [this](ListWatch::Change change, const Json& object) {
    auto set = Accept(ParseStatefulSet(object));
    if (!set.has_value()) return;
    post_([this, change, set = *std::move(set)]() mutable {
      if (change == ListWatch::Change::kPut) return backend_->OnStatefulSet(std::move(set));
      backend_->OnStatefulSetGone(set);
    });
  };
  return handlers;
}

ListWatch::Handlers Cluster::PodHandlers() {
  ListWatch::Handlers handlers;
  handlers.on_list = [this](const std::vector<Json>& objects) {
    std::vector<Pod> pods;
    for (const Json& object : objects) {
      if (auto pod = Accept(ParsePod(object))) pods.push_back(*std::move(pod));
    }
    post_([this, pods = std::move(pods)] { backend_->OnPods(pods); });
  };
  handlers.on_change = [this](ListWatch::Change change, const Json& object) {
    auto pod = Accept(ParsePod(object));
    if (!pod.has_value()) return;
    post_([this, change, pod = *std::move(pod)] {
      if (change == ListWatch::Change::kPut) return backend_->OnPod(pod);
      backend_->OnPodGone(pod);
    });
  };
  return handlers;
}

}  // namespace center::kube
