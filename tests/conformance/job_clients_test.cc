// Jobs through foreign clients: grpcurl, which knows only what reflection tells it, and Python
// stubs made from the protos here and now.
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "center/v1/job.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/conformance/tools.h"
#include "tests/integration/fleet.h"

namespace center::conformance {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Of the line "abc": what sha256sum says.
constexpr char kSha256OfAbc[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

class JobClientsTest : public ::testing::Test {
 protected:
  JobClientsTest() : fleet_(WithTcp()), address_(TcpAddress(fleet_)) {
    v1::ServerSpec spec;
    spec.set_no_listen(true);
    const auto server = fleet_.StartServer("pool", spec);
    EXPECT_TRUE(server.ok()) << server.status();
  }
  itest::RunResult Grpcurl(const std::string& method, const std::string& request) {
    return itest::RunToEnd(CENTER_GRPCURL, {"-plaintext", "-format-error", "-d", request, address_,
                                            absl::StrCat("center.v1.JobService/", method)});
  }

  itest::Fleet fleet_;
  const std::string address_;
};

TEST_F(JobClientsTest, GrpcurlListsTasksSubmitsAJobAndGetsIt) {
  const itest::RunResult tasks = Grpcurl("ListTasks", "{\"server\": \"pool\"}");
  ASSERT_EQ(tasks.exit_code, 0) << tasks.err;
  v1::ListTasksResponse listed;
  FromJson(tasks.out, &listed);
  EXPECT_GE(listed.tasks_size(), 5);
  EXPECT_THAT(tasks.out, HasSubstr("\"sha256\""));

  const itest::RunResult submitted = Grpcurl(
      "SubmitJob",
      "{\"submission\": {\"spec\": {\"server\": \"pool\", \"task\": \"countdown\", \"ordered\": "
      "true, \"range\": {\"first\": \"3\", \"count\": \"2\"}}, \"stream_results\": true}}");
  ASSERT_EQ(submitted.exit_code, 0) << submitted.err;
  std::string results;
  v1::Job last;
  for (const auto& response : FromJsonObjects<v1::SubmitJobResponse>(submitted.out)) {
    results += response.results().results().data();
    if (response.has_job()) last = response.job();
  }
  EXPECT_EQ(results, "-3-4");
  EXPECT_EQ(last.state(), v1::JOB_STATE_SUCCEEDED);

  const itest::RunResult got = Grpcurl("GetJob", absl::StrCat("{\"id\": \"", last.id(), "\"}"));
  ASSERT_EQ(got.exit_code, 0) << got.err;
  v1::GetJobResponse job;
  FromJson(got.out, &job);
  EXPECT_EQ(job.job().inputs_succeeded(), 2u);
  EXPECT_EQ(Grpcurl("GetJob", "{\"id\": \"j999\"}").exit_code, 64 + 5);
}

TEST_F(JobClientsTest, APythonClientSubmitsRecordsAndReadsResultsAndFailures) {
  const itest::TempDir generated;
  std::vector<std::string> protoc = {"-I",
                                     CENTER_PROTO_DIR,
                                     absl::StrCat("--python_out=", generated.path()),
                                     absl::StrCat("--grpc_out=", generated.path()),
                                     "--plugin=protoc-gen-grpc=" CENTER_GRPC_PYTHON_PLUGIN,
                                     "center/v1/payload.proto",
                                     "center/v1/job.proto"};
  ASSERT_EQ(itest::RunToEnd(CENTER_PROTOC, protoc).exit_code, 0);
  const auto run = [&](std::vector<std::string> words) {
    words.insert(words.begin(), {CENTER_CONFORMANCE_DIR "/job_client.py", generated.path(),
                                 fleet_.address(), "pool"});
    const itest::RunResult result = itest::RunToEnd(
        CENTER_GRPC_PYTHON, words, "", absl::Seconds(60), {"PYTHONDONTWRITEBYTECODE=1"});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return std::vector<std::string>(absl::StrSplit(result.out, '\n', absl::SkipEmpty()));
  };
  EXPECT_THAT(run({"sha256", "abc"}),
              ElementsAre(absl::StrCat("{\"index\": 0, \"result\": \"", kSha256OfAbc, "\"}"),
                          HasSubstr("\"state\": \"JOB_STATE_SUCCEEDED\"")));
  EXPECT_THAT(run({"countdown", "5", "x", "7"}),
              ElementsAre("{\"index\": 0, \"result\": \"-5\"}",
                          HasSubstr("\"cause\": \"CAUSE_TASK_ERROR\""),
                          "{\"index\": 2, \"result\": \"-7\"}",
                          HasSubstr("\"state\": \"JOB_STATE_FAILED\"")));
}

}  // namespace
}  // namespace center::conformance
