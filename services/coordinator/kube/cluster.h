// The connection to a cluster: follows its StatefulSets and pods on two threads, and tells the
// backend, on the control thread.
//
// Lifecycle: Connect, MakeBackend, Begin (when the backend may be told), destroy after the control
// thread has stopped to run what was posted.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "services/coordinator/kube/calls.h"
#include "services/coordinator/kube/config.h"
#include "services/coordinator/kube/list_watch.h"
#include "services/coordinator/kube/pod_backend.h"
#include "services/coordinator/kube/transport.h"

namespace center::kube {

struct ClusterOptions {
  std::string kubeconfig;  // path; "": the pod's service account
  std::string name_space;  // "": as the configuration says
};

class Cluster {
 public:
  // Runs it on the control thread.
  using Post = std::function<void(std::function<void()>)>;

  // Reads the configuration; nothing is asked of the server yet. Errors as of config.h.
  static absl::StatusOr<std::unique_ptr<Cluster>> Connect(const ClusterOptions& options, Post post);
  // With any transport, for tests.
  Cluster(std::unique_ptr<Transport> transport, std::string name_space, Post post);
  ~Cluster();
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;

  // Once. The backend is the caller's, and must live as long as the control thread runs.
  std::unique_ptr<supervision::Backend> MakeBackend(supervision::Observer& observer, Clock& clock,
                                                    std::function<void(SteadyTime)> on_deadline);
  // Starts to follow. Once, after MakeBackend. `on_trouble`: what does not work, or OK when it
  // works again; on the control thread.
  void Begin(std::function<void(const std::string& what, const absl::Status&)> on_trouble);
  const std::string& name_space() const { return name_space_; }

 private:
  // Until it is stopped.
  void Follow(const std::string& what, const std::string& collection, ListWatch::Handlers handlers);
  ListWatch::Handlers SetHandlers();
  ListWatch::Handlers PodHandlers();
  // False: it is being stopped.
  bool Pause(absl::Duration pause);

  const std::unique_ptr<Transport> transport_;
  const std::string name_space_;
  const Post post_;
  std::unique_ptr<ApiCalls> calls_;
  PodBackend* backend_ = nullptr;  // of the control thread
  std::function<void(const std::string&, const absl::Status&)> on_trouble_;
  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace center::kube
