// `centerctl job` over real workers, as scripts use it: what it prints, its exit codes, and what it
// leaves behind.
#include <algorithm>
#include <csignal>
#include <filesystem>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/fleet.h"
#include "tests/integration/producer.h"

namespace center::itest {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAreArray;

std::vector<std::string> LinesOf(const std::string& text) {
  return absl::StrSplit(text, '\n', absl::SkipEmpty());
}

class JobsCliTest : public ::testing::Test {
 protected:
  JobsCliTest() {
    v1::ServerSpec spec;
    spec.set_no_listen(true);
    spec.set_workers(2);
    const auto server = fleet_.StartServer("pool", spec);
    EXPECT_TRUE(server.ok()) << server.status();
  }
  // centerctl job submit TASK --server pool …
  RunResult Submit(std::vector<std::string> args, absl::string_view input = "") {
    return fleet_.Ctl(Words(std::move(args)), input);
  }
  static std::vector<std::string> Words(std::vector<std::string> args) {
    args.insert(args.begin(), {"--server", "pool"});
    args.insert(args.begin(), {"job", "submit"});
    return args;
  }
  // A job submission that runs beside the test, its output in files.
  std::unique_ptr<Process> Beside(std::vector<std::string> args) {
    args = Words(std::move(args));
    args.insert(args.begin(), {"--address", fleet_.address()});
    return std::make_unique<Process>(Process::Options{.program = Binary("centerctl"),
                                                      .args = std::move(args),
                                                      .stdout_path = fleet_.dir() / "beside.out",
                                                      .stderr_path = fleet_.dir() / "beside.err"});
  }
  std::string Names(std::vector<std::string> args) {
    args.insert(args.begin(), {"-o", "name", "job", "list"});
    return fleet_.Ctl(std::move(args)).out;
  }

