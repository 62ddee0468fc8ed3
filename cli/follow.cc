#include "cli/follow.h"

#include <utility>

#include "services/common/status_macros.h"

namespace center::cli {

Follower::Follower(Context& context, v1::StreamPayloadsRequest request, Process process,
                   Route route)
    : context_(context),
      request_(std::move(request)),
      process_(std::move(process)),
      route_(route),
      reconnector_(context) {
  if (request_.start().has_cursor()) cursor_.Set(request_.start().cursor());
}

void Follower::Interrupt() {
  absl::MutexLock lock(&mutex_);
  reconnector_.Stop();
  if (stream_ != nullptr) stream_->Cancel();
}

absl::Status Follower::Run() {
  for (;;) {
    ASSIGN_OR_RETURN(const Outcome outcome, RunStream());
    if (outcome == Outcome::kEnded) return absl::OkStatus();
    // What was dealt with stays so: the next call starts behind it.
    if (!cursor_.empty()) *request_.mutable_start()->mutable_cursor() = cursor_.cursor();
  }
}

absl::StatusOr<Follower::Outcome> Follower::RunStream() {
  ASSIGN_OR_RETURN(auto source, OpenPayloads(context_, request_, route_));
  PayloadStream stream(std::move(source));
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
