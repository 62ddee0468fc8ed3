#include "services/worker/api/worker_service.h"

#include <utility>

#include "absl/strings/str_cat.h"
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

WorkerService::WorkerService(Options options, const journal::Journal& journal, TailSignal& signal,
                             Clock& clock)
    : options_(std::move(options)),
      journal_(journal),
      clock_(clock),
      scheduler_(clock, signal, [&journal] { return journal.visible_end(); }) {}

grpc::ServerWriteReactor<grpc::ByteBuffer>* WorkerService::StreamPayloads(
    grpc::CallbackServerContext* /*context*/, const grpc::ByteBuffer* request) {
  if (scheduler_.ending()) {
    return new RefusedStream(
        rpc::WithReason(absl::UnavailableError("the worker is ending"), "WORKER_UNAVAILABLE"));
  }
  const auto parsed = ParseRequest(*request);
  if (!parsed.ok()) return new RefusedStream(parsed.status());
  auto plan = MakeStreamPlan(*parsed, options_.worker, journal_);
  if (!plan.ok()) return new RefusedStream(plan.status());
  if (streams_.fetch_add(1, std::memory_order_acq_rel) >= options_.max_subscribers) {
    streams_.fetch_sub(1, std::memory_order_acq_rel);
    return new RefusedStream(rpc::WithReason(
        absl::ResourceExhaustedError(absl::StrCat("worker ", options_.worker, " serves ",
                                                  options_.max_subscribers,
                                                  " payload streams already (--max-subscribers)")),
        "SUBSCRIBER_LIMIT", {{"limit", absl::StrCat(options_.max_subscribers)}}));
  }
  auto* stream = new PayloadStream(*std::move(plan),
                                   {options_.worker, journal_, scheduler_, clock_, streams_});
  stream->Start();
  return stream;
}

}  // namespace center::worker
