#include "services/worker/api/compute_stream.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/common/log.h"
#include "services/common/rpc/status.h"
#include "services/common/status_macros.h"
#include "services/worker/api/compute_messages.h"

namespace center::worker {
namespace {

// What a request is counted as beside its data.
constexpr size_t kEnvelopeBytes = 256;

}  // namespace

ComputeStream::ComputeStream(std::string worker, compute::Engine& engine, OnOver on_over)
    : worker_(std::move(worker)), engine_(engine), on_over_(std::move(on_over)) {}

void ComputeStream::Start(v1::ComputeHello hello) {
  self_ = shared_from_this();
  {
    absl::MutexLock lock(&mutex_);
    Unsent first{.bytes = kEnvelopeBytes};
    *first.response.mutable_hello() = std::move(hello);
    unsent_bytes_ += first.bytes;
    unsent_.push_back(std::move(first));
  }
  StartRead(&request_);
  Pump();
}

void ComputeStream::End(absl::Status status) {
  {
    absl::MutexLock lock(&mutex_);
    if (!ending_.has_value()) ending_ = std::move(status);
  }
  Pump();
}

void ComputeStream::OnReadDone(bool ok) {
  // A lost connection reads as an end, too; then OnCancel follows.
  if (!ok) return End(absl::OkStatus());
  if (OnRequest()) StartRead(&request_);
}

void ComputeStream::OnWriteDone(bool ok) {
  if (!ok) Break(absl::CancelledError("the coordinator is gone"));
  {
    absl::MutexLock lock(&mutex_);
    writing_ = false;
    unsent_bytes_ -= std::exchange(writing_bytes_, 0);
  }
  Pump();
}

void ComputeStream::OnCancel() { Break(absl::CancelledError("the coordinator is gone")); }

void ComputeStream::OnDone() {
  on_over_(this);
  self_.reset();  // may delete this
}

bool ComputeStream::OnRequest() {
  absl::Status status;
  switch (request_.message_case()) {
    case v1::ComputeRequest::kRun:
      status = Run(std::move(*request_.mutable_run()));
      break;
    case v1::ComputeRequest::kCancel:
      Cancel(request_.cancel().chunk_id());
      break;
    case v1::ComputeRequest::MESSAGE_NOT_SET:
      spdlog::debug("the coordinator sent a compute request that this worker does not know");
      break;
  }
  if (!status.ok()) Break(status);
  return status.ok();
}

absl::Status ComputeStream::Run(v1::RunChunk run) {
  const uint64_t id = run.chunk_id();
  auto chunk = ChunkFromProto(std::move(run));
  if (!chunk.ok()) {
    return rpc::WithReason(
        absl::InvalidArgumentError(absl::StrCat("chunk ", id, ": ", chunk.status().message())),
        "MALFORMED_REQUEST");
  }
  {
    absl::MutexLock lock(&mutex_);
    if (!tickets_.try_emplace(id, 0).second) {
      return rpc::WithReason(
          absl::InvalidArgumentError(absl::StrCat("chunk ", id, " runs already")),
          "MALFORMED_REQUEST");
    }
  }
  const bool has_inputs = chunk->inputs.count() > 0;
  const auto ticket =
      engine_.Submit(*std::move(chunk), [self = shared_from_this()](compute::ChunkResult result) {
        self->OnChunkDone(std::move(result));
      });
  if (absl::IsUnavailable(ticket.status())) {
    // The worker is ending: given back at once, for another.
    compute::ChunkResult refused;
    refused.chunk_id = id;
    refused.cancelled = has_inputs;
    OnChunkDone(std::move(refused));
    return absl::OkStatus();
  }
  if (!ticket.ok()) return rpc::WithReason(ticket.status(), "COMPUTE_OVERLOADED");
  bool broken = false;
  {
    absl::MutexLock lock(&mutex_);
    const auto found = tickets_.find(id);
    if (found != tickets_.end()) found->second = *ticket;  // else it is done already
    broken = broken_;
  }
  if (broken) engine_.Abandon(*ticket);
  return absl::OkStatus();
}

void ComputeStream::Cancel(uint64_t chunk_id) {
  compute::Engine::Ticket ticket = 0;
  {
    absl::MutexLock lock(&mutex_);
    const auto found = tickets_.find(chunk_id);
    if (found == tickets_.end()) return;
    ticket = found->second;
  }
  engine_.Cancel(ticket);
}

void ComputeStream::OnChunkDone(compute::ChunkResult result) {
  // One that is given back untouched comes on one of gRPC's threads, which must not wait.
  const bool untouched = result.cancelled && result.results.count == 0;
  const auto may_send = [this, untouched]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return untouched || broken_ || unsent_bytes_ < kUnsentBytesMax;
  };
  Unsent unsent{.bytes = kEnvelopeBytes + result.bytes()};
  *unsent.response.mutable_result() = ChunkResultToProto(std::move(result), worker_);
  {
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(&may_send));
    if (broken_) return;
    tickets_.erase(unsent.response.result().chunk_id());
    unsent_bytes_ += unsent.bytes;
    unsent_.push_back(std::move(unsent));
  }
  Pump();
}

void ComputeStream::Break(absl::Status status) {
  std::vector<compute::Engine::Ticket> given_up;
  {
    absl::MutexLock lock(&mutex_);
    if (broken_) return;
    broken_ = true;
    ending_ = std::move(status);
    for (const auto& [chunk_id, ticket] : tickets_) given_up.push_back(ticket);
    tickets_.clear();
    unsent_.clear();
    unsent_bytes_ = writing_bytes_;
  }
  for (const compute::Engine::Ticket ticket : given_up) engine_.Abandon(ticket);
  on_over_(this);
  Pump();
}

void ComputeStream::Pump() {
  // What follows may end the stream.
  const std::shared_ptr<ComputeStream> keep = shared_from_this();
  {
    absl::MutexLock lock(&mutex_);
    pump_again_ = true;
    if (std::exchange(pumping_, true)) return;
  }
  for (;;) {
    Step step = Step::kNothing;
    absl::Status status;
    {
      absl::MutexLock lock(&mutex_);
      if (!std::exchange(pump_again_, false)) {
        pumping_ = false;
        return;
      }
      step = NextStep();
      if (step == Step::kFinish) status = *ending_;
    }
    if (step == Step::kWrite) StartWrite(&response_);
    if (step == Step::kFinish) {
      on_over_(this);
      Finish(rpc::ToGrpc(status));
    }
  }
}

ComputeStream::Step ComputeStream::NextStep() {
  if (finished_ || writing_) return Step::kNothing;
  if (!unsent_.empty()) {
    response_ = std::move(unsent_.front().response);
    writing_bytes_ = unsent_.front().bytes;
    unsent_.pop_front();
    writing_ = true;
    return Step::kWrite;
  }
  if (ending_.has_value() && tickets_.empty()) {
    finished_ = true;
    return Step::kFinish;
  }
  return Step::kNothing;
}

}  // namespace center::worker
