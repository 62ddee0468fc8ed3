// `job list|get|cancel|tasks`.
#include "tests/unit/cli/fake_coordinator.h"
#include "tests/unit/cli/testing.h"

namespace center::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class JobTest : public CliTest {
 protected:
  JobTest() : coordinator_(dir_.path()) {
    clock_.Set(int64_t{1'700'000'100} * 1'000'000'000);
    v1::Job job;
    job.set_id("j1");
    job.mutable_spec()->set_task("sha256");
    job.mutable_spec()->set_server("default");
    (*job.mutable_spec()->mutable_labels())["team"] = "ops";
    job.set_state(v1::JOB_STATE_RUNNING);
    job.set_inputs(1'000);
    job.set_inputs_complete(true);
    job.set_inputs_succeeded(520);
    job.set_workers(2);
    job.mutable_create_time()->set_seconds(1'700'000'000);
    coordinator_.jobs.Put(job);
    job.set_id("j2");
    job.set_state(v1::JOB_STATE_FAILED);
    job.set_inputs_succeeded(999);
    job.set_inputs_failed(1);
    job.mutable_end_time()->set_seconds(1'700'000'010);
    job.mutable_expire_time()->set_seconds(1'700'003'610);
    v1::InputFailure& failure = *job.add_failures();
    failure.set_index(7);
    failure.set_cause(v1::InputFailure::CAUSE_WORKER_DIED);
    failure.set_message("killed by SIGSEGV (core dumped)");
    failure.set_input("poison\n");
    failure.set_attempts(2);
    failure.set_worker("default/1");
    coordinator_.jobs.Put(job);
    v1::TaskInfo task;
    task.set_name("sha256");
    task.set_summary("hashes each input");
    task.set_help("Input: any bytes.\n");
    coordinator_.jobs.tasks.push_back(task);
    task.set_name("mine");
    task.set_module("/opt/mine.so");
    coordinator_.jobs.tasks.push_back(task);
  }
  CliResult Job(std::vector<std::string> args) {
    args.insert(args.begin(), {"--address", coordinator_.address()});
    return Run(std::move(args));
  }

  FakeCoordinator coordinator_;
};

TEST_F(JobTest, ListShowsStatesAndProgressTheNewestFirst) {
  const CliResult list = Job({"job", "list"});
  EXPECT_EQ(list.exit_code, kExitOk) << list.err;
  const auto lines = SplitLines(list.out);
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_THAT(lines[0], StartsWith("ID  TASK    SERVER   STATE    DONE  INPUTS  FAILED"));
  EXPECT_THAT(lines[1], AllOf(StartsWith("j2"), HasSubstr("FAILED   100%   1,000       1    10s")));
  EXPECT_THAT(lines[2], AllOf(StartsWith("j1"), HasSubstr("RUNNING   52%   1,000       0")));
  EXPECT_THAT(Job({"-o", "wide", "job", "list"}).out, HasSubstr("team=ops"));
}

TEST_F(JobTest, ListIsFilteredAndLimited) {
  EXPECT_EQ(Job({"-o", "name", "job", "list", "--state", "running"}).out, "j1\n");
  EXPECT_EQ(Job({"-o", "name", "job", "list", "--limit", "1"}).out, "j2\n");
  EXPECT_EQ(Job({"-o", "name", "job", "list"}).out, "j2\nj1\n");
  EXPECT_EQ(Job({"job", "list", "--state", "dancing"}).exit_code, kExitUsage);
  EXPECT_EQ(Job({"job", "list", "--label", "x"}).exit_code, kExitUsage);
  const CliResult none = Job({"job", "list", "--state", "cancelled"});
  EXPECT_EQ(none.out, "");
  EXPECT_THAT(none.err, HasSubstr("no such jobs"));
}

TEST_F(JobTest, GetTellsEverythingAndEachFailureWithItsCause) {
  const CliResult get = Job({"job", "get", "j2"});
  EXPECT_EQ(get.exit_code, kExitOk) << get.err;
  EXPECT_THAT(get.out,
              AllOf(HasSubstr("State"), HasSubstr("FAILED"), HasSubstr("1,000 of 1,000 inputs"),
                    HasSubstr("deleted in 58m"),
                    HasSubstr("7  poison\\n  worker-died      2  default/1  killed by SIGSEGV")));
  EXPECT_THAT(Job({"-o", "json", "job", "get", "j2"}).out, HasSubstr("\"inputsFailed\": \"1\""));
  EXPECT_THAT(Job({"-o", "yaml", "job", "get", "j2"}).out, HasSubstr("state: JOB_STATE_FAILED"));
  EXPECT_EQ(Job({"-o", "name", "job", "get", "j2"}).out, "j2\n");
}

TEST_F(JobTest, AnUnknownJobIsNotFoundWithWhatToDo) {
  const CliResult get = Job({"job", "get", "j77"});
  EXPECT_EQ(get.exit_code, kExitRpcBase + 5);
  EXPECT_THAT(get.err, AllOf(HasSubstr("no job j77"), HasSubstr("centerctl job list")));
}

TEST_F(JobTest, CancelTakesSeveralAndSaysWhatWasDone) {
  const CliResult cancel = Job({"job", "cancel", "j1"});
  EXPECT_EQ(cancel.exit_code, kExitOk) << cancel.err;
  EXPECT_THAT(cancel.err, HasSubstr("job j1 is cancelled: 520 of 1,000 inputs were done"));
  EXPECT_EQ(coordinator_.jobs.job("j1").state(), v1::JOB_STATE_CANCELLED);
  const CliResult again = Job({"job", "cancel", "j1", "j2"});
  EXPECT_EQ(again.exit_code, kExitRpcBase + 9);
  EXPECT_THAT(again.err, HasSubstr("centerctl job get"));
  EXPECT_EQ(Job({"job", "cancel"}).exit_code, kExitUsage);
}

TEST_F(JobTest, TasksAreListedAndExplained) {
  const CliResult list = Job({"job", "tasks"});
  EXPECT_THAT(list.out, AllOf(HasSubstr("sha256  hashes each input"), Not(HasSubstr(".so"))));
  EXPECT_THAT(Job({"-o", "wide", "job", "tasks"}).out, HasSubstr("/opt/mine.so"));
  EXPECT_EQ(Job({"-o", "name", "job", "tasks"}).out, "sha256\nmine\n");
  EXPECT_EQ(Job({"job", "tasks", "sha256"}).out,
            "sha256: hashes each input\n\nInput: any bytes.\n");
  const CliResult unknown = Job({"job", "tasks", "nothing"});
  EXPECT_EQ(unknown.exit_code, kExitFailure);
  EXPECT_THAT(unknown.err, HasSubstr("have no task nothing"));
  EXPECT_EQ(Job({"job", "tasks", "--server", "nobody"}).exit_code, kExitRpcBase + 5);
}

}  // namespace
}  // namespace center::cli
