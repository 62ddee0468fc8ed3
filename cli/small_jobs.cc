#include "cli/small_jobs.h"

#include <chrono>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "center/v1/job.grpc.pb.h"
#include "cli/records.h"
#include "services/common/rpc/status.h"
#include "services/common/status_macros.h"

namespace center::cli {
namespace {

// Jobs that have not ended. Not absl::BlockingCounter, whose order ThreadSanitizer cannot see in a
// library that is not instrumented.
class Pending {
 public:
  explicit Pending(uint64_t jobs) : left_(jobs) {}
  void OneLess() ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    --left_;
  }
  void WaitForNone() ABSL_LOCKS_EXCLUDED(mutex_) {
    const auto none = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return left_ == 0; };
    absl::MutexLock lock(&mutex_, absl::Condition(&none));
  }

 private:
  absl::Mutex mutex_;
  uint64_t left_ ABSL_GUARDED_BY(mutex_);
};

// One job; gRPC calls it. Lives until `done` was told of its end.
class SmallJob final : public grpc::ClientBidiReactor<v1::SubmitJobRequest, v1::SubmitJobResponse> {
 public:
  SmallJob(v1::JobService::Stub& stub, const SmallJobsOptions& options, SteadyTime start,
           Pending& done)
      : inputs_(options.inputs), start_(start), done_(done) {
    v1::JobSubmission& submission = *request_.mutable_submission();
    submission.mutable_spec()->set_server(options.server);
    submission.mutable_spec()->set_task("echo");
    submission.mutable_spec()->mutable_range()->set_count(options.inputs);
    submission.mutable_spec()->set_discard_results(true);
    submission.set_stream_results(true);
    Context::SetDeadline(call_, options.timeout);
    stub.async()->SubmitJob(&call_, this);
    StartWriteLast(&request_, grpc::WriteOptions());
    StartRead(&response_);
    StartCall();
  }

  void OnReadDone(bool ok) override {
    if (!ok) return;
    if (response_.has_job()) state_ = response_.job().state();
    if (response_.has_results()) results_ += RecordCount(response_.results().results());
    StartRead(&response_);
  }
  void OnDone(const grpc::Status& status) override {
    status_ = rpc::FromGrpc(status);
    nanos_ = std::chrono::nanoseconds(std::chrono::steady_clock::now() - start_).count();
    done_.OneLess();
  }

  // After `done`.
  absl::Status Result(const std::string& address) const {
    if (!status_.ok()) return FromRpc(status_, address);
    if (state_ == v1::JOB_STATE_SUCCEEDED && results_ == inputs_) return absl::OkStatus();
    return absl::DataLossError(absl::StrCat("a job ended as ", v1::JobState_Name(state_), " with ",
                                            results_, " of ", inputs_, " results"));
  }
  uint64_t nanos() const { return static_cast<uint64_t>(nanos_); }

 private:
  const uint64_t inputs_;
  const SteadyTime start_;
  Pending& done_;
  grpc::ClientContext call_;
  v1::SubmitJobRequest request_;
  v1::SubmitJobResponse response_;
  v1::JobState state_ = v1::JOB_STATE_UNSPECIFIED;
  uint64_t results_ = 0;
  absl::Status status_;
  int64_t nanos_ = 0;
};

}  // namespace

absl::StatusOr<std::vector<uint64_t>> RunSmallJobs(Context& context,
                                                   const SmallJobsOptions& options) {
  ASSIGN_OR_RETURN(const auto channel, context.Channel());
  const auto stub = v1::JobService::NewStub(channel);
  Pending done(options.jobs);
  std::vector<std::unique_ptr<SmallJob>> jobs;
  jobs.reserve(options.jobs);
  const SteadyTime start = std::chrono::steady_clock::now();
  for (uint64_t i = 0; i < options.jobs; ++i) {
    jobs.push_back(std::make_unique<SmallJob>(*stub, options, start, done));
  }
  done.WaitForNone();
  std::vector<uint64_t> nanos;
  for (const auto& job : jobs) {
    RETURN_IF_ERROR(job->Result(context.address()));
    nanos.push_back(job->nanos());
  }
  return nanos;
}

}  // namespace center::cli
