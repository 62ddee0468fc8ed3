// Jobs across coordinators, with limits that are small.
#include "tests/unit/coordinator_api/job_fixture.h"

namespace center::coordinator {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

class JobRestartTest : public JobServiceTest {
 protected:
  // The coordinator ends and another one starts on the same data; the server is started again.
  void Restart() {
    peer_.reset();
    StopNow();
    Up(/*start_server=*/false);
  }
  std::string SubmitDetached(v1::JobSubmission submission) {
    submission.set_detach(true);
    Submitter client(*jobs_, submission);
    EXPECT_TRUE(client.End().ok());
    return client.job.id();
  }
  bool Ends(const std::string& id, v1::JobState state) {
    return Eventually([&] { return GetJob(id).state() == state; });
  }
  std::map<uint64_t, std::string> ResultsOf(const std::string& id) {
    Submitter into(*jobs_, Range(1));
    v1::StreamResultsRequest request;
    request.set_id(id);
    request.set_follow(true);
    EXPECT_TRUE(ReadResults(request, &into).ok());
    return into.results;
  }
};

TEST_F(JobRestartTest, AnEndedJobAndItsResultsStay) {
  Submitter client(*jobs_, Range(1000, "fail"));
  ASSERT_TRUE(client.End().ok());
  const v1::Job before = client.job;
  Restart();
  const v1::Job after = GetJob("j1");
  EXPECT_EQ(after.DebugString(), before.DebugString());
  EXPECT_THAT(ResultsOf("j1"), SizeIs(1000));
  EXPECT_EQ(SubmitDetached(Range(1)), "j3");  // ids are not used again
}

TEST_F(JobRestartTest, ADetachedJobGoesOnWhereItWas) {
  int chunks = 0;
  compute_->SetGate([&](const v1::RunChunk&) {
    if (++chunks == 6) compute_->HoldLocked("echo");
    return true;
  });
  const std::string id = SubmitDetached(Range(10'000));
  ASSERT_TRUE(Eventually([&] { return GetJob(id).inputs_succeeded() > 10; }));
  const uint64_t before = compute_->inputs_run();
  peer_.reset();
  StopNow();
  compute_->Release();
  Up(/*start_server=*/false);
  EXPECT_TRUE(Ends(id, v1::JOB_STATE_SUCCEEDED)) << GetJob(id).DebugString();
  // What was finished was not run again.
  EXPECT_EQ(compute_->inputs_run(), 10'000u) << before;
  const auto results = ResultsOf(id);
  ASSERT_THAT(results, SizeIs(10'000));
  EXPECT_EQ(results.at(9'999), "9999");
}

TEST_F(JobRestartTest, StoredInputsAreGivenToTheWorkersAfterARestart) {
  compute_->Hold("echo");
  v1::JobSubmission submission = Records();
  submission.set_detach(true);
  Submitter client(*jobs_, submission);
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(client.Send({absl::StrCat("a", i), "", "c"}));
  client.CloseInputs();
  ASSERT_TRUE(client.End().ok());
  EXPECT_TRUE(client.job.inputs_complete());
  EXPECT_EQ(client.job.inputs(), 150u);
  peer_.reset();
  StopNow();
  compute_->Release();
  Up(/*start_server=*/false);
  EXPECT_TRUE(Ends(client.job.id(), v1::JOB_STATE_SUCCEEDED));
  const auto results = ResultsOf(client.job.id());
  ASSERT_THAT(results, SizeIs(150));
  EXPECT_EQ(results.at(147), "a49");
  EXPECT_EQ(results.at(149), "c");
}

TEST_F(JobRestartTest, AnAttachedJobWaitsForItsClientToComeBack) {
  compute_->Hold("echo");
  v1::JobSubmission submission = Range(1000);
  submission.set_request_id("mine");
  Submitter first(*jobs_, submission);
  ASSERT_TRUE(first.Read());
  peer_.reset();
  StopNow();
  EXPECT_EQ(rpc::ReasonOf(first.End()), "COORDINATOR_STOPPING");
  compute_->Release();
  Up(/*start_server=*/false);
  Submitter second(*jobs_, submission);
  ASSERT_TRUE(second.End().ok());
  EXPECT_EQ(second.job.id(), first.job.id());
  EXPECT_EQ(second.job.state(), v1::JOB_STATE_SUCCEEDED);
  EXPECT_THAT(second.results, SizeIs(1000));
}

TEST_F(JobRestartTest, AnAttachedJobWhoseClientStaysAwayIsCancelled) {
  options_.jobs.reattach_timeout = std::chrono::milliseconds(50);
  compute_->Hold("echo");
  Submitter client(*jobs_, Range(1000));
  ASSERT_TRUE(client.Read());
  Restart();
  EXPECT_TRUE(Ends("j1", v1::JOB_STATE_CANCELLED));
  EXPECT_THAT(GetJob("j1").detail(), HasSubstr("has not come back"));
}

TEST_F(JobRestartTest, AJobWhoseInputsHadNotAllArrivedIsCancelled) {
  v1::JobSubmission submission = Records();
  submission.set_detach(true);
  Submitter client(*jobs_, submission);
  ASSERT_TRUE(client.Read());
  ASSERT_TRUE(client.Send({"a", "b"}));
  ASSERT_TRUE(Eventually([&] { return GetJob("j1").inputs_succeeded() == 2; }));
  Restart();
  EXPECT_TRUE(Ends("j1", v1::JOB_STATE_CANCELLED));
  EXPECT_THAT(GetJob("j1").detail(), HasSubstr("before all inputs had arrived"));
  EXPECT_EQ(GetJob("j1").inputs(), 2u);
  EXPECT_THAT(ResultsOf("j1"), SizeIs(2));
}

TEST_F(JobRestartTest, MoreJobsThanTheLimitAreRefused) {
  options_.jobs.active_max = 2;
  Restart();
  compute_->Hold("echo");
  SubmitDetached(Range(1));
  SubmitDetached(Range(1));
  EXPECT_EQ(rpc::ReasonOf(Submitter(*jobs_, Range(1)).End()), "JOB_LIMIT");
}

TEST_F(JobRestartTest, TheOldestEndedJobsMakeRoom) {
  options_.jobs.ended_max = 3;
  Restart();
  for (int i = 0; i < 6; ++i) ASSERT_TRUE(Submitter(*jobs_, Range(1)).End().ok());
  EXPECT_TRUE(Eventually([&] { return (GetJob("j3"), !last_.ok()); }));
  GetJob("j6");
  EXPECT_TRUE(last_.ok());
}

TEST_F(JobRestartTest, ExpiredResultsAreDeleted) {
  v1::JobSubmission submission = Range(10);
  submission.mutable_spec()->mutable_result_ttl()->set_nanos(1'000'000);
  ASSERT_TRUE(Submitter(*jobs_, submission).End().ok());
  EXPECT_TRUE(Eventually([&] { return (GetJob("j1"), !last_.ok()); }));
  EXPECT_EQ(rpc::ReasonOf(rpc::FromGrpc(last_)), "JOB_NOT_FOUND");
}

TEST_F(JobRestartTest, AJobEndsWhenTheStoreIsFullAndOthersAreRefused) {
  options_.jobs.store_bytes = 100'000;
  Restart();
  Submitter client(*jobs_, Range(1'000'000));
  ASSERT_TRUE(client.End().ok());
  EXPECT_EQ(client.job.state(), v1::JOB_STATE_FAILED);
  EXPECT_THAT(client.job.detail(), HasSubstr("--job-store-bytes"));
  EXPECT_EQ(client.results.size(), client.job.inputs_succeeded());
  EXPECT_EQ(rpc::ReasonOf(Submitter(*jobs_, Range(1)).End()), "JOB_STORE_FULL");
  v1::JobSubmission discards = Range(1000);
  discards.mutable_spec()->set_discard_results(true);
  EXPECT_TRUE(Submitter(*jobs_, discards).End().ok());
}

TEST_F(JobRestartTest, AClientWhoReadsNothingStopsItsJobInBounds) {
  v1::JobSubmission submission = Range(1ull << 40);
  submission.mutable_spec()->set_discard_results(true);
  Submitter client(*jobs_, submission);
  ASSERT_TRUE(client.Read());
  // It stands still when the limits are reached, long before the end.
  uint64_t before = 0;
  ASSERT_TRUE(Eventually([&] {
    const uint64_t now = GetJob("j1").inputs_succeeded();
    const bool stands = now > 0 && now == before && GetJob("j1").inputs_running() == 0;
    before = now;
    return stands;
  }));
  EXPECT_LT(before * 8, 64u << 20);
  EXPECT_TRUE(
      Eventually([&] { return client.Read() && GetJob("j1").inputs_succeeded() > before; }));
}

}  // namespace
}  // namespace center::coordinator
