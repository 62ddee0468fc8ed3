#include "services/coordinator/api/job_service.h"

#include <string>

#include "services/common/rpc/status.h"
#include "services/coordinator/api/job_messages.h"
#include "services/coordinator/api/result_pump.h"
#include "services/coordinator/api/spec.h"
#include "services/coordinator/api/submit_stream.h"

namespace center::coordinator {
namespace {

absl::Status JobServiceStopping() {
  return rpc::WithReason(absl::UnavailableError("the coordinator is stopping"),
                         "COORDINATOR_STOPPING");
}

// One call of JobService.StreamResults. It keeps itself alive until gRPC is done with it.
class ResultStream final : public grpc::ServerWriteReactor<grpc::ByteBuffer>,
                           public JobWatcher,
                           public JobServiceImpl::Stream,
                           public std::enable_shared_from_this<ResultStream> {
 public:
  ResultStream(JobServiceImpl& service, v1::StreamResultsRequest request)
      : service_(service), request_(std::move(request)) {}

  void Begin() {
    self_ = shared_from_this();
    service_.post()([self = shared_from_this()] { self->Open(); });
  }

  // gRPC's threads.
  void OnWriteDone(bool ok) override {
    service_.post()([self = shared_from_this(), ok] {
      self->writing_ = false;
      if (ok) self->Pump();  // otherwise OnCancel follows
    });
  }
  void OnCancel() override {
    service_.post()(
        [self = shared_from_this()] { self->EndWith(absl::CancelledError("the reader left")); });
  }
  void OnDone() override { self_.reset(); }

  // Control thread.
  void OnJob() override { Pump(); }
  void EndWith(const absl::Status& status) override {
    if (ended_) return;
    // From the finish on gRPC may be done with the call, on a thread of its own.
    const std::shared_ptr<ResultStream> keep = shared_from_this();
    ended_ = true;
    Finish(rpc::ToGrpc(status));
    service_.Leave(this);
    if (results_ != nullptr) results_->Close();
    if (job_ != nullptr) service_.manager().Detach(*job_, this, /*submitter=*/false);
    job_ = nullptr;
  }

 private:
  void Open() {
    if (ended_) return;
    if (absl::Status status = service_.Enter(this); !status.ok()) return EndWith(status);
    JobEntry* const job = service_.manager().Find(request_.id());
    if (job == nullptr) return EndWith(JobNotFound(request_.id()));
    const ResultPump::Options options{.ordered = request_.ordered(),
                                      .position = request_.position(),
                                      .follow = request_.follow()};
    if (absl::Status status = ResultPump::Check(*job, options); !status.ok()) {
      return EndWith(status);
    }
    job_ = job;
    service_.manager().Attach(*job, this, /*submitter=*/false, /*reads=*/false);
    results_ = std::make_shared<ResultPump>(service_.manager(), *job, options, [this] { Pump(); });
    Pump();
  }

  void Pump() {
    if (writing_ || ended_ || results_ == nullptr) return;
    switch (results_->Next(&response_)) {
      case ResultPump::What::kMessage:
        writing_ = true;
        return StartWrite(&response_);
      case ResultPump::What::kWait:
        return;
      case ResultPump::What::kEnd:
        return EndWith(absl::OkStatus());
      case ResultPump::What::kFail:
        return EndWith(results_->status());
    }
  }

  JobServiceImpl& service_;
  const v1::StreamResultsRequest request_;
  std::shared_ptr<ResultStream> self_;  // until OnDone

  // Control thread.
  JobEntry* job_ = nullptr;
  std::shared_ptr<ResultPump> results_;
  grpc::ByteBuffer response_;
  bool writing_ = false;
  bool ended_ = false;
};

// A stream that ends at once.
class RefusedStream final : public grpc::ServerWriteReactor<grpc::ByteBuffer> {
 public:
  explicit RefusedStream(const absl::Status& status) { Finish(rpc::ToGrpc(status)); }
  void OnDone() override { delete this; }
};

}  // namespace

absl::Status JobServiceImpl::Enter(Stream* stream) {
  if (stopping_) return JobServiceStopping();
  if (streams_.size() >= kJobStreamsMax) {
    return rpc::WithReason(absl::ResourceExhaustedError("too many streams of jobs are open"),
                           "STREAM_LIMIT");
  }
  streams_.insert(stream);
  return absl::OkStatus();
}

void JobServiceImpl::EndStreams() {
  stopping_ = true;
  const std::set<Stream*> streams = streams_;
  for (Stream* stream : streams) {
    if (streams_.contains(stream)) stream->EndWith(JobServiceStopping());
  }
}

grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* JobServiceImpl::SubmitJob(
    grpc::CallbackServerContext* context) {
  auto stream = std::make_shared<SubmitStream>(*this, *context);
  stream->Begin();
  return stream.get();
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* JobServiceImpl::StreamResults(
    grpc::CallbackServerContext* /*context*/, const grpc::ByteBuffer* request) {
  v1::StreamResultsRequest parsed;
  grpc::ByteBuffer bytes(*request);
  if (!grpc::SerializationTraits<v1::StreamResultsRequest>::Deserialize(&bytes, &parsed).ok()) {
    return new RefusedStream(absl::InvalidArgumentError("the request cannot be understood"));
  }
  auto stream = std::make_shared<ResultStream>(*this, std::move(parsed));
  stream->Begin();
  return stream.get();
}

// The request and response live until Finish, so the control thread may use them.

grpc::ServerUnaryReactor* JobServiceImpl::GetJob(grpc::CallbackServerContext* context,
                                                 const v1::GetJobRequest* request,
                                                 v1::GetJobResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  post_([this, reactor, request, response] {
    const JobEntry* job = manager_.Find(request->id());
    if (job == nullptr) return reactor->Finish(rpc::ToGrpc(JobNotFound(request->id())));
    *response->mutable_job() = manager_.View(*job, /*with_failures=*/true);
    reactor->Finish(grpc::Status::OK);
  });
  return reactor;
}

grpc::ServerUnaryReactor* JobServiceImpl::ListJobs(grpc::CallbackServerContext* context,
                                                   const v1::ListJobsRequest* request,
                                                   v1::ListJobsResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  post_([this, reactor, request, response] {
    auto listed = manager_.List(*request);
    const absl::Status status = listed.status();
    if (listed.ok()) *response = *std::move(listed);
    reactor->Finish(rpc::ToGrpc(status));
  });
  return reactor;
}

grpc::ServerUnaryReactor* JobServiceImpl::CancelJob(grpc::CallbackServerContext* context,
                                                    const v1::CancelJobRequest* request,
                                                    v1::CancelJobResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  post_([this, reactor, request, response] {
    manager_.Cancel(request->id(), [reactor, response](absl::StatusOr<v1::Job> job) {
      const absl::Status status = job.status();
      if (job.ok()) *response->mutable_job() = *std::move(job);
      reactor->Finish(rpc::ToGrpc(status));
    });
  });
  return reactor;
}

grpc::ServerUnaryReactor* JobServiceImpl::ListTasks(grpc::CallbackServerContext* context,
                                                    const v1::ListTasksRequest* request,
                                                    v1::ListTasksResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  post_([this, reactor, request, response] {
    manager_.ListTasks(ServerNameOrDefault(request->server()),
                       [reactor, response](absl::StatusOr<v1::ListTasksResponse> tasks) {
                         const absl::Status status = tasks.status();
                         if (tasks.ok()) *response = *std::move(tasks);
                         reactor->Finish(rpc::ToGrpc(status));
                       });
  });
  return reactor;
}

}  // namespace center::coordinator
