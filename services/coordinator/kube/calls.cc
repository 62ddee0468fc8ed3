#include "services/coordinator/kube/calls.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/coordinator/kube/json.h"
#include "services/coordinator/kube/objects.h"

namespace center::kube {
namespace {

constexpr absl::Duration kCallTimeout = absl::Seconds(10);

}  // namespace

HttpRequest ScaleRequest(const std::string& name_space, const std::string& stateful_set,
                         int64_t replicas) {
  return {.method = "PATCH",
          .target = absl::StrCat("/apis/apps/v1/namespaces/", UrlEscape(name_space),
                                 "/statefulsets/", UrlEscape(stateful_set), "/scale"),
          .body = Json({{"spec", {{"replicas", replicas}}}}).dump(),
          .content_type = "application/merge-patch+json",
          .timeout = kCallTimeout};
}

HttpRequest DeletePodRequest(const std::string& name_space, const std::string& name,
                             const std::string& uid, absl::optional<absl::Duration> grace) {
  Json options = {
      {"apiVersion", "v1"}, {"kind", "DeleteOptions"}, {"preconditions", {{"uid", uid}}}};
  // 0 would take the pod off the books while its process may live on: two could have one journal.
  if (grace.has_value()) {
    options["gracePeriodSeconds"] = std::max<int64_t>(absl::ToInt64Seconds(*grace), 1);
  }
  return {.method = "DELETE",
          .target =
              absl::StrCat("/api/v1/namespaces/", UrlEscape(name_space), "/pods/", UrlEscape(name)),
          .body = options.dump(),
          .timeout = kCallTimeout};
}

ApiCalls::ApiCalls(Transport& transport, ApiCallsOptions options)
    : transport_(transport), options_(std::move(options)), thread_([this] { Run(); }) {}

ApiCalls::~ApiCalls() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  thread_.join();
}

void ApiCalls::Scale(const std::string& stateful_set, int64_t replicas, Scaled done) {
  Enqueue({.request = ScaleRequest(options_.name_space, stateful_set, replicas),
           .what = absl::StrCat("scaling StatefulSet ", stateful_set),
           .done = [done = std::move(done)](const absl::StatusOr<HttpAnswer>& answer) {
             if (!answer.ok()) return done(answer.status());
             const auto scale = ParseJson(answer->body);
             done(scale.ok() ? VersionOf(*scale) : 0);
           }});
}

void ApiCalls::DeletePod(const std::string& name, const std::string& uid,
                         absl::optional<absl::Duration> grace, Done done) {
  Enqueue({.request = DeletePodRequest(options_.name_space, name, uid, grace),
           .what = absl::StrCat("deleting pod ", name),
           .gone_is_fine = true,
           .done = [done = std::move(done)](const absl::StatusOr<HttpAnswer>& answer) {
             done(answer.status());
           }});
}

void ApiCalls::Enqueue(Waiting call) {
  {
    absl::MutexLock lock(&mutex_);
    if (waiting_.size() < options_.waiting_max) {
      waiting_.push_back(std::move(call));
      return;
    }
  }
  options_.post([done = std::move(call.done), what = call.what] {
    done(absl::ResourceExhaustedError(
        absl::StrCat(what, ": too many calls wait for the API server")));
  });
}

void ApiCalls::Run() {
  const auto has_work = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return stopping_ || !waiting_.empty();
  };
  for (;;) {
    Waiting call;
    {
      absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(&has_work));
      if (stopping_) return;
      call = std::move(waiting_.front());
      waiting_.pop_front();
    }
    auto answer = Perform(call);
    options_.post([done = std::move(call.done), answer = std::move(answer)] { done(answer); });
  }
}

absl::StatusOr<HttpAnswer> ApiCalls::Perform(const Waiting& call) {
  const absl::Time give_up = absl::Now() + options_.patience;
  absl::Duration pause = options_.pause_min;
  for (;;) {
    const auto answer = transport_.Call(call.request);
    const absl::Status status = answer.ok() ? StatusOfAnswer(*answer, call.what) : answer.status();
    // 409: another pod has its name now.
    if (call.gone_is_fine && (absl::IsNotFound(status) || absl::IsAborted(status))) {
      return HttpAnswer{.code = 200};
    }
    if (status.ok()) return answer;
    if (!MayBeRepeated(status)) return status;
    const absl::Duration wait = std::max(pause, answer.ok() ? answer->retry_after : pause);
    if (absl::Now() + wait >= give_up || !Pause(wait)) return status;
    pause = std::min(pause * 2, options_.pause_max);
  }
}

bool ApiCalls::Pause(absl::Duration pause) {
  const auto stops = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return stopping_; };
  absl::MutexLock lock(&mutex_);
  return !mutex_.AwaitWithTimeout(absl::Condition(&stops), pause);
}

}  // namespace center::kube
