// `job submit` and `job results` against a coordinator that can break the line.
#include <fstream>

#include "absl/strings/str_cat.h"
#include "simdjson.h"
#include "tests/unit/cli/fake_coordinator.h"
#include "tests/unit/cli/testing.h"

namespace center::cli {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

class JobSubmitTest : public CliTest {
 protected:
  JobSubmitTest() : coordinator_(dir_.path()) {
    coordinator_.jobs.task = [](const std::string& input) -> absl::StatusOr<std::string> {
      if (input == "bad") return absl::InvalidArgumentError("it is bad");
      return absl::StrCat("<", input, ">");
    };
  }
  CliResult Job(std::vector<std::string> args, absl::string_view input = "") {
    args.insert(args.begin(), {"--address", coordinator_.address()});
    return Run(std::move(args), input);
  }
  std::string WriteInputs(const std::string& text) {
    const std::string path = dir_.path() + "/inputs";
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }

  FakeCoordinator coordinator_;
};

TEST_F(JobSubmitTest, RawPrintsResultsAndALineFeedNothingElse) {
  const CliResult run = Job(
      {"-o", "raw", "job", "submit", "wrap", "--inputs", WriteInputs("a\nb\n\nd"), "--ordered"});
  EXPECT_EQ(run.exit_code, kExitOk) << run.err;
  EXPECT_EQ(run.out, "<a>\n<b>\n<>\n<d>\n");
  const auto submissions = coordinator_.jobs.submissions();
  ASSERT_THAT(submissions, SizeIs(1));
  EXPECT_TRUE(submissions[0].spec().ordered());
  EXPECT_TRUE(submissions[0].stream_results());
  EXPECT_FALSE(submissions[0].detach());
}

TEST_F(JobSubmitTest, StdinIsStreamedWholeInBoundedMessages) {
  std::string input;
  for (int i = 0; i < 100'000; ++i) absl::StrAppend(&input, "record number ", i, "\n");
  const CliResult run = Job({"-o", "raw", "job", "submit", "wrap", "--inputs", "-"}, input);
  EXPECT_EQ(run.exit_code, kExitOk) << run.err;
  EXPECT_THAT(SplitLines(run.out), SizeIs(100'000));
  EXPECT_THAT(coordinator_.jobs.inputs("j1"), SizeIs(100'000));
  EXPECT_LT(coordinator_.jobs.largest_message(), 2u << 20);
}

TEST_F(JobSubmitTest, NulSeparatedRangeAndWords) {
  EXPECT_EQ(Job({"-o", "raw", "job", "submit", "wrap", "--inputs", "-", "-0"},
                absl::string_view("a\nb\0c\0", 6))
                .out,
            "<a\nb>\n<c>\n");
  EXPECT_EQ(Job({"-o", "raw", "job", "submit", "wrap", "--range", "-1:2"}).out, "<-1>\n<0>\n<1>\n");
  EXPECT_EQ(Job({"-o", "raw", "job", "submit", "wrap", "--", "--from", "cursor", "-x"}).out,
            "<--from>\n<cursor>\n<-x>\n")
      << "words are never flags";
}

TEST_F(JobSubmitTest, WordsWithoutDashesAreRefusedBecauseTheyMightBeAFile) {
  const CliResult run = Job({"job", "submit", "wrap", "inputs.txt"});
  EXPECT_EQ(run.exit_code, kExitUsage);
  EXPECT_THAT(run.err, HasSubstr("unexpected: inputs.txt"));
  EXPECT_THAT(coordinator_.jobs.submissions(), IsEmpty());
}

TEST_F(JobSubmitTest, FailedInputsAreExitCode1AndATableOfWhichAndWhy) {
  const CliResult run = Job({"-o", "raw", "job", "submit", "wrap", "--", "a", "bad", "c"});
  EXPECT_EQ(run.exit_code, kExitFailure);
  EXPECT_EQ(run.out, "<a>\n<c>\n");
  EXPECT_THAT(run.err, AllOf(HasSubstr("INDEX  INPUT  CAUSE       TRIES  WORKER     WHY"),
                             HasSubstr("    1  bad    task-error      1  default/0  it is bad"),
                             HasSubstr("centerctl: job j1 failed: 1 of 3 inputs has no result")));
}

TEST_F(JobSubmitTest, JsonIsAnObjectALineAndTheJobLast) {
  coordinator_.jobs.task = [](const std::string& input) -> absl::StatusOr<std::string> {
    if (input == "bad") return absl::InvalidArgumentError("it is bad");
    return input == "bin" ? std::string("\xff\0", 2) : absl::StrCat("\"", input, "\"\n\x01");
  };
  const CliResult run = Job({"-o", "json", "job", "submit", "wrap", "--", "a", "bad", "bin"});
  EXPECT_EQ(run.exit_code, kExitFailure);
  const auto lines = SplitLines(run.out);
  ASSERT_THAT(lines, SizeIs(4));
  EXPECT_EQ(lines[0], "{\"index\": \"0\", \"result\": \"\\\"a\\\"\\n\\u0001\"}");
  EXPECT_THAT(lines[1], AllOf(StartsWith("{\"index\": \"1\", \"failure\": {"),
                              HasSubstr("\"CAUSE_TASK_ERROR\""), HasSubstr("it is bad")));
  EXPECT_EQ(lines[2], "{\"index\": \"2\", \"resultBase64\": \"/wA=\"}");
  EXPECT_THAT(lines[3], AllOf(StartsWith("{\"job\": {"), HasSubstr("\"JOB_STATE_FAILED\"")));
  simdjson::dom::parser parser;
  for (const std::string& line : lines) {
    EXPECT_EQ(parser.parse(line).error(), simdjson::SUCCESS) << line;
  }
}

TEST_F(JobSubmitTest, ForPeopleResultsAreVisibleTextAndTheEndIsTold) {
  coordinator_.jobs.task = [](const std::string& input) { return "\x1b[2J" + input + "\n"; };
  const CliResult plain = Job({"job", "submit", "x", "--", "a"});
  EXPECT_EQ(plain.out, "\\x1b[2Ja\n");
  EXPECT_THAT(plain.err, AllOf(StartsWith("job j1\n"), HasSubstr("job j1 succeeded: 1 input in ")));
  EXPECT_EQ(Job({"-o", "wide", "job", "submit", "x", "--", "a", "b"}).out,
            "0\t\\x1b[2Ja\n1\t\\x1b[2Jb\n");
  EXPECT_EQ(Job({"-q", "job", "submit", "x", "--", "a"}).err, "");
}

TEST_F(JobSubmitTest, DetachPrintsTheIdAndLeavesTheJob) {
  const CliResult run = Job({"job", "submit", "wrap", "--detach", "--", "a"});
  EXPECT_EQ(run.exit_code, kExitOk) << run.err;
  EXPECT_EQ(run.out, "j1\n");
  EXPECT_THAT(run.err, HasSubstr("centerctl job results j1 --follow"));
  EXPECT_TRUE(coordinator_.jobs.submissions().at(0).detach());
  const CliResult json = Job({"-o", "json", "job", "submit", "wrap", "--detach", "--", "a"});
  EXPECT_THAT(json.out, HasSubstr("\"id\": \"j2\""));
}

TEST_F(JobSubmitTest, NoResultsWaitsAndPrintsNothing) {
  const CliResult run = Job({"job", "submit", "wrap", "--no-results", "--", "a"});
  EXPECT_EQ(run.exit_code, kExitOk) << run.err;
  EXPECT_EQ(run.out, "");
  EXPECT_FALSE(coordinator_.jobs.submissions().at(0).stream_results());
  EXPECT_EQ(Job({"-o", "name", "job", "submit", "wrap", "--no-results", "--", "a"}).out, "j2\n");
  EXPECT_EQ(Job({"-o", "raw", "job", "submit", "wrap", "--no-results", "--", "a"}).exit_code,
            kExitUsage);
}

TEST_F(JobSubmitTest, AfterABrokenLineNoResultIsMissingOrPrintedTwice) {
  coordinator_.jobs.breaks = {2, 1};  // the submission's, then that of the first StreamResults
  const CliResult run = Job({"-o", "raw", "job", "submit", "wrap", "--range", "0:20", "--ordered"});
  EXPECT_EQ(run.exit_code, kExitOk) << run.err;
  std::string expected;
  for (int i = 0; i < 20; ++i) absl::StrAppend(&expected, "<", i, ">\n");
  EXPECT_EQ(run.out, expected);
  const auto requests = coordinator_.jobs.result_requests();
  ASSERT_THAT(requests, SizeIs(2));
  EXPECT_EQ(requests[0].position(), 8u);
  EXPECT_EQ(requests[1].position(), 12u);
  EXPECT_TRUE(requests[0].ordered() && requests[0].follow());
  EXPECT_THAT(run.err, AllOf(HasSubstr("is broken; trying again"), HasSubstr("connected again"),
                             HasSubstr("job j1 succeeded")));
}

TEST_F(JobSubmitTest, TheJobLogHasALineForEachInput) {
  const std::string log = dir_.path() + "/log.tsv";
  const CliResult run =
      Job({"-o", "raw", "job", "submit", "wrap", "--joblog", log, "--", "a", "bad"});
  EXPECT_EQ(run.exit_code, kExitFailure);
  std::ifstream file(log);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  EXPECT_THAT(lines,
              ElementsAre("index\tstate\tcause\tattempts\tworker\tbytes\ttime\tmessage\tinput",
                          StartsWith("0\tok\t\t\t\t3\t"),
                          AllOf(StartsWith("1\tfailed\ttask-error\t1\tdefault/0\t0\t"),
                                HasSubstr("\tit is bad\tbad"))));
}

TEST_F(JobSubmitTest, WhatCannotBeOpenedIsSaidBeforeAnythingIsSubmitted) {
  EXPECT_THAT(Job({"job", "submit", "wrap", "--inputs", "/nowhere/x"}).err,
              HasSubstr("/nowhere/x: No such file"));
  EXPECT_THAT(Job({"job", "submit", "wrap", "--joblog", "/nowhere/x", "--", "a"}).err,
              HasSubstr("/nowhere/x: No such file"));
  EXPECT_THAT(coordinator_.jobs.submissions(), IsEmpty());
}

TEST_F(JobSubmitTest, AnInputThatIsTooLongCancelsTheJob) {
  coordinator_.jobs.hangs = true;
  const CliResult run =
      Job({"job", "submit", "wrap", "--inputs", "-"}, "a\n" + std::string((4 << 20) + 1, 'x'));
  EXPECT_EQ(run.exit_code, kExitFailure);
  EXPECT_THAT(run.err, HasSubstr("input 1 of stdin"));
  // The call may be cancelled before the coordinator has read what is submitted.
  EXPECT_TRUE(Eventually([&] {
    return coordinator_.jobs.given_up() == 1 ||
           coordinator_.jobs.job("j1").state() == v1::JOB_STATE_CANCELLED;
  }));
}

TEST_F(JobSubmitTest, AReaderThatGoesAwayIsNoFailure) {
  Pipe pipe;
  pipe.read_end.Reset();
  const int exit_code = RunCenterctl(
      {"--address", coordinator_.address(), "-q", "job", "submit", "wrap", "--range", "0:100"},
      Deps(in_.fd(), pipe.write_end.get(), err_.fd()));
  EXPECT_EQ(exit_code, kExitOk);
  EXPECT_EQ(err_.Text(), "");
}

TEST_F(JobSubmitTest, WithoutACoordinatorItSaysHowToStartOne) {
  coordinator_.Down();
  const CliResult run = Job({"job", "submit", "wrap", "--", "a"});
  EXPECT_EQ(run.exit_code, kExitNotRunning);
  EXPECT_THAT(run.err, HasSubstr("centerctl coordinator start"));
}

TEST_F(JobSubmitTest, ResultsOfAnEarlierJobGoOnAtAPosition) {
  Job({"job", "submit", "wrap", "-q", "--range", "0:10"});
  EXPECT_EQ(Job({"-o", "raw", "job", "results", "j1", "--ordered", "--from", "8"}).out,
            "<8>\n<9>\n");
  coordinator_.jobs.breaks = {1};
  const CliResult followed = Job({"-o", "raw", "job", "results", "j1", "--follow"});
  EXPECT_EQ(followed.exit_code, kExitOk) << followed.err;
  EXPECT_THAT(SplitLines(followed.out), SizeIs(10));
}

TEST_F(JobSubmitTest, ResultsOfARunningJobSayWhereToGoOn) {
  v1::Job job;
  job.set_id("j9");
  job.set_state(v1::JOB_STATE_RUNNING);
  job.set_inputs(10);
  job.set_inputs_succeeded(2);
  coordinator_.jobs.Put(job, {"a", "b"});
  const CliResult run = Job({"job", "results", "j9"});
  EXPECT_EQ(run.exit_code, kExitOk) << run.err;
  EXPECT_EQ(run.out, "a\nb\n");
  EXPECT_THAT(run.err, HasSubstr("--from 2 goes on"));
}

TEST_F(JobSubmitTest, ResultsOfAJobWithFailuresAreExitCode1) {
  Job({"job", "submit", "wrap", "--", "a", "bad"});
  const CliResult run = Job({"-o", "raw", "job", "results", "j1"});
  EXPECT_EQ(run.exit_code, kExitFailure);
  EXPECT_EQ(run.out, "<a>\n");
  EXPECT_THAT(run.err, HasSubstr("it is bad"));
  EXPECT_EQ(Job({"job", "results", "j99"}).exit_code, kExitRpcBase + 5);
  EXPECT_THAT(Job({"job", "results", "j99"}).err, Not(HasSubstr("trying again")));
}

}  // namespace
}  // namespace center::cli
