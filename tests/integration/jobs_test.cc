// Jobs on real workers that are killed, under a coordinator that is killed.
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "center/v1/job.grpc.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/rpc/status.h"
#include "tests/integration/fleet.h"
#include "tests/integration/process.h"
#include "tests/integration/producer.h"

namespace center::itest {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr absl::Duration kJobPatience = absl::Seconds(120);

// What a job has given, each input once.
struct Results {
  std::map<uint64_t, std::string> of;
  std::map<uint64_t, v1::InputFailure> failures;
  uint64_t position = 0;

  void Take(const v1::ResultBatch& batch) {
    const v1::Records& records = batch.results();
    const uint64_t count =
        records.sizes_size() > 0 ? static_cast<uint64_t>(records.sizes_size()) : records.count();
    uint64_t at = 0;
    for (uint64_t i = 0; i < count; ++i) {
      const uint32_t size =
          records.sizes_size() > 0 ? records.sizes(static_cast<int>(i)) : records.uniform_size();
      const bool is_new =
          of.emplace(batch.first_index() + i, records.data().substr(at, size)).second;
      EXPECT_TRUE(is_new) << "input " << batch.first_index() + i << " came twice";
      at += size;
    }
    for (const v1::InputFailure& failure : batch.failures()) failures[failure.index()] = failure;
    position = batch.next_position();
  }
};

class JobsTest : public ::testing::Test {
 protected:
  static v1::ServerSpec PoolSpec(uint32_t workers) {
    v1::ServerSpec spec = SmallSpec(workers);
    spec.mutable_cancel_grace()->set_nanos(300'000'000);
    spec.mutable_task_modules()->add_paths(absl::StrCat(CENTER_TASK_MODULES, "/libmisbehaving.so"));
    return spec;
  }
  void StartPool(uint32_t workers) {
    const auto started = fleet_.StartServer("pool", PoolSpec(workers));
    ASSERT_TRUE(started.ok()) << started.status();
    ASSERT_TRUE(fleet_.WaitReady("pool"));
  }
  std::unique_ptr<v1::JobService::Stub> Stub() { return v1::JobService::NewStub(fleet_.channel()); }
  static std::unique_ptr<grpc::ClientContext> Context() {
    auto context = std::make_unique<grpc::ClientContext>();
    context->set_deadline(absl::ToChronoTime(absl::Now() + kJobPatience));
    context->set_wait_for_ready(true);
    return context;
  }
  static v1::JobSubmission Submission(const std::string& task) {
    v1::JobSubmission submission;
    submission.mutable_spec()->set_server("pool");
    submission.mutable_spec()->set_task(task);
    submission.set_stream_results(true);
    return submission;
  }
  // Runs a job over these records to its end.
  v1::Job RunRecords(const v1::JobSubmission& submission, const std::vector<std::string>& records,
                     Results* results) {
    const auto stub = Stub();
    const auto context = Context();
    const auto stream = stub->SubmitJob(context.get());
    v1::SubmitJobRequest first;
    *first.mutable_submission() = submission;
    *first.mutable_submission()->mutable_spec()->mutable_records() = {};
    stream->Write(first);
    std::thread sender([&] {
      v1::SubmitJobRequest some;
      for (size_t i = 0; i < records.size(); ++i) {
        some.mutable_records()->add_sizes(static_cast<uint32_t>(records[i].size()));
        some.mutable_records()->mutable_data()->append(records[i]);
        if (i + 1 == records.size() || some.records().sizes_size() == 10'000) {
          stream->Write(some);
          some.Clear();
        }
      }
      stream->WritesDone();
    });
    v1::Job job;
    v1::SubmitJobResponse response;
    while (stream->Read(&response)) {
      if (response.has_job()) job = response.job();
      if (response.has_results()) results->Take(response.results());
    }
    sender.join();
    const grpc::Status status = stream->Finish();
    EXPECT_TRUE(status.ok()) << status.error_message();
    return job;
  }
  std::string SubmitDetached(v1::JobSubmission submission) {
    submission.set_detach(true);
    const auto stub = Stub();
    const auto context = Context();
    const auto stream = stub->SubmitJob(context.get());
    v1::SubmitJobRequest request;
    *request.mutable_submission() = submission;
    stream->Write(request);
    stream->WritesDone();
    v1::SubmitJobResponse response;
    std::string id;
    while (stream->Read(&response)) id = response.job().id();
    const grpc::Status status = stream->Finish();
    EXPECT_TRUE(status.ok()) << status.error_message();
    return id;
  }
  absl::StatusOr<v1::Job> GetJob(const std::string& id) {
    v1::GetJobRequest request;
    request.set_id(id);
    v1::GetJobResponse response;
    const auto context = Context();
    const grpc::Status status = Stub()->GetJob(context.get(), request, &response);
    if (!status.ok()) return rpc::FromGrpc(status);
    return response.job();
  }
  // Reads on from where `results` is; true when the job has ended and all is read.
  bool ReadOn(const std::string& id, bool ordered, Results* results) {
    const auto stub = Stub();
    const auto context = Context();
    v1::StreamResultsRequest request;
    request.set_id(id);
    request.set_ordered(ordered);
    request.set_follow(true);
    request.set_position(results->position);
    const auto stream = stub->StreamResults(context.get(), request);
    v1::StreamResultsResponse response;
    while (stream->Read(&response)) results->Take(response.results());
    return stream->Finish().ok();
  }

