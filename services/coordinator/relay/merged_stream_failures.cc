// What a stream does when a worker's call has failed: it tries again, and says so if that takes
// long.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/rpc/status.h"
#include "services/coordinator/relay/merged_stream.h"

namespace center::relay {
namespace {

// Between two calls of a worker whose address has not changed.
constexpr absl::Duration kFirstPause = absl::Milliseconds(50);
constexpr absl::Duration kLongestPause = absl::Seconds(2);
// What a client is told to wait before it calls again.
constexpr absl::Duration kClientRetryDelay = absl::Seconds(1);

// True when a call failed because the worker said no, and not because it could not be reached:
// asking again would get the same answer.
bool IsWorkersAnswer(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kCancelled:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kAborted:
      return false;
    // gRPC itself reports some broken connections with these two; a worker gives a reason.
    case absl::StatusCode::kInternal:
    case absl::StatusCode::kUnknown:
      return !rpc::ReasonOf(status).empty();
    default:
      return true;
  }
}

}  // namespace

absl::Status WorkerUnavailable(absl::string_view worker, absl::string_view why) {
  return rpc::WithRetryDelay(rpc::WithReason(absl::UnavailableError(absl::StrCat(
                                                 "worker ", worker, " is not available: ", why)),
                                             "WORKER_UNAVAILABLE", {{"worker", worker}}),
                             kClientRetryDelay);
}

void MergedStream::AfterFailure(size_t index, const absl::Status& status, Actions* actions) {
  Lane& lane = lanes_[index];
  if (!status.ok() && IsWorkersAnswer(status)) {
    EndWith(status, actions);
    return;
  }
  if (!plan_.follow) {
    EndWith(WorkerUnavailable(lane.endpoint.worker, status.message()), actions);
    return;
  }
  if (!running_ || !lane.listed) return;
  const absl::Time now = absl::Now();
  if (lane.failures == 0) lane.failing_since = now;
  if (!lane.trouble_told && now - lane.failing_since >= kTellTroubleAfter) {
    lane.trouble_told = true;
    actions->reach = {lane.endpoint, status};
  }
  const absl::Duration length =
      std::min(kFirstPause * (1 << std::min(lane.failures, 10u)), kLongestPause);
  ++lane.failures;
  lane.pause = std::make_shared<grpc::Alarm>();
  actions->pause.push_back({index, lane.pause, length});
}

void MergedStream::Pause(const PauseAction& action) {
  const grpc::Alarm* alarm = action.alarm.get();
  action.alarm->Set(absl::ToChronoTime(absl::Now() + action.length),
                    [weak = weak_from_this(), lane = action.lane, alarm](bool ok) {
                      if (!ok) return;  // no longer needed
                      if (auto stream = weak.lock()) stream->OnPauseOver(lane, alarm);
                    });
}

void MergedStream::OnPauseOver(size_t index, const grpc::Alarm* pause) {
  Actions actions;
  {
    absl::MutexLock lock(&mutex_);
    Lane& lane = lanes_[index];
    if (lane.pause.get() != pause) return;
    lane.pause.reset();
    lane.wanted = true;
    if (lane.endpoint.archived) {
      AwaitArchived(index, &actions);
    } else {
      CallIfDue(index, &actions);
    }
    EndIfOver(&actions);
  }
  Perform(actions);
}

}  // namespace center::relay