  Fleet fleet_;
};

TEST_F(JobsCliTest, Sha256OverAFileIsWhatSha256sumSays) {
  std::string inputs;
  std::vector<std::string> files;
  for (int i = 0; i < 200; ++i) {
    const std::string line = absl::StrCat("line ", i, std::string(static_cast<size_t>(i), 'x'));
    files.push_back(fleet_.dir() / absl::StrCat("line", i));
    WriteWholeFile(files.back(), line);
    absl::StrAppend(&inputs, line, "\n");
  }
  const std::string path = fleet_.dir() / "inputs.txt";
  WriteWholeFile(path, inputs);
  const RunResult reference = RunToEnd("/usr/bin/sha256sum", files);
  ASSERT_EQ(reference.exit_code, 0) << reference.err;
  std::vector<std::string> expected;
  for (const std::string& line : LinesOf(reference.out)) expected.push_back(line.substr(0, 64));

  const RunResult ordered = Submit({"sha256", "--inputs", path, "--ordered", "-o", "raw"});
  EXPECT_EQ(ordered.exit_code, 0) << ordered.err;
  EXPECT_EQ(ordered.out, absl::StrJoin(expected, "\n") + "\n");

  const RunResult unordered = Submit({"sha256", "--inputs", "-", "-o", "raw"}, inputs);
  EXPECT_EQ(unordered.exit_code, 0) << unordered.err;
  EXPECT_THAT(LinesOf(unordered.out), UnorderedElementsAreArray(expected));
}

TEST_F(JobsCliTest, ARangeIsCountedDownAndEachInputHasItsIndex) {
  const RunResult run = Submit({"countdown", "--range", "0:20000", "-o", "wide"});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  std::set<std::string> expected;
  for (int i = 0; i < 20'000; ++i) expected.insert(absl::StrCat(i, "\t", -i));
  const std::vector<std::string> lines = LinesOf(run.out);
  EXPECT_THAT(lines, SizeIs(20'000));
  EXPECT_EQ(std::set<std::string>(lines.begin(), lines.end()), expected);
  EXPECT_THAT(run.err, HasSubstr("succeeded: 20,000 inputs in "));
}

TEST_F(JobsCliTest, InputsThatFailAreExitCode1WithWhichAndWhy) {
  const std::string log = fleet_.dir() / "job.tsv";
  const RunResult run =
      Submit({"countdown", "--ordered", "--joblog", log, "-o", "raw", "--", "5", "five", "7"});
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_EQ(run.out, "-5\n-7\n");
  EXPECT_THAT(run.err, AllOf(HasSubstr("1 of 3 inputs has no result"), HasSubstr("task-error"),
                             HasSubstr("'five' is no whole number")));
  const std::vector<std::string> lines = LinesOf(ReadWholeFile(log));
  ASSERT_THAT(lines, SizeIs(4));
  EXPECT_THAT(lines[1], HasSubstr("0\tok\t"));
  EXPECT_THAT(lines[2], AllOf(HasSubstr("1\tfailed\ttask-error\t"), HasSubstr("\tfive")));
}

TEST_F(JobsCliTest, WhatCannotBeSubmittedSaysWhy) {
  const RunResult task = Submit({"nothing", "--", "a"});
  EXPECT_EQ(task.exit_code, 64 + 5);
  EXPECT_THAT(task.err, HasSubstr("centerctl job tasks"));
  const RunResult server = fleet_.Ctl({"job", "submit", "echo", "--server", "nobody", "--", "a"});
  EXPECT_EQ(server.exit_code, 64 + 5);
  EXPECT_THAT(server.err, HasSubstr("centerctl server list"));
  EXPECT_EQ(Submit({"echo"}).exit_code, 2);
}

TEST_F(JobsCliTest, CtrlCCancelsAndNoWorkerGoesOn) {
  const auto submit = Beside({"sleep", "--", "600", "600", "600"});
  ASSERT_TRUE(WaitFor([&] { return Names({"--state", "running"}) == "j1\n"; }));
  submit->Signal(SIGINT);
  const auto status = submit->Wait(absl::Seconds(30));
  ASSERT_TRUE(status.has_value());
  EXPECT_EQ(WEXITSTATUS(*status), 130);
  const std::string err = ReadWholeFile(fleet_.dir() / "beside.err");
  EXPECT_THAT(err, AllOf(HasSubstr("cancelling job j1"), HasSubstr("job j1 was cancelled")));
  EXPECT_EQ(Names({"--state", "cancelled"}), "j1\n");
  // The workers are free again.
  EXPECT_EQ(Submit({"echo", "-o", "raw", "--", "a"}).out, "a\n");
}

TEST_F(JobsCliTest, AClientThatIsKilledTakesItsJobWithItADetachedOneDoesNot) {
  const auto submit = Beside({"sleep", "--", "600"});
  ASSERT_TRUE(WaitFor([&] { return Names({"--state", "running"}) == "j1\n"; }));
  submit->Signal(SIGKILL);
  EXPECT_TRUE(WaitFor([&] { return Names({"--state", "cancelled"}) == "j1\n"; }));

  const RunResult detached = Submit({"sleep", "--detach", "-o", "name", "--", "600"});
  EXPECT_EQ(detached.out, "j2\n");
  EXPECT_EQ(Names({"--state", "running"}), "j2\n");
  const RunResult cancel = fleet_.Ctl({"job", "cancel", "j2"});
  EXPECT_EQ(cancel.exit_code, 0) << cancel.err;
  EXPECT_EQ(Names({"--state", "cancelled"}), "j2\nj1\n");
}

TEST_F(JobsCliTest, ResultsOfADetachedJobAreReadLaterAndAgain) {
  const RunResult detached =
      Submit({"countdown", "--range", "0:1000", "--detach", "--label", "team=ops"});
  ASSERT_EQ(detached.exit_code, 0) << detached.err;
  const std::string id(absl::StripSuffix(detached.out, "\n"));
  std::string expected = "0\n";
  for (int i = 1; i < 1'000; ++i) absl::StrAppend(&expected, -i, "\n");
  for (int reading = 0; reading < 2; ++reading) {
    const RunResult results =
        fleet_.Ctl({"job", "results", id, "--ordered", "--follow", "-o", "raw"});
    EXPECT_EQ(results.exit_code, 0) << results.err;
    EXPECT_EQ(results.out, expected);
  }
  EXPECT_EQ(Names({"--label", "team=ops"}), absl::StrCat(id, "\n"));
  EXPECT_EQ(Names({"--label", "team=dev"}), "");
}

TEST_F(JobsCliTest, AReaderOfResultsOutlivesItsCoordinator) {
  const RunResult detached = Submit({"sleep", "--inputs", "-", "--detach"}, [] {
    std::string inputs;
    for (int i = 0; i < 300; ++i) absl::StrAppend(&inputs, "10ms\n");
    return inputs;
  }());
  ASSERT_EQ(detached.exit_code, 0) << detached.err;
  Process reader(
      {.program = Binary("centerctl"),
       .args = {"--address", fleet_.address(), "-o", "wide", "job", "results", "j1", "--follow"},
       .stdout_path = fleet_.dir() / "results.out",
       .stderr_path = fleet_.dir() / "results.err"});
  ASSERT_TRUE(WaitFor([&] { return !ReadWholeFile(fleet_.dir() / "results.out").empty(); }));
  fleet_.KillCoordinator();
  fleet_.Start();
  const auto status = reader.Wait(absl::Seconds(60));
  ASSERT_TRUE(status.has_value());
  EXPECT_EQ(WEXITSTATUS(*status), 0) << ReadWholeFile(fleet_.dir() / "results.err");
  std::set<std::string> indexes;
  const std::vector<std::string> lines = LinesOf(ReadWholeFile(fleet_.dir() / "results.out"));
  for (const std::string& line : lines) indexes.insert(line.substr(0, line.find('\t')));
  EXPECT_THAT(lines, SizeIs(300)) << "each once";
  EXPECT_THAT(indexes, SizeIs(300)) << "and none missing";
}

TEST_F(JobsCliTest, StoredPayloadsAreInputs) {
  const uint16_t port = fleet_.MustStart("games", SmallSpec());
  Producer producer(port);
  ASSERT_TRUE(producer.Send("error one\nfine\nerror two\n"));
  ASSERT_TRUE(fleet_.WaitStored("games", 3));
  const RunResult run = Submit({"echo", "--payloads", "--payload-server", "games", "--contains",
                                "error", "--ordered", "-o", "raw"});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_EQ(run.out, "error one\nerror two\n");
}

TEST_F(JobsCliTest, TasksAreListedWithTheirHelp) {
  const RunResult names = fleet_.Ctl({"-o", "name", "job", "tasks", "--server", "pool"});
  for (const char* task : {"countdown", "primes", "sha256", "sleep", "wordcount"}) {
    EXPECT_THAT(LinesOf(names.out), testing::Contains(task));
  }
  const RunResult help = fleet_.Ctl({"job", "tasks", "--server", "pool", "countdown"});
  EXPECT_THAT(help.out, HasSubstr("from N down to -N"));
}

// ---- What is measured, and what it leaves behind --------------------------------------------

TEST_F(JobsCliTest, AnExperimentCountsRightAndLeavesNothingBehind) {
  const TempDir scratch;
  const std::string svg = fleet_.dir() / "experiment.svg";
  const RunResult run = RunToEnd(Binary("centerctl"),
                                 {"experiment", "--tasks", "500", "--processes", "2", "--threads",
                                  "2", "--rounds", "2", "-o", "json", "--svg", svg},
                                 "", absl::Seconds(120), {absl::StrCat("TMPDIR=", scratch.path())});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_THAT(run.out,
              AllOf(HasSubstr("\"tasks\": 500"), HasSubstr("\"mode\": \"sequential\""),
                    HasSubstr("\"mode\": \"multi-process\""), HasSubstr("\"mode\": \"async\""),
                    HasSubstr("\"mode\": \"multi-thread\"")));
  EXPECT_THAT(ReadWholeFile(svg), HasSubstr("</svg>"));
  EXPECT_TRUE(std::filesystem::is_empty(scratch.path())) << "its coordinator's folder is there";
}

TEST_F(JobsCliTest, AnExperimentOnARunningServerUsesItsWorkers) {
  const RunResult run = fleet_.Ctl(
      {"experiment", "--server", "pool", "--tasks", "200", "--threads", "2", "--rounds", "1"});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_THAT(run.out, AllOf(HasSubstr("multi-process"), HasSubstr("2 worker processes were")));
  EXPECT_EQ(LinesOf(Names({"--state", "succeeded"})).size(), 1u);
}

TEST_F(JobsCliTest, AnInterruptedExperimentEndsItsPool) {
  const TempDir scratch;
  Process experiment({.program = Binary("centerctl"),
                      .args = {"experiment", "--scale", "100000", "--processes", "2"},
                      .env = {absl::StrCat("TMPDIR=", scratch.path())},
                      .stdout_path = fleet_.dir() / "experiment.out"});
  // The pool's folder: sanitizers have files of their own there, before the program begins.
  ASSERT_TRUE(WaitFor([&] {
    const std::filesystem::directory_iterator entries(scratch.path());
    return std::any_of(begin(entries), end(entries), [](const auto& entry) {
      return entry.path().filename().string().starts_with("center-");
    });
  }));
  experiment.Signal(SIGINT);
  const auto status = experiment.Wait(absl::Seconds(60));
  ASSERT_TRUE(status.has_value());
  EXPECT_TRUE(WIFEXITED(*status)) << "by signal " << WTERMSIG(*status);
  EXPECT_EQ(WEXITSTATUS(*status), 130);
  EXPECT_TRUE(std::filesystem::is_empty(scratch.path()));
}

TEST_F(JobsCliTest, BenchComputeCountsEveryResult) {
  const RunResult run =
      fleet_.Ctl({"-o", "json", "bench", "compute", "--server", "pool", "--round-trips", "20",
                  "--range", "100000", "--records", "5000", "--jobs", "100"});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_THAT(run.out, AllOf(HasSubstr("\"roundTrip\""), HasSubstr("\"manyJobs\"")));
}

}  // namespace
}  // namespace center::itest
