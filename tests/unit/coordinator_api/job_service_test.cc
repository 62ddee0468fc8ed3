// JobService against a worker in this process.
#include "tests/unit/coordinator_api/job_fixture.h"

namespace center::coordinator {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

TEST_F(JobServiceTest, AJobOverARangeGivesEveryResult) {
  Submitter client(*jobs_, Range(1000));
  EXPECT_TRUE(client.Read());
  EXPECT_EQ(client.job.id(), "j1");
  // It may have ended before its client is told of it.
  EXPECT_THAT(client.job.state(), testing::AnyOf(v1::JOB_STATE_RUNNING, v1::JOB_STATE_SUCCEEDED));
  EXPECT_EQ(client.job.inputs(), 1000u);
  ASSERT_TRUE(client.End().ok());
  EXPECT_EQ(client.job.state(), v1::JOB_STATE_SUCCEEDED);
  EXPECT_EQ(client.job.inputs_succeeded(), 1000u);
  EXPECT_EQ(client.job.workers(), 1u);
  ASSERT_THAT(client.results, SizeIs(1000));
  EXPECT_EQ(client.results[999], "999");
  EXPECT_EQ(GetJob("j1").state(), v1::JOB_STATE_SUCCEEDED);
  EXPECT_TRUE(GetJob("j1").has_expire_time());
}

TEST_F(JobServiceTest, AJobOverRecordsGivesEveryResultInOrder) {
  v1::JobSubmission submission = Records();
  submission.mutable_spec()->set_ordered(true);
  Submitter client(*jobs_, submission);
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(client.Send({absl::StrCat("r", i), ""}));
  client.CloseInputs();
  ASSERT_TRUE(client.End().ok());
  EXPECT_EQ(client.job.state(), v1::JOB_STATE_SUCCEEDED);
  ASSERT_THAT(client.results, SizeIs(200));
  EXPECT_EQ(client.results[198], "r99");
  EXPECT_EQ(client.results[199], "");
  EXPECT_TRUE(std::is_sorted(client.order.begin(), client.order.end()));
}

TEST_F(JobServiceTest, FailedInputsAreReported) {
  Submitter client(*jobs_, Range(10, "fail"));
  ASSERT_TRUE(client.End().ok());
  EXPECT_EQ(client.job.state(), v1::JOB_STATE_FAILED);
  EXPECT_EQ(client.job.inputs_failed(), 10u);
  ASSERT_EQ(client.job.failures_size(), 10);
  EXPECT_EQ(client.job.failures(3).message(), "no 3");
  ASSERT_THAT(client.failures, SizeIs(10));
  EXPECT_EQ(client.failures[7].cause(), v1::InputFailure::CAUSE_TASK_ERROR);
  EXPECT_EQ(client.failures[7].input(), "7");
  EXPECT_EQ(client.failures[7].worker(), "s/0");
  EXPECT_EQ(client.failures[7].attempts(), 1u);
}

TEST_F(JobServiceTest, AMalformedSubmissionIsRefusedWithEveryWrongField) {
  v1::JobSubmission submission = Range(1);
  submission.mutable_spec()->set_task("");
  submission.mutable_spec()->set_priority(1000);
  submission.mutable_spec()->clear_source();
  Submitter client(*jobs_, submission);
  const absl::Status status = client.End();
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("spec.task"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("spec.priority"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("range, records and payloads"));
}

TEST_F(JobServiceTest, UnknownServersAndTasksAreNotFound) {
  v1::JobSubmission submission = Range(1);
  submission.mutable_spec()->set_server("nobody");
  EXPECT_EQ(rpc::ReasonOf(Submitter(*jobs_, submission).End()), "SERVER_NOT_FOUND");
  EXPECT_EQ(rpc::ReasonOf(Submitter(*jobs_, Range(1, "nothing")).End()), "TASK_NOT_FOUND");
  GetJob("j9");
  EXPECT_EQ(rpc::ReasonOf(rpc::FromGrpc(last_)), "JOB_NOT_FOUND");
}

TEST_F(JobServiceTest, ADetachedJobGoesOnWithoutItsClient) {
  v1::JobSubmission submission = Range(1000);
  submission.set_detach(true);
  Submitter client(*jobs_, submission);
  ASSERT_TRUE(client.End().ok());
  EXPECT_EQ(client.jobs_seen, 1);
  EXPECT_TRUE(Eventually([&] { return GetJob("j1").state() == v1::JOB_STATE_SUCCEEDED; }));
  v1::StreamResultsRequest request;
  request.set_id("j1");
  ASSERT_TRUE(ReadResults(request, &client).ok());
  EXPECT_THAT(client.results, SizeIs(1000));
}

TEST_F(JobServiceTest, AClientThatVanishesCancelsItsJob) {
  compute_->Hold("echo");
  Submitter client(*jobs_, Range(1000));
  ASSERT_TRUE(client.Read());
  client.Vanish();
  EXPECT_TRUE(Eventually([&] { return GetJob("j1").state() == v1::JOB_STATE_CANCELLED; }));
  EXPECT_THAT(GetJob("j1").detail(), HasSubstr("client was lost"));
}

TEST_F(JobServiceTest, ADetachedJobWhoseInputsDidNotAllArriveIsCancelled) {
  v1::JobSubmission submission = Records();
  submission.set_detach(true);
  Submitter client(*jobs_, submission);
  ASSERT_TRUE(client.Read());
  ASSERT_TRUE(client.Send({"a", "b"}));
  client.Vanish();
  EXPECT_TRUE(Eventually([&] { return GetJob("j1").state() == v1::JOB_STATE_CANCELLED; }));
  EXPECT_FALSE(GetJob("j1").inputs_complete());
}

TEST_F(JobServiceTest, ACancelledJobAnswersWhenNothingOfItRuns) {
  compute_->Hold("echo");
  v1::JobSubmission submission = Range(1000);
  submission.set_detach(true);
  ASSERT_TRUE(Submitter(*jobs_, submission).End().ok());
  grpc::ClientContext context;
  SetPatience(context);
  v1::CancelJobRequest request;
  request.set_id("j1");
  v1::CancelJobResponse response;
  const grpc::Status status = jobs_->CancelJob(&context, request, &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(response.job().state(), v1::JOB_STATE_CANCELLED);
  EXPECT_EQ(response.job().inputs_running(), 0u);
  EXPECT_EQ(response.job().inputs_failed(), 1000u);
}

TEST_F(JobServiceTest, ARepeatedSubmissionGetsTheSameJobAndItsResults) {
  v1::JobSubmission submission = Records();
  submission.set_request_id("once");
  Submitter first(*jobs_, submission);
  ASSERT_TRUE(first.Send({"a", "b"}));
  first.CloseInputs();
  ASSERT_TRUE(first.End().ok());
  Submitter second(*jobs_, submission);
  ASSERT_TRUE(second.Send({"a", "b"}));
  second.CloseInputs();
  ASSERT_TRUE(second.End().ok());
  EXPECT_EQ(second.job.id(), first.job.id());
  EXPECT_EQ(second.results, first.results);
  submission.mutable_spec()->set_task("fail");
  EXPECT_TRUE(absl::IsInvalidArgument(Submitter(*jobs_, submission).End()));
}

TEST_F(JobServiceTest, ResultsAreReadAgainFromAnyPlaceInEitherOrder) {
  v1::JobSubmission submission = Range(5000);
  Submitter client(*jobs_, submission);
  ASSERT_TRUE(client.End().ok());
  for (const bool ordered : {false, true}) {
    v1::StreamResultsRequest request;
    request.set_id("j1");
    request.set_ordered(ordered);
    grpc::ClientContext context;
    SetPatience(context);
    auto reader = jobs_->StreamResults(&context, request);
    Submitter into(*jobs_, Range(1));
    v1::StreamResultsResponse response;
    for (int i = 0; i < 3 && reader->Read(&response); ++i) into.Take(response.results());
    context.TryCancel();
    request.set_position(into.position);
    ASSERT_TRUE(ReadResults(request, &into).ok());
    EXPECT_EQ(into.results, client.results);
    request.set_ordered(!ordered);
    EXPECT_TRUE(absl::IsInvalidArgument(ReadResults(request, &into)));
    request.set_ordered(ordered);
    request.set_position(into.position + 4);
    EXPECT_TRUE(absl::IsInvalidArgument(ReadResults(request, &into)) || ordered);
  }
}

TEST_F(JobServiceTest, AReaderFollowsAJobToItsEnd) {
  compute_->Hold("echo");
  v1::JobSubmission submission = Records();
  Submitter client(*jobs_, submission);
  ASSERT_TRUE(client.Read());
  Submitter reader(*jobs_, Range(1, "fail"));
  std::thread reading([&] {
    v1::StreamResultsRequest request;
    request.set_id("j1");
    request.set_follow(true);
    EXPECT_TRUE(ReadResults(request, &reader).ok());
  });
  compute_->Release();
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(client.Send({"x"}));
  client.CloseInputs();
  ASSERT_TRUE(client.End().ok());
  reading.join();
  EXPECT_THAT(reader.results, SizeIs(100));
}

TEST_F(JobServiceTest, DiscardedResultsAreStreamedAndGone) {
  v1::JobSubmission submission = Range(5000);
  submission.mutable_spec()->set_discard_results(true);
  Submitter client(*jobs_, submission);
  ASSERT_TRUE(client.End().ok());
  EXPECT_THAT(client.results, SizeIs(5000));
  EXPECT_EQ(GetJob("j1").result_bytes(), 0u);
  v1::StreamResultsRequest request;
  request.set_id("j1");
  EXPECT_EQ(rpc::ReasonOf(ReadResults(request, &client)), "RESULTS_EXPIRED");
}

TEST_F(JobServiceTest, ALineThatBreaksCostsTimeOnly) {
  int chunks = 0;
  compute_->SetGate([&chunks](const v1::RunChunk&) { return ++chunks != 5; });
  Submitter client(*jobs_, Range(2000));
  ASSERT_TRUE(client.End().ok());
  EXPECT_EQ(client.job.state(), v1::JOB_STATE_SUCCEEDED);
  EXPECT_THAT(client.results, SizeIs(2000));
  EXPECT_GE(client.job.retries(), 1u);
}

TEST_F(JobServiceTest, JobsAreListedNewestFirst) {
  for (int i = 0; i < 5; ++i) {
    v1::JobSubmission submission = Range(1);
    (*submission.mutable_spec()->mutable_labels())["n"] = absl::StrCat(i % 2);
    ASSERT_TRUE(Submitter(*jobs_, submission).End().ok());
  }
  const auto list = [&](const v1::ListJobsRequest& request) {
    grpc::ClientContext context;
    SetPatience(context);
    v1::ListJobsResponse response;
    last_ = jobs_->ListJobs(&context, request, &response);
    return response;
  };
  v1::ListJobsRequest request;
  request.set_page_size(2);
  v1::ListJobsResponse page = list(request);
  ASSERT_EQ(page.jobs_size(), 2);
  EXPECT_EQ(page.jobs(0).id(), "j5");
  request.set_page_token(page.next_page_token());
  page = list(request);
  EXPECT_EQ(page.jobs(0).id(), "j3");
  request.Clear();
  (*request.mutable_labels())["n"] = "1";
  EXPECT_EQ(list(request).jobs_size(), 2);
  request.Clear();
  request.add_states(v1::JOB_STATE_RUNNING);
  EXPECT_EQ(list(request).jobs_size(), 0);
  request.Clear();
  request.set_page_token("7");
  EXPECT_EQ((list(request), last_.error_code()), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(JobServiceTest, TasksAreListed) {
  const auto list = [&](const std::string& server) {
    grpc::ClientContext context;
    SetPatience(context);
    v1::ListTasksRequest request;
    request.set_server(server);
    v1::ListTasksResponse response;
    last_ = jobs_->ListTasks(&context, request, &response);
    return response;
  };
  EXPECT_TRUE(Eventually([&] { return list("s").tasks_size() == 2; }));
  list("nobody");
  EXPECT_EQ(rpc::ReasonOf(rpc::FromGrpc(last_)), "SERVER_NOT_FOUND");
}

TEST_F(JobServiceTest, AThousandSmallJobsAtOnceAllEnd) {
  std::vector<std::unique_ptr<Submitter>> clients;
  for (int i = 0; i < 1000; ++i) clients.push_back(std::make_unique<Submitter>(*jobs_, Range(3)));
  for (const auto& client : clients) {
    ASSERT_TRUE(client->End().ok());
    EXPECT_THAT(client->results, SizeIs(3));
  }
}

}  // namespace
}  // namespace center::coordinator
