// What a person sees while a job runs.
#include "cli/job_progress.h"

#include "absl/strings/match.h"
#include "tests/unit/cli/testing.h"

namespace center::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

v1::Job MakeJob(uint64_t done, uint64_t inputs, uint64_t failed = 0, bool complete = true) {
  v1::Job job;
  job.set_id("j1");
  job.set_state(v1::JOB_STATE_RUNNING);
  job.set_inputs(inputs);
  job.set_inputs_complete(complete);
  job.set_inputs_succeeded(done - failed);
  job.set_inputs_failed(failed);
  return job;
}

TEST(JobProgressLineTest, ShowsShareRateRestAndFailures) {
  EXPECT_EQ(JobProgressLine(MakeJob(500, 1'000), absl::Seconds(5), {}),
            " 50%  500 of 1,000 inputs  100/s  ETA 5s");
  EXPECT_THAT(JobProgressLine(MakeJob(500, 1'000, 3), absl::Seconds(5), {}),
              HasSubstr("  3 failed"));
  EXPECT_THAT(JobProgressLine(MakeJob(500, 1'000), absl::Seconds(5), 80), StartsWith("[====="));
}

TEST(JobProgressLineTest, WhileInputsArriveNothingIsForeseen) {
  const std::string line =
      JobProgressLine(MakeJob(10, 20, 0, /*complete=*/false), absl::Seconds(1), 80);
  EXPECT_EQ(line, "10 of 20 inputs so far  10/s");
}

TEST(JobProgressLineTest, NeverWiderThanTheTerminal) {
  for (size_t width = 0; width < 120; ++width) {
    EXPECT_LE(JobProgressLine(MakeJob(123'456, 1'000'000, 5), absl::Seconds(3), width).size(),
              width);
  }
}

TEST(JobProgressLineTest, NothingDoneAndNoTimeAreNoTrouble) {
  EXPECT_THAT(JobProgressLine(MakeJob(0, 10), absl::ZeroDuration(), {}), Not(HasSubstr("ETA")));
  EXPECT_THAT(JobProgressLine(MakeJob(0, 0), absl::ZeroDuration(), {}), HasSubstr("0 of 0"));
}

class JobProgressTest : public CliTest {
 protected:
  void Advance(int64_t ms) { clock_.Set(clock_.WallNanos() + ms * 1'000'000); }
};

TEST_F(JobProgressTest, ABarOnATerminalIsRemovedBeforeAnythingElseIsPrinted) {
  Terminal terminal;
  Context context({}, Deps(in_.fd(), out_.fd(), terminal.fd()));
  JobProgress progress(context);
  progress.Update(MakeJob(1, 100));
  EXPECT_EQ(terminal.Read(), "") << "what is over at once needs no bar";
  Advance(400);
  progress.Update(MakeJob(20, 100));
  progress.Update(MakeJob(21, 100));
  const std::string drawn = terminal.Read();
  EXPECT_THAT(drawn, HasSubstr("20%"));
  EXPECT_THAT(drawn, Not(HasSubstr("21%"))) << "not more often than every 100 ms";
  progress.Hide();
  EXPECT_EQ(terminal.Read(), "\r\x1b[K");
  progress.Hide();
  EXPECT_EQ(terminal.Read(), "") << "there is nothing to hide";
}

TEST_F(JobProgressTest, ElsewhereALineWhenSomethingChangedEverMoreRarely) {
  Context context({}, Deps(in_.fd(), out_.fd(), err_.fd()));
  JobProgress progress(context);
  Advance(1'000);
  progress.Update(MakeJob(10, 100));
  Advance(500);
  progress.Update(MakeJob(15, 100));  // too soon
  Advance(600);
  progress.Update(MakeJob(10, 100));  // no change
  progress.Update(MakeJob(20, 100));
  EXPECT_THAT(SplitLines(err_.Text()),
              ElementsAre("job j1:  10%  10 of 100 inputs  10/s  ETA 9s", HasSubstr("20 of 100")));
  Advance(1'000'000);
  progress.Update(MakeJob(30, 100));
  Advance(20'000);
  progress.Update(MakeJob(31, 100));  // after a quarter of an hour, every 30 s are enough
  EXPECT_EQ(SplitLines(err_.Text()).size(), 3u);
  Advance(10'000);
  progress.Update(MakeJob(32, 100));
  EXPECT_EQ(SplitLines(err_.Text()).size(), 4u);
}

TEST_F(JobProgressTest, NothingWhenQuietAndNothingOfAnEndedJob) {
  Context quiet({.quiet = true}, Deps(in_.fd(), out_.fd(), err_.fd()));
  JobProgress silent(quiet);
  Context context({}, Deps(in_.fd(), out_.fd(), err_.fd()));
  JobProgress progress(context);
  Advance(5'000);
  silent.Update(MakeJob(10, 100));
  v1::Job ended = MakeJob(100, 100);
  ended.set_state(v1::JOB_STATE_SUCCEEDED);
  progress.Update(ended);
  EXPECT_EQ(err_.Text(), "");
}

}  // namespace
}  // namespace center::cli
