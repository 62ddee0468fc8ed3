#include "cli/job_run.h"

#include <cstdlib>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "cli/job_views.h"
#include "services/common/rpc/status.h"
#include "services/common/status_macros.h"

namespace center::cli {
namespace {

// How often a job is looked at when nothing tells of its changes.
constexpr absl::Duration kJobPollInterval = absl::Milliseconds(200);

}  // namespace

absl::StatusOr<v1::Job> GetJob(Context& context, const std::string& id) {
  v1::GetJobRequest request;
  request.set_id(id);
  ASSIGN_OR_RETURN(auto answer,
                   context.Call<v1::JobService>(&v1::JobService::Stub::GetJob, request));
  return std::move(*answer.mutable_job());
}

JobRun::JobRun(Context& context, v1::JobSubmission submission, JobListener listener)
    : context_(context),
      submission_(std::move(submission)),
      listener_(std::move(listener)),
      reconnector_(context) {}

JobRun::~JobRun() {
  // An Interrupt after the end of Run may have begun a call, and its callback points here.
  cancelling_.call.TryCancel();
  WaitForCancel();
}

void JobRun::WaitForCancel() {
  const auto idle = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return !cancel_under_way_; };
  absl::MutexLock lock(&mutex_, absl::Condition(&idle));
}

void JobRun::SetCall(grpc::ClientContext* call) {
  absl::MutexLock lock(&mutex_);
  call_ = call;
  if (call != nullptr && reconnector_.stopped()) call->TryCancel();
}

void JobRun::CancelJob(const std::string& id) {
  cancelling_.request.set_id(id);
  // Run waits for the answer: a coordinator that hangs must not hold it for ever.
  Context::SetDeadline(cancelling_.call, context_.globals().timeout);
  stub_->async()->CancelJob(&cancelling_.call, &cancelling_.request, &cancelling_.response,
                            [this](const grpc::Status& status) {
                              absl::MutexLock lock(&mutex_);
                              // Whoever cannot be told so learns it from the end of the stream.
                              if (!status.ok() && call_ != nullptr) call_->TryCancel();
                              cancel_under_way_ = false;
                            });
}

void JobRun::Interrupt(int count) {
  if (count > 1) std::_Exit(kExitInterrupted);
  std::string id;
  {
    absl::MutexLock lock(&mutex_);
    reconnector_.Stop();
    id = id_;
    if (!id.empty()) {
      cancel_under_way_ = true;
    } else if (call_ != nullptr) {
      call_->TryCancel();  // a client that is lost before it has the id takes its job with it
    }
  }
  if (id.empty()) return;
  context_.Warn(absl::StrCat("\ncancelling job ", id, "; Ctrl-C again leaves at once"));
  CancelJob(id);
}

void JobRun::TakeJob(const v1::Job& job) {
  reconnector_.OnProgress();
  job_ = job;
  {
    absl::MutexLock lock(&mutex_);
    id_ = job.id();
  }
  listener_.on_job(job_);
}

absl::Status JobRun::TakeResults(const v1::ResultBatch& batch) {
  reconnector_.OnProgress();
  position_ = batch.next_position();
  return listener_.on_results(batch);
}

absl::Status JobRun::SendInputs(Stream& stream) {
  v1::SubmitJobRequest request;
  if (records_.has_value()) {
    *request.mutable_records() = std::move(*records_);
    stream.Write(request);
  }
  for (bool more = reader_ != nullptr; more;) {
    ASSIGN_OR_RETURN(more, reader_->Next(request.mutable_records()));
    // A stream that takes no more has ended: its reader learns why.
    if (more && !stream.Write(request)) return absl::OkStatus();
  }
  stream.WritesDone();
  return absl::OkStatus();
}

absl::Status JobRun::Receive(Stream& stream) {
  v1::SubmitJobResponse response;
  while (stream.Read(&response)) {
    if (response.has_job()) TakeJob(response.job());
    if (response.has_results()) RETURN_IF_ERROR(TakeResults(response.results()));
  }
  return absl::OkStatus();
}

absl::StatusOr<v1::Job> JobRun::Submit() {
  grpc::ClientContext call;
  SetCall(&call);
  const auto stream = stub_->SubmitJob(&call);
  const bool sends = reader_ != nullptr || records_.has_value();
  v1::SubmitJobRequest first;
  *first.mutable_submission() = submission_;
  stream->Write(first, sends ? grpc::WriteOptions() : grpc::WriteOptions().set_last_message());
  absl::Status sent;
  std::thread sender;
  if (sends) {
    sender = std::thread([&] {
      sent = SendInputs(*stream);
      // Half of the inputs are no job.
      if (!sent.ok()) call.TryCancel();
    });
  }
  taken_ = Receive(*stream);
  if (!taken_.ok()) call.TryCancel();
  if (reader_ != nullptr) reader_->Stop();
  if (sends) sender.join();
  const absl::Status status = rpc::FromGrpc(stream->Finish());
  SetCall(nullptr);
  RETURN_IF_ERROR(sent);
  RETURN_IF_ERROR(taken_);
  if (status.ok()) return job_;
  return GoOn(status);
}

absl::StatusOr<v1::Job> JobRun::GoOn(absl::Status status) {
  if (job_.id().empty()) {
    return reconnector_.stopped() ? QuietExit(kExitInterrupted)
                                  : FromRpc(std::move(status), context_.address());
  }
  if (!reconnector_.ShouldRetry(status)) {
    if (!reconnector_.stopped()) return FromRpc(std::move(status), context_.address());
    return QuietExit(kExitInterrupted);
  }
  if (!submission_.detach() && submission_.stream_results() &&
      !submission_.spec().discard_results()) {
    RETURN_IF_ERROR(FollowResults());
  }
  for (;;) {
    auto job = GetJob(context_, job_.id());
    if (job.ok()) {
      TakeJob(*job);
      if (HasEnded(*job) || submission_.detach()) return job;
      if (!reconnector_.Pause(kJobPollInterval)) return QuietExit(kExitInterrupted);
    } else if (ExitCodeOf(job.status()) != kExitNotRunning) {
      return job.status();
    } else if (!reconnector_.ShouldRetry(absl::UnavailableError(""))) {
      return QuietExit(kExitInterrupted);
    }
  }
}

absl::Status JobRun::FollowResults() {
  v1::StreamResultsRequest request;
  request.set_id(job_.id());
  request.set_ordered(submission_.spec().ordered());
  request.set_follow(true);
  for (;;) {
    request.set_position(position_);
    grpc::ClientContext call;
    SetCall(&call);
    const auto stream = stub_->StreamResults(&call, request);
    v1::StreamResultsResponse response;
    while (taken_.ok() && stream->Read(&response)) taken_ = TakeResults(response.results());
    if (!taken_.ok()) call.TryCancel();
    absl::Status status = rpc::FromGrpc(stream->Finish());
    SetCall(nullptr);
    RETURN_IF_ERROR(taken_);
    if (status.ok()) return status;
    if (!reconnector_.ShouldRetry(status)) {
      return reconnector_.stopped() ? QuietExit(kExitInterrupted)
                                    : FromRpc(status, context_.address());
    }
  }
}

absl::StatusOr<v1::Job> JobRun::Run() {
  ASSIGN_OR_RETURN(const auto channel, context_.Channel());
  stub_ = v1::JobService::NewStub(channel);
  auto job = Submit();
  WaitForCancel();
  return job;
}

}  // namespace center::cli