  Fleet fleet_;
};

TEST_F(JobsTest, EveryResultComesOnceWhoeverIsKilled) {
  StartPool(2);
  v1::JobSubmission submission = Submission("countdown");
  constexpr uint64_t kFirst = 300'000;
  constexpr uint64_t kCount = 20'000;
  submission.mutable_spec()->mutable_range()->set_first(kFirst);
  submission.mutable_spec()->mutable_range()->set_count(kCount);
  submission.mutable_spec()->set_retry_limit(1000);
  const std::string id = SubmitDetached(submission);

  Results as_completed;
  Results ordered;
  int kills = 0;
  for (int round = 0; round < 3; ++round) {
    // The coordinator's end ends these streams; the next ones go on where they were.
    std::thread first([&] { ReadOn(id, false, &as_completed); });
    std::thread second([&] { ReadOn(id, true, &ordered); });
    for (uint32_t slot = 0; slot < 2; ++slot) {
      const auto job = GetJob(id);
      ASSERT_TRUE(job.ok()) << job.status();
      const uint64_t before = job->inputs_succeeded();
      ASSERT_TRUE(WaitFor([&] {
        const auto now = GetJob(id);
        return now.ok() && (now->inputs_succeeded() > before + 500 || now->has_end_time());
      }));
      const pid_t victim = fleet_.WorkerPid("pool", slot);
      if (victim > 0 && KillProcess(victim)) ++kills;
      ASSERT_TRUE(fleet_.WaitReady("pool", victim));
    }
    fleet_.KillCoordinator();
    first.join();
    second.join();
    fleet_.Start();
  }
  EXPECT_TRUE(ReadOn(id, false, &as_completed));
  EXPECT_TRUE(ReadOn(id, true, &ordered));

  const auto job = GetJob(id);
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_EQ(job->state(), v1::JOB_STATE_SUCCEEDED) << job->DebugString();
  EXPECT_EQ(job->inputs_succeeded(), kCount);
  EXPECT_EQ(kills, 6);
  ASSERT_THAT(as_completed.of, SizeIs(kCount));
  for (uint64_t i = 0; i < kCount; ++i) {
    ASSERT_EQ(as_completed.of[i], absl::StrCat("-", kFirst + i));
  }
  EXPECT_EQ(ordered.of, as_completed.of);
}

TEST_F(JobsTest, ThreePoisonousInputsAmongAMillionAreTheOnlyOnesWithoutAResult) {
  StartPool(2);
  std::vector<std::string> records(1'000'000, "x");
  for (const size_t poison : {17u, 500'000u, 999'999u}) records[poison] = "crash";
  Results results;
  const v1::Job job = RunRecords(Submission("misbehave"), records, &results);
  EXPECT_EQ(job.state(), v1::JOB_STATE_FAILED);
  EXPECT_EQ(job.inputs_succeeded(), 999'997u);
  EXPECT_EQ(job.inputs_failed(), 3u);
  ASSERT_EQ(job.failures_size(), 3) << job.DebugString();
  EXPECT_EQ(job.failures(0).index(), 17u);
  EXPECT_EQ(job.failures(1).index(), 500'000u);
  EXPECT_EQ(job.failures(2).index(), 999'999u);
  for (const v1::InputFailure& failure : job.failures()) {
    EXPECT_EQ(failure.cause(), v1::InputFailure::CAUSE_WORKER_DIED);
    EXPECT_THAT(failure.message(), HasSubstr("SIGSEGV"));
    EXPECT_EQ(failure.input(), "crash");
    EXPECT_GE(failure.attempts(), 2u);
  }
  EXPECT_THAT(results.failures, SizeIs(3));
  EXPECT_THAT(results.of, SizeIs(1'000'000));
  EXPECT_EQ(fleet_.WaitEvent(v1::EVENT_TYPE_INPUT_QUARANTINED, "job/j1").ok(), true);
}

TEST_F(JobsTest, AnInputThatDoesNotEndFailsAloneAndItsWorkerIsReplaced) {
  StartPool(1);
  const pid_t before = fleet_.WorkerPid("pool", 0);
  v1::JobSubmission submission = Submission("misbehave");
  submission.mutable_spec()->mutable_input_timeout()->set_nanos(200'000'000);
  std::vector<std::string> records(1000, "x");
  records[500] = "loop";
  records[600] = "poll";
  Results results;
  const v1::Job job = RunRecords(submission, records, &results);
  EXPECT_EQ(job.inputs_succeeded(), 998u) << job.DebugString();
  ASSERT_EQ(job.failures_size(), 2);
  for (const v1::InputFailure& failure : job.failures()) {
    EXPECT_EQ(failure.cause(), v1::InputFailure::CAUSE_TIMEOUT) << failure.DebugString();
  }
  EXPECT_EQ(job.failures(0).index(), 500u);
  ASSERT_TRUE(fleet_.WaitReady("pool", before));
  const auto server = fleet_.GetServer("pool");
  ASSERT_TRUE(server.ok());
  EXPECT_EQ(server->workers(0).last_exit().cause(), v1::DEATH_CAUSE_TASK_TIMEOUT);
  EXPECT_THAT(server->workers(0).last_exit().reason(), HasSubstr("job j1"));
}

TEST_F(JobsTest, ACancelledTaskThatGoesOnIsEndedWithItsWorker) {
  StartPool(1);
  const pid_t before = fleet_.WorkerPid("pool", 0);
  v1::JobSubmission submission = Submission("misbehave");
  const auto stub = Stub();
  const auto context = Context();
  const auto stream = stub->SubmitJob(context.get());
  v1::SubmitJobRequest request;
  *request.mutable_submission() = submission;
  *request.mutable_submission()->mutable_spec()->mutable_records() = {};
  stream->Write(request);
  request.mutable_records()->add_sizes(4);
  request.mutable_records()->set_data("loop");
  stream->Write(request);
  v1::SubmitJobResponse response;
  ASSERT_TRUE(stream->Read(&response));
  // Running, and not only sent: what waits in the worker is given up without harm to it.
  ASSERT_TRUE(WaitFor([&] {
    const auto server = fleet_.GetServer("pool");
    if (!server.ok()) return false;
    const google::protobuf::Duration& time = server->workers(0).stats().task_time();
    return time.seconds() > 0 || time.nanos() > 0;
  }));
  v1::CancelJobRequest cancel;
  cancel.set_id("j1");
  v1::CancelJobResponse cancelled;
  const auto cancel_context = Context();
  const grpc::Status status = stub->CancelJob(cancel_context.get(), cancel, &cancelled);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(cancelled.job().state(), v1::JOB_STATE_CANCELLED);
  EXPECT_EQ(cancelled.job().inputs_running(), 0u);
  EXPECT_TRUE(fleet_.WaitReady("pool", before));
  Results results;
  const v1::Job next = RunRecords(submission, {"a", "b"}, &results);
  EXPECT_EQ(next.state(), v1::JOB_STATE_SUCCEEDED);
}

TEST_F(JobsTest, AJobRunsOverWhatWasReceived) {
  StartPool(2);
  v1::ServerSpec spec = SmallSpec(2);
  const uint16_t port = fleet_.MustStart("in", spec);
  std::string lines;
  for (int i = 0; i < 20'000; ++i) absl::StrAppend(&lines, "line ", i, "\n");
  for (int i = 0; i < 4; ++i) {
    Producer producer(port);
    ASSERT_TRUE(producer.Send(lines));
    producer.Finish();
  }
  ASSERT_TRUE(fleet_.WaitStored("in", 80'000));
  v1::JobSubmission submission = Submission("echo");
  submission.mutable_spec()->mutable_payloads()->set_server("in");
  const std::string id = SubmitDetached(submission);
  Results results;
  ASSERT_TRUE(ReadOn(id, /*ordered=*/true, &results));
  ASSERT_THAT(results.of, SizeIs(80'000));
  std::map<std::string, int> seen;
  for (const auto& [index, text] : results.of) ++seen[text];
  EXPECT_THAT(seen, SizeIs(20'000));
  EXPECT_EQ(seen["line 4711"], 4);

  submission.mutable_spec()->mutable_payloads()->mutable_filter()->set_contains("line 777");
  submission.mutable_spec()->mutable_payloads()->set_limit(10);
  const std::string filtered = SubmitDetached(submission);
  Results few;
  ASSERT_TRUE(ReadOn(filtered, true, &few));
  ASSERT_THAT(few.of, SizeIs(10));
  EXPECT_THAT(few.of[0], HasSubstr("line 777"));
}

}  // namespace
}  // namespace center::itest
