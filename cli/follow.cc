#include "cli/follow.h"

#include <utility>

#include "services/common/status_macros.h"

namespace center::cli {

Follower::Follower(Context& context, v1::StreamPayloadsRequest request, Process process)
    : context_(context),
      request_(std::move(request)),
      process_(std::move(process)),
      reconnector_(context) {
  if (request_.start().has_cursor()) cursor_.Set(request_.start().cursor());
}

void Follower::Interrupt() {
  absl::MutexLock lock(&mutex_);
  reconnector_.Stop();
  if (stream_ != nullptr) stream_->Cancel();
}

absl::Status Follower::Run() {
  ASSIGN_OR_RETURN(const auto channel, context_.Channel());
  for (;;) {
    ASSIGN_OR_RETURN(const Outcome outcome, RunStream(channel));
    if (outcome == Outcome::kEnded) return absl::OkStatus();
    // What was dealt with stays so: the next call starts behind it.
    if (!cursor_.empty()) *request_.mutable_start()->mutable_cursor() = cursor_.cursor();
  }
}

absl::StatusOr<Follower::Outcome> Follower::RunStream(
    const std::shared_ptr<grpc::Channel>& channel) {
  PayloadStream stream(channel, request_);
  {
    absl::MutexLock lock(&mutex_);
    if (reconnector_.stopped()) return Outcome::kEnded;
    stream_ = &stream;
  }
  StreamMessage message;
  absl::StatusOr<bool> more = true;
  while (more.ok() && *more && stream.Read(&message)) {
    reconnector_.OnProgress();
    more = process_(message);
  }
  const bool enough = !more.ok() || !*more;
  if (enough) stream.Cancel();
  const absl::Status status = stream.Finish();
  {
    absl::MutexLock lock(&mutex_);
    stream_ = nullptr;
  }
  RETURN_IF_ERROR(more.status());
  if (enough || reconnector_.stopped() || status.ok()) return Outcome::kEnded;
  if (request_.follow() && reconnector_.ShouldRetry(status)) return Outcome::kAgain;
  if (reconnector_.stopped()) return Outcome::kEnded;
  return FromRpc(status, context_.address());
}

}  // namespace center::cli
