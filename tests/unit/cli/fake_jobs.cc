#include "tests/unit/cli/fake_jobs.h"

#include <algorithm>
#include <limits>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "cli/records.h"
#include "services/common/rpc/status.h"

namespace center::cli {
namespace {

constexpr absl::Duration kJobCancelCheck = absl::Milliseconds(2);

grpc::Status NoSuchJob(const std::string& id) {
  return rpc::ToGrpc(
      rpc::WithReason(absl::NotFoundError(absl::StrCat("there is no job ", id)), "JOB_NOT_FOUND"));
}

}  // namespace

std::vector<v1::JobSubmission> FakeJobs::submissions() const {
  absl::MutexLock lock(&mutex_);
  return submissions_;
}

std::vector<v1::StreamResultsRequest> FakeJobs::result_requests() const {
  absl::MutexLock lock(&mutex_);
  return result_requests_;
}

std::vector<std::string> FakeJobs::inputs(const std::string& id) const {
  absl::MutexLock lock(&mutex_);
  const auto found = jobs_.find(id);
  return found == jobs_.end() ? std::vector<std::string>() : found->second.inputs;
}

size_t FakeJobs::largest_message() const {
  absl::MutexLock lock(&mutex_);
  return largest_message_;
}

size_t FakeJobs::given_up() const {
  absl::MutexLock lock(&mutex_);
  return given_up_;
}

v1::Job FakeJobs::job(const std::string& id) const {
  absl::MutexLock lock(&mutex_);
  const auto found = jobs_.find(id);
  return found == jobs_.end() ? v1::Job() : found->second.job;
}

void FakeJobs::Put(v1::Job job, std::vector<std::string> results) {
  absl::MutexLock lock(&mutex_);
  Entry& entry = jobs_[job.id()];
  entry.results.assign(results.begin(), results.end());
  entry.job = std::move(job);
}

void FakeJobs::Run(Entry* entry) {
  v1::Job& job = entry->job;
  job.set_inputs(entry->inputs.size());
  job.set_inputs_complete(true);
  job.set_workers(2);
  for (const std::string& input : entry->inputs) {
    entry->results.push_back(task(input));
    const auto& result = entry->results.back();
    if (result.ok()) {
      job.set_inputs_succeeded(job.inputs_succeeded() + 1);
      continue;
    }
    v1::InputFailure& failure = *job.add_failures();
    failure.set_index(entry->results.size() - 1);
    failure.set_cause(v1::InputFailure::CAUSE_TASK_ERROR);
    failure.set_message(std::string(result.status().message()));
    failure.set_input(input);
    failure.set_attempts(1);
    failure.set_worker("default/0");
    job.set_inputs_failed(job.inputs_failed() + 1);
  }
}

v1::ResultBatch FakeJobs::BatchAt(const Entry& entry, uint64_t position) {
  v1::ResultBatch batch;
  batch.set_first_index(position);
  RecordPacker packer(batch.mutable_results());
  const uint64_t end = std::min<uint64_t>(position + kInputsPerBatch, entry.results.size());
  for (uint64_t i = position; i < end; ++i) {
    packer.Add(entry.results[i].ok() ? *entry.results[i] : "");
  }
  for (const v1::InputFailure& failure : entry.job.failures()) {
    if (failure.index() >= position && failure.index() < end) *batch.add_failures() = failure;
  }
  batch.set_next_position(end);
  return batch;
}

void FakeJobs::TakeInputs(
    grpc::ServerReaderWriter<v1::SubmitJobResponse, v1::SubmitJobRequest>* stream, Entry* entry) {
  v1::SubmitJobRequest request;
  while (stream->Read(&request)) {
    absl::MutexLock lock(&mutex_);
    largest_message_ = std::max(largest_message_, request.ByteSizeLong());
    ForEachRecord(request.records(),
                  [&](uint64_t, absl::string_view input) { entry->inputs.emplace_back(input); });
  }
}

grpc::Status FakeJobs::SubmitJob(
    grpc::ServerContext* context,
    grpc::ServerReaderWriter<v1::SubmitJobResponse, v1::SubmitJobRequest>* stream) {
  v1::SubmitJobRequest first;
  if (!stream->Read(&first)) {
    absl::MutexLock lock(&mutex_);
    ++given_up_;
    return grpc::Status::CANCELLED;
  }
  const v1::JobSubmission& submission = first.submission();
  v1::SubmitJobResponse response;
  Entry* added = nullptr;
  {
    absl::MutexLock lock(&mutex_);
    submissions_.push_back(submission);
    const std::string id = absl::StrCat("j", jobs_.size() + 1);
    added = &jobs_[id];
    added->job.set_id(id);
    *added->job.mutable_spec() = submission.spec();
    added->job.set_state(v1::JOB_STATE_RUNNING);
    const v1::IntegerRange& range = submission.spec().range();
    for (uint64_t i = 0; i < range.count(); ++i) {
      added->inputs.push_back(absl::StrCat(range.first() + static_cast<int64_t>(i)));
    }
    *response.mutable_job() = added->job;
  }
  stream->Write(response);
  TakeInputs(stream, added);

  absl::MutexLock lock(&mutex_);
  Entry& entry = *added;
  const bool never = false;
  while (hangs && !context->IsCancelled() && entry.job.state() == v1::JOB_STATE_RUNNING) {
    mutex_.AwaitWithTimeout(absl::Condition(&never), kJobCancelCheck);
  }
  if (context->IsCancelled()) entry.job.set_state(v1::JOB_STATE_CANCELLED);
  if (entry.job.state() == v1::JOB_STATE_RUNNING) {
    Run(&entry);
    if (!submission.detach()) {
      entry.job.set_state(entry.job.inputs_failed() > 0 ? v1::JOB_STATE_FAILED
                                                        : v1::JOB_STATE_SUCCEEDED);
    }
  }
  size_t messages = std::numeric_limits<size_t>::max();
  if (!breaks.empty()) {
    messages = breaks.front();
    breaks.pop_front();
    *response.mutable_job() = entry.job;  // it is known that all inputs have arrived
    stream->Write(response);
  }
  for (uint64_t at = 0; submission.stream_results() && at < entry.results.size();
       at += kInputsPerBatch) {
    if (messages-- == 0) return {grpc::StatusCode::UNAVAILABLE, "the line is broken"};
    *response.mutable_results() = BatchAt(entry, at);
    stream->Write(response);
  }
  *response.mutable_job() = entry.job;
  stream->Write(response);
  return grpc::Status::OK;
}

grpc::Status FakeJobs::GetJob(grpc::ServerContext*, const v1::GetJobRequest* request,
                              v1::GetJobResponse* response) {
  absl::MutexLock lock(&mutex_);
  const auto found = jobs_.find(request->id());
  if (found == jobs_.end()) return NoSuchJob(request->id());
  *response->mutable_job() = found->second.job;
  return grpc::Status::OK;
}

grpc::Status FakeJobs::ListJobs(grpc::ServerContext*, const v1::ListJobsRequest* request,
                                v1::ListJobsResponse* response) {
  absl::MutexLock lock(&mutex_);
  size_t skip = 0;
  if (!request->page_token().empty() && !absl::SimpleAtoi(request->page_token(), &skip)) {
    return {grpc::StatusCode::INVALID_ARGUMENT, "page_token"};
  }
  // One a page.
  size_t at = 0;
  for (auto entry = jobs_.rbegin(); entry != jobs_.rend(); ++entry, ++at) {
    const v1::Job& job = entry->second.job;
    const auto& states = request->states();
    if (!states.empty() && std::find(states.begin(), states.end(), job.state()) == states.end()) {
      continue;
    }
    if (at < skip) continue;
    *response->add_jobs() = job;
    response->mutable_jobs(0)->clear_failures();
    response->set_next_page_token(at + 1 < jobs_.size() ? absl::StrCat(at + 1) : "");
    break;
  }
  return grpc::Status::OK;
}

grpc::Status FakeJobs::CancelJob(grpc::ServerContext*, const v1::CancelJobRequest* request,
                                 v1::CancelJobResponse* response) {
  absl::MutexLock lock(&mutex_);
  const auto found = jobs_.find(request->id());
  if (found == jobs_.end()) return NoSuchJob(request->id());
  v1::Job& job = found->second.job;
  if (job.state() != v1::JOB_STATE_RUNNING) {
    return rpc::ToGrpc(rpc::WithReason(absl::FailedPreconditionError("it has ended"), "JOB_ENDED"));
  }
  job.set_state(v1::JOB_STATE_CANCELLED);
  *response->mutable_job() = job;
  return grpc::Status::OK;
}

grpc::Status FakeJobs::StreamResults(grpc::ServerContext* context,
                                     const v1::StreamResultsRequest* request,
                                     grpc::ServerWriter<v1::StreamResultsResponse>* writer) {
  absl::MutexLock lock(&mutex_);
  result_requests_.push_back(*request);
  const auto found = jobs_.find(request->id());
  if (found == jobs_.end()) return NoSuchJob(request->id());
  Entry& entry = found->second;
  size_t messages = std::numeric_limits<size_t>::max();
  if (!breaks.empty()) {
    messages = breaks.front();
    breaks.pop_front();
  }
  v1::StreamResultsResponse response;
  for (uint64_t at = request->position(); at < entry.results.size(); at += kInputsPerBatch) {
    if (messages-- == 0) return {grpc::StatusCode::UNAVAILABLE, "the line is broken"};
    *response.mutable_results() = BatchAt(entry, at);
    writer->Write(response);
  }
  const bool never = false;
  while (request->follow() && entry.job.state() == v1::JOB_STATE_RUNNING) {
    if (context->IsCancelled()) return grpc::Status::CANCELLED;
    mutex_.AwaitWithTimeout(absl::Condition(&never), kJobCancelCheck);
  }
  return grpc::Status::OK;
}

grpc::Status FakeJobs::ListTasks(grpc::ServerContext*, const v1::ListTasksRequest* request,
                                 v1::ListTasksResponse* response) {
  if (request->server() == "nobody") {
    return rpc::ToGrpc(
        rpc::WithReason(absl::NotFoundError("there is no server nobody"), "SERVER_NOT_FOUND"));
  }
  for (const v1::TaskInfo& info : tasks) *response->add_tasks() = info;
  return grpc::Status::OK;
}

}  // namespace center::cli
