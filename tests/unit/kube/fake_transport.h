// An API server that answers what the test has written down.
#pragma once

#include <deque>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "services/coordinator/kube/transport.h"

namespace center::kube {

// Thread-safe.
class FakeTransport final : public Transport {
 public:
  // The next call, or stream, gets this. Without any left: Unavailable.
  void Answer(int code, std::string body, absl::Duration retry_after = absl::ZeroDuration()) {
    Push(HttpAnswer{.code = code, .body = std::move(body), .retry_after = retry_after});
  }
  void Fail(absl::Status status) { Push(std::move(status)); }

  absl::StatusOr<HttpAnswer> Call(const HttpRequest& request) override { return Next(request); }
  // The body comes in pieces of 7 bytes.
  absl::StatusOr<HttpAnswer> Stream(const HttpRequest& request, const OnData& on_data) override {
    auto answer = Next(request);
    if (!answer.ok() || answer->code != 200) return answer;
    absl::string_view rest = answer->body;
    if (!on_data("")) return HttpAnswer{.code = 200};
    while (!rest.empty() && on_data(rest.substr(0, 7))) {
      rest.remove_prefix(std::min<size_t>(7, rest.size()));
    }
    return HttpAnswer{.code = 200};
  }
  void Interrupt() override {}

  std::vector<HttpRequest> requests() {
    absl::MutexLock lock(&mutex_);
    return requests_;
  }
  std::string target(size_t index) {
    absl::MutexLock lock(&mutex_);
    return index < requests_.size() ? requests_[index].target : "none";
  }

 private:
  void Push(absl::StatusOr<HttpAnswer> answer) {
    absl::MutexLock lock(&mutex_);
    answers_.push_back(std::move(answer));
  }
  absl::StatusOr<HttpAnswer> Next(const HttpRequest& request) {
    absl::MutexLock lock(&mutex_);
    requests_.push_back(request);
    if (answers_.empty()) return absl::UnavailableError("nothing is written down");
    auto answer = std::move(answers_.front());
    answers_.pop_front();
    return answer;
  }

  absl::Mutex mutex_;
  std::deque<absl::StatusOr<HttpAnswer>> answers_ ABSL_GUARDED_BY(mutex_);
  std::vector<HttpRequest> requests_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace center::kube
