// A job from its submission to its end, while its client waits.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "center/v1/job.grpc.pb.h"
#include "cli/context.h"
#include "cli/record_reader.h"
#include "cli/retry.h"

namespace center::cli {

// Where the job's client stands; all are called on the thread that calls Run.
struct JobListener {
  std::function<void(const v1::Job&)> on_job = [](const v1::Job&) {};
  // What fails here ends the job.
  std::function<absl::Status(const v1::ResultBatch&)> on_results = [](const v1::ResultBatch&) {
    return absl::OkStatus();
  };
};

// SubmitJob, its inputs and its results. The first Ctrl-C cancels the job and lets it end, the
// second leaves at once. When the line breaks after all inputs have arrived, the rest of the
// results comes by StreamResults, nothing twice.
//
//   Submit ─job─▶ inputs ▶ results ─ended─▶ Job
//                            │ line broken          ▲
//                            └──▶ StreamResults ────┘
class JobRun {
 public:
  JobRun(Context& context, v1::JobSubmission submission, JobListener listener);
  // REQUIRES: nobody calls Interrupt any more.
  ~JobRun();
  JobRun(const JobRun&) = delete;
  JobRun& operator=(const JobRun&) = delete;

  // Sends the inputs of `reader` (null: the job needs none, or has `records`).
  void SetInputs(RecordReader* reader) { reader_ = reader; }
  void SetInputs(v1::Records records) { records_ = std::move(records); }

  // Returns the ended job; with `detach` the job when all its inputs have arrived. An error when
  // there is no such job, or how it ended cannot be known.
  absl::StatusOr<v1::Job> Run();
  // From any thread: Ctrl-C was pressed, for the `count`-th time.
  void Interrupt(int count) ABSL_LOCKS_EXCLUDED(mutex_);
  bool interrupted() const { return reconnector_.stopped(); }

 private:
  using Stream = grpc::ClientReaderWriter<v1::SubmitJobRequest, v1::SubmitJobResponse>;

  absl::StatusOr<v1::Job> Submit();
  absl::Status SendInputs(Stream& stream);
  absl::Status Receive(Stream& stream);
  // After the stream of the submission has broken with `status`.
  absl::StatusOr<v1::Job> GoOn(absl::Status status);
  absl::Status FollowResults();
  absl::Status TakeResults(const v1::ResultBatch& batch);
  void TakeJob(const v1::Job& job) ABSL_LOCKS_EXCLUDED(mutex_);
  // Which call Interrupt cancels; null: none.
  void SetCall(grpc::ClientContext* call) ABSL_LOCKS_EXCLUDED(mutex_);
  // Sends CancelJob without waiting for its answer.
  void CancelJob(const std::string& id) ABSL_LOCKS_EXCLUDED(mutex_);
  // Until the call that CancelJob has begun, if any, has ended.
  void WaitForCancel() ABSL_LOCKS_EXCLUDED(mutex_);

  struct Cancelling {
    grpc::ClientContext call;
    v1::CancelJobRequest request;
    v1::CancelJobResponse response;
  };

  Context& context_;
  const v1::JobSubmission submission_;
  const JobListener listener_;
  Reconnector reconnector_;
  RecordReader* reader_ = nullptr;
  absl::optional<v1::Records> records_;
  std::unique_ptr<v1::JobService::Stub> stub_;
  v1::Job job_;            // as it was last heard of
  uint64_t position_ = 0;  // of the results that were taken
  absl::Status taken_;     // what the listener said
  Cancelling cancelling_;

  absl::Mutex mutex_;
  std::string id_ ABSL_GUARDED_BY(mutex_);
  grpc::ClientContext* call_ ABSL_GUARDED_BY(mutex_) = nullptr;
  bool cancel_under_way_ ABSL_GUARDED_BY(mutex_) = false;
};

// What GetJob answers.
absl::StatusOr<v1::Job> GetJob(Context& context, const std::string& id);

}  // namespace center::cli
