// A JobService in memory: its tasks are functions, its line can break.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/optional.h"
#include "center/v1/job.grpc.pb.h"
#include "grpcpp/grpcpp.h"

namespace center::cli {

// Runs a job when all its inputs have arrived, and sends its results in batches of a few. An error
// of the task fails the input. Thread-safe; set it up before the calls.
class FakeJobs final : public v1::JobService::Service {
 public:
  static constexpr uint64_t kInputsPerBatch = 4;

  std::function<absl::StatusOr<std::string>(const std::string& input)> task =
      [](const std::string& input) { return input; };
  // Of the next submissions: their lines break after so many messages of results.
  std::deque<size_t> breaks;
  // A job does not end before it is cancelled.
  bool hangs = false;
  std::vector<v1::TaskInfo> tasks;

  std::vector<v1::JobSubmission> submissions() const ABSL_LOCKS_EXCLUDED(mutex_);
  std::vector<v1::StreamResultsRequest> result_requests() const ABSL_LOCKS_EXCLUDED(mutex_);
  std::vector<std::string> inputs(const std::string& id) const ABSL_LOCKS_EXCLUDED(mutex_);
  // The largest message of inputs that came.
  size_t largest_message() const ABSL_LOCKS_EXCLUDED(mutex_);
  // Calls that ended before their submission was read.
  size_t given_up() const ABSL_LOCKS_EXCLUDED(mutex_);
  v1::Job job(const std::string& id) const ABSL_LOCKS_EXCLUDED(mutex_);
  // A job that was there before.
  void Put(v1::Job job, std::vector<std::string> results = {}) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Entry {
    v1::Job job;
    std::vector<std::string> inputs;
    std::vector<absl::StatusOr<std::string>> results;
  };

  grpc::Status SubmitJob(
      grpc::ServerContext* context,
      grpc::ServerReaderWriter<v1::SubmitJobResponse, v1::SubmitJobRequest>* stream) override;
  grpc::Status GetJob(grpc::ServerContext* context, const v1::GetJobRequest* request,
                      v1::GetJobResponse* response) override;
  grpc::Status ListJobs(grpc::ServerContext* context, const v1::ListJobsRequest* request,
                        v1::ListJobsResponse* response) override;
  grpc::Status CancelJob(grpc::ServerContext* context, const v1::CancelJobRequest* request,
                         v1::CancelJobResponse* response) override;
  grpc::Status StreamResults(grpc::ServerContext* context, const v1::StreamResultsRequest* request,
                             grpc::ServerWriter<v1::StreamResultsResponse>* writer) override;
  grpc::Status ListTasks(grpc::ServerContext* context, const v1::ListTasksRequest* request,
                         v1::ListTasksResponse* response) override;

  // Reads what the client sends until its end.
  void TakeInputs(grpc::ServerReaderWriter<v1::SubmitJobResponse, v1::SubmitJobRequest>* stream,
                  Entry* entry) ABSL_LOCKS_EXCLUDED(mutex_);
  void Run(Entry* entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  static v1::ResultBatch BatchAt(const Entry& entry, uint64_t position);

  mutable absl::Mutex mutex_;
  std::map<std::string, Entry> jobs_ ABSL_GUARDED_BY(mutex_);
  std::vector<v1::JobSubmission> submissions_ ABSL_GUARDED_BY(mutex_);
  std::vector<v1::StreamResultsRequest> result_requests_ ABSL_GUARDED_BY(mutex_);
  size_t largest_message_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t given_up_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace center::cli
