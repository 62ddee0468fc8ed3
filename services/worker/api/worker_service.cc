#include "services/worker/api/worker_service.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "grpcpp/support/proto_buffer_reader.h"
#include "services/common/rpc/status.h"
#include "services/worker/api/payload_stream.h"
#include "services/worker/api/stream_plan.h"

namespace center::worker {
namespace {

// A call that fails at once.
class RefusedStream final : public grpc::ServerWriteReactor<grpc::ByteBuffer> {
 public:
  explicit RefusedStream(const absl::Status& status) { Finish(rpc::ToGrpc(status)); }
  void OnDone() override { delete this; }
};

absl::StatusOr<v1::StreamPayloadsRequest> ParseRequest(const grpc::ByteBuffer& bytes) {
  v1::StreamPayloadsRequest request;
  // The reader takes a non-const buffer, but only reads: a copy of a ByteBuffer copies references.
  grpc::ByteBuffer copy(bytes);
  grpc::ProtoBufferReader reader(&copy);
  if (!reader.status().ok() || !request.ParseFromZeroCopyStream(&reader)) {
    return rpc::WithReason(absl::InvalidArgumentError("the request is no StreamPayloadsRequest"),
                           "MALFORMED_REQUEST");
  }
  return request;
}

}  // namespace

WorkerService::WorkerService(Options options, const absl::optional<Payloads>& payloads,
                             ComputeHost& compute, Clock& clock)
    : options_(std::move(options)), payloads_(payloads), compute_(compute), clock_(clock) {
  if (!payloads_.has_value()) return;
  scheduler_ = std::make_unique<StreamScheduler>(
      clock, payloads_->signal, [&journal = payloads_->journal] { return journal.visible_end(); });
}

void WorkerService::EndStreams() {
  if (scheduler_ != nullptr) scheduler_->End();
  compute_.End();
}

bool WorkerService::AwaitNoStreams(absl::Duration timeout) const {
  constexpr absl::Duration kPollInterval = absl::Milliseconds(1);
  while (streams() > 0 || compute_.connected()) {
    if (timeout <= absl::ZeroDuration()) return false;
    absl::SleepFor(kPollInterval);
    timeout -= kPollInterval;
  }
  return true;
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* WorkerService::StreamPayloads(
    grpc::CallbackServerContext* /*context*/, const grpc::ByteBuffer* request) {
  if (!payloads_.has_value()) {
    return new RefusedStream(rpc::WithReason(
        absl::FailedPreconditionError(absl::StrCat(
            "worker ", options_.worker, " receives no payloads: it was started with --no-listen")),
        "NO_PAYLOADS"));
  }
  if (scheduler_->ending()) {
    return new RefusedStream(
        rpc::WithReason(absl::UnavailableError("the worker is ending"), "WORKER_UNAVAILABLE"));
  }
  const auto parsed = ParseRequest(*request);
  if (!parsed.ok()) return new RefusedStream(parsed.status());
  auto plan = MakeStreamPlan(*parsed, options_.worker, payloads_->journal);
  if (!plan.ok()) return new RefusedStream(plan.status());
  if (streams_.fetch_add(1, std::memory_order_acq_rel) >= options_.max_subscribers) {
    streams_.fetch_sub(1, std::memory_order_acq_rel);
    return new RefusedStream(rpc::WithReason(
        absl::ResourceExhaustedError(absl::StrCat("worker ", options_.worker, " serves ",
                                                  options_.max_subscribers,
                                                  " payload streams already (--max-subscribers)")),
        "SUBSCRIBER_LIMIT", {{"limit", absl::StrCat(options_.max_subscribers)}}));
  }
  auto* stream = new PayloadStream(
      *std::move(plan), {options_.worker, payloads_->journal, *scheduler_, clock_, streams_});
  stream->Start();
  return stream;
}

}  // namespace center::worker
