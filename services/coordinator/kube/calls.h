// What Center changes in a cluster: the number of replicas, and pods by deleting them. Nothing
// else.
#pragma once

#include <deque>
#include <functional>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "services/coordinator/kube/transport.h"

namespace center::kube {

// Answers later, never within the call, on the control thread. A fake in tests.
class Calls {
 public:
  using Done = std::function<void(const absl::Status&)>;
  // The version of the StatefulSet from which on the new number holds; 0: not told.
  using Scaled = std::function<void(const absl::StatusOr<uint64_t>&)>;

  virtual ~Calls() = default;
  // Through the StatefulSet's scale alone. NotFound, PermissionDenied, …
  virtual void Scale(const std::string& stateful_set, int64_t replicas, Scaled done) = 0;
  // Only the pod with this uid; OK when it is gone already. `grace` absent: as the pod has it.
  virtual void DeletePod(const std::string& name, const std::string& uid,
                         absl::optional<absl::Duration> grace, Done done) = 0;
};

// The requests, as pure functions.
HttpRequest ScaleRequest(const std::string& name_space, const std::string& stateful_set,
                         int64_t replicas);
HttpRequest DeletePodRequest(const std::string& name_space, const std::string& name,
                             const std::string& uid, absl::optional<absl::Duration> grace);

struct ApiCallsOptions {
  std::string name_space;
  size_t waiting_max = 4096;
  absl::Duration patience = absl::Seconds(10);  // how long a call that may be repeated is
  absl::Duration pause_min = absl::Milliseconds(100);
  absl::Duration pause_max = absl::Seconds(2);
  // Runs it on the control thread.
  std::function<void(std::function<void()>)> post;
};

// By a thread of its own, one call after the other.
class ApiCalls final : public Calls {
 public:
  // The transport must outlive this.
  ApiCalls(Transport& transport, ApiCallsOptions options);
  // Calls that wait are given up, and not answered. REQUIRES: the transport was interrupted.
  ~ApiCalls() override;
  ApiCalls(const ApiCalls&) = delete;
  ApiCalls& operator=(const ApiCalls&) = delete;

  void Scale(const std::string& stateful_set, int64_t replicas, Scaled done) override;
  void DeletePod(const std::string& name, const std::string& uid,
                 absl::optional<absl::Duration> grace, Done done) override;

 private:
  struct Waiting {
    HttpRequest request;
    std::string what;
    bool gone_is_fine = false;
    std::function<void(const absl::StatusOr<HttpAnswer>&)> done;
  };

  void Enqueue(Waiting call);
  void Run();
  // With repetitions.
  absl::StatusOr<HttpAnswer> Perform(const Waiting& call);
  // False: this is being destroyed.
  bool Pause(absl::Duration pause);

  Transport& transport_;
  const ApiCallsOptions options_;
  absl::Mutex mutex_;
  std::deque<Waiting> waiting_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace center::kube
