#include "services/coordinator/relay/payload_relay.h"

#include "google/protobuf/io/coded_stream.h"
#include "grpcpp/support/proto_buffer_reader.h"
#include "services/common/rpc/status.h"
#include "services/common/status_macros.h"
#include "services/coordinator/relay/stream_reactors.h"

namespace center::relay {
namespace {

absl::Status TooManyCalls() {
  return rpc::WithRetryDelay(
      rpc::WithReason(absl::UnavailableError("too many calls wait for the coordinator's disk"),
                      "COORDINATOR_BUSY"),
      absl::Seconds(1));
}

absl::StatusOr<v1::StreamPayloadsRequest> ParseRequest(const grpc::ByteBuffer& bytes) {
  v1::StreamPayloadsRequest request;
  if (!bytes.Valid() || bytes.Length() == 0) return request;
  grpc::ByteBuffer copy = bytes;  // references; the reader wants a mutable one
  grpc::ProtoBufferReader reader(&copy);
  if (!reader.status().ok() || !request.ParseFromZeroCopyStream(&reader)) {
    return rpc::WithReason(absl::InvalidArgumentError("the request is no StreamPayloadsRequest"),
                           "INVALID_FIELDS");
  }
  return request;
}

}  // namespace

PayloadRelay::PayloadRelay(WorkerDirectory& directory, SubscriptionStore store,
                           std::function<void(absl::string_view server)> on_committed,
                           const Options& options, Clock& clock)
    : directory_(directory),
      store_(std::move(store)),
      on_committed_(std::move(on_committed)),
      clock_(clock),
      channels_(options.connect),
      streams_(options.streams_max) {}

PayloadRelay::~PayloadRelay() = default;

void PayloadRelay::EndStreams() { streams_.EndAll(); }

size_t PayloadRelay::stream_count() const { return streams_.size(); }

absl::Status PayloadRelay::ResolveSubscription(StreamPlan* plan) const {
  const auto entry = store_.get(plan->server, plan->subscription);
  if (entry.ok()) {
    UseCursor(entry->next_offsets, plan);
    return absl::OkStatus();
  }
  if (!absl::IsNotFound(entry.status())) return entry.status();
  UseCursor({}, plan);  // nothing is committed yet: every worker starts at earliest
  return absl::OkStatus();
}

template <typename Reactor>
void PayloadRelay::Launch(Reactor* reactor, absl::StatusOr<StreamPlan> plan) {
  auto ticket = streams_.Add(reactor->stream());
  if (!ticket.ok()) {
    reactor->Begin(ticket.status());
    return;
  }
  reactor->Admit(*std::move(ticket));
  if (!plan.ok() || plan->subscription.empty()) {
    reactor->Begin(std::move(plan));
    return;
  }
  const bool posted = blocking_.Post([this, reactor, plan = *std::move(plan)]() mutable {
    const absl::Status status = ResolveSubscription(&plan);
    reactor->Begin(status.ok() ? absl::StatusOr<StreamPlan>(std::move(plan)) : status);
  });
  if (!posted) reactor->Begin(TooManyCalls());
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* PayloadRelay::StreamPayloads(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request) {
  auto* reactor = new RawStreamReactor(directory_, channels_);
  auto parsed = ParseRequest(*request);
  Launch(reactor, parsed.ok() ? MakePlan(*std::move(parsed), clock_.Wall()) : parsed.status());
  return reactor;
}

grpc::ServerWriteReactor<v1::TailPayloadsResponse>* PayloadRelay::TailPayloads(
    grpc::CallbackServerContext* context, const v1::TailPayloadsRequest* request) {
  auto* reactor = new TailStreamReactor(directory_, channels_);
  reactor->set_limit(request->limit());
  Launch(reactor, MakePlan(*request, clock_.Wall()));
  return reactor;
}

grpc::ServerUnaryReactor* PayloadRelay::Answer(grpc::CallbackServerContext* context,
                                               std::function<absl::Status()> call) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const bool posted =
      blocking_.Post([reactor, call = std::move(call)] { reactor->Finish(rpc::ToGrpc(call())); });
  if (!posted) reactor->Finish(rpc::ToGrpc(TooManyCalls()));
  return reactor;
}

grpc::ServerUnaryReactor* PayloadRelay::CommitCursor(grpc::CallbackServerContext* context,
                                                     const v1::CommitCursorRequest* request,
                                                     v1::CommitCursorResponse* response) {
  return Answer(context, [this, request, response] { return DoCommit(*request, response); });
}

grpc::ServerUnaryReactor* PayloadRelay::ListSubscriptions(
    grpc::CallbackServerContext* context, const v1::ListSubscriptionsRequest* request,
    v1::ListSubscriptionsResponse* response) {
  return Answer(context, [this, request, response] { return DoList(*request, response); });
}

grpc::ServerUnaryReactor* PayloadRelay::DeleteSubscription(
    grpc::CallbackServerContext* context, const v1::DeleteSubscriptionRequest* request,
    v1::DeleteSubscriptionResponse* response) {
  return Answer(context, [this, request] { return DoDelete(*request); });
}

}  // namespace center::relay
