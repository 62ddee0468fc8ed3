// The task that runs a program for each input.
#include <dirent.h>
#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/worker/compute/child_process.h"
#include "services/worker/compute/engine.h"
#include "tests/unit/common/scratch_dir.h"
#include "tests/unit/compute/testing.h"

namespace center::compute {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

size_t OpenDescriptors() {
  size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    ++count;
  }
  return count;
}

// A process that is there, and no zombie.
bool IsAlive(pid_t pid) {
  std::ifstream file(absl::StrCat("/proc/", pid, "/stat"));
  std::ostringstream text;
  text << file.rdbuf();
  const size_t state = text.str().rfind(") ");
  return state != std::string::npos && text.str()[state + 2] != 'Z';
}

pid_t PidIn(const std::string& path) {
  std::ifstream file(path);
  std::string text;
  std::getline(file, text);
  int pid = 0;
  return absl::SimpleAtoi(text, &pid) ? pid : 0;
}

class ExecTest : public ::testing::Test {
 protected:
  // As the worker's main does.
  ExecTest() { ::signal(SIGPIPE, SIG_IGN); }

  ChunkResult Exec(const std::vector<std::string>& argv, const std::vector<std::string>& inputs) {
    return RunChunk(engine_, MakeChunk("exec", inputs, argv));
  }
  std::vector<std::string> ResultsOf(const std::vector<std::string>& argv,
                                     const std::vector<std::string>& inputs) {
    const ChunkResult result = Exec(argv, inputs);
    for (const Failure& failure : result.failures) ADD_FAILURE() << failure.message;
    return Unpack(result.results);
  }
  // Why the one input fails.
  Failure FailureOf(const std::vector<std::string>& argv, const std::string& input = "") {
    const ChunkResult result = Exec(argv, {input});
    EXPECT_EQ(result.failures.size(), 1u);
    return result.failures.empty() ? Failure() : result.failures[0];
  }
  // The process that the program says it is, once it has said so.
  pid_t WaitForPid(const std::string& name) {
    const std::string path = absl::StrCat(folder_.path(), "/", name);
    EXPECT_TRUE(Eventually([&] { return PidIn(path) > 0; }));
    return PidIn(path);
  }

  const TaskRegistry tasks_ = TaskRegistry::WithBuiltIns();
  ScratchDir folder_;
  Engine engine_{{.threads = 2}, tasks_, nullptr, RealClock()};
};

TEST_F(ExecTest, TheInputIsAnArgumentOrStdin) {
  EXPECT_THAT(ResultsOf({"echo", "<{}>", "{}{}"}, {"a", "b c", ""}),
              ElementsAre("<a> aa", "<b c> b cb c", "<> "));
  EXPECT_THAT(ResultsOf({"cat"}, {"a", "", "b\nc"}), ElementsAre("a", "", "b\nc"));
  EXPECT_THAT(ResultsOf({"cat"}, {std::string("a\0b", 3)}), ElementsAre(std::string("a\0b", 3)));
  // With a placeholder, stdin is empty.
  EXPECT_THAT(ResultsOf({"sh", "-c", "cat; echo {}"}, {"x"}), ElementsAre("x"));
}

TEST_F(ExecTest, OneLineFeedAtTheEndIsDropped) {
  EXPECT_THAT(ResultsOf({"printf", "{}"}, {"a", "a\\n", "a\\n\\n", "\\n", "\\na"}),
              ElementsAre("a", "a", "a\n", "", "\na"));
}

TEST_F(ExecTest, AFailureSaysItsStatusAndWhatItWrote) {
  EXPECT_EQ(FailureOf({"sh", "-c", "echo out; echo oh no >&2; exit 3"}).message,
            "sh exited with status 3: oh no\n");
  EXPECT_EQ(FailureOf({"false"}).message, "false exited with status 1");
  EXPECT_EQ(FailureOf({"sh", "-c", "kill -9 $$"}).message, "sh killed by SIGKILL");
  EXPECT_EQ(FailureOf({"sh", "-c", "kill -SEGV $$"}).message.rfind("sh killed by SIGSEGV", 0), 0u);
  EXPECT_EQ(FailureOf({"false"}).cause, Failure::Cause::kTaskError);
}

TEST_F(ExecTest, OnlyTheEndOfALongStderrIsKept) {
  const std::string message =
      FailureOf({"sh", "-c", "yes 0123456789 | head -c 100000 >&2; echo the end >&2; exit 1"})
          .message;
  EXPECT_LT(message.size(), 2 * ChildProcess::kStderrBytesMax);
  EXPECT_TRUE(absl::EndsWith(message, "the end\n")) << message;
}

TEST_F(ExecTest, AProgramThatCannotBeStartedSaysWhy) {
  EXPECT_EQ(FailureOf({"/nowhere/program"}).message,
            "cannot run /nowhere/program: No such file or directory");
  EXPECT_EQ(FailureOf({"/"}).message, "cannot run /: Permission denied");
  EXPECT_THAT(FailureOf({"echo", "{}"}, std::string("a\0b", 3)).message, HasSubstr("a zero byte"));
  EXPECT_THAT(FailureOf({"echo", "{}"}, std::string(1 << 20, 'x')).message,
              HasSubstr("Argument list too long"));
  EXPECT_THAT(FailureOf({}).message, HasSubstr("exec needs a program"));
  EXPECT_THAT(FailureOf({""}).message, HasSubstr("exec needs a program"));
}

TEST_F(ExecTest, MoreThanAPipeHoldsGoesBothWays) {
  const std::string large(3'000'000, 'x');
  EXPECT_THAT(ResultsOf({"cat"}, {large}), ElementsAre(large));
  EXPECT_THAT(ResultsOf({"wc", "-c"}, {large}), ElementsAre("3000000"));
  // One that does not read its input.
  EXPECT_THAT(ResultsOf({"true"}, {large}), ElementsAre(""));
}

TEST_F(ExecTest, TooMuchOutputFailsTheInputAndEndsTheProgram) {
  const Failure failure = FailureOf({"yes"});
  EXPECT_EQ(failure.cause, Failure::Cause::kResultTooLarge);
  EXPECT_THAT(ResultsOf({"head", "-c", "{}", "/dev/zero"}, {"16777216"}),
              ElementsAre(std::string(size_t{16} << 20, '\0')));
}

TEST_F(ExecTest, TheEnvironmentSaysWhichInputItIs) {
  Chunk chunk = MakeChunk("exec", {"", ""}, {"sh", "-c", "echo $CENTER_INPUT_INDEX"});
  chunk.first_index = 41;
  EXPECT_THAT(Unpack(RunChunk(engine_, std::move(chunk)).results), ElementsAre("41", "42"));
}

TEST_F(ExecTest, AProgramInheritsNoDescriptors) {
  // A descriptor without CLOEXEC, as other threads may have.
  const ScopedFd loose(::dup(STDERR_FILENO));
  // sh itself opens none; ls has the folder that it reads.
  EXPECT_THAT(ResultsOf({"sh", "-c", "ls /proc/self/fd | tr '\\n' ' '"}, {""}),
              ElementsAre("0 1 2 3 "));
}

TEST_F(ExecTest, SignalsAreAsTheyAreByDefault) {
  // SIGPIPE is ignored here; a program that inherited that would go on writing for ever.
  EXPECT_THAT(ResultsOf({"sh", "-c", "yes | head -n 1"}, {""}), ElementsAre("y"));
  const std::vector<std::string> ignored =
      ResultsOf({"sed", "-n", "s/^SigIgn:[^0-9a-f]*//p", "/proc/self/status"}, {""});
  ASSERT_THAT(ignored, SizeIs(1));
  uint64_t mask = 1;
  ASSERT_TRUE(absl::SimpleHexAtoi(ignored[0], &mask)) << ignored[0];
  // Two beyond the 31 ordinary ones are glibc's own.
  EXPECT_EQ(mask & 0x7fffffff, 0u) << ignored[0];
}

TEST_F(ExecTest, NoDescriptorIsLeftBehind) {
  ResultsOf({"true"}, {""});
  const size_t before = OpenDescriptors();
  for (int i = 0; i < 5; ++i) {
    Exec({"cat"}, {"a", "b"});
    Exec({"/nowhere"}, {"a"});
    Exec({"false"}, {"a"});
  }
  EXPECT_EQ(OpenDescriptors(), before);
}

TEST_F(ExecTest, WhatAProgramLeavesRunningEndsWithIt) {
  const std::string pid_file = folder_.path() + "/background";
  // The one in the background holds stdout open.
  EXPECT_THAT(ResultsOf({"sh", "-c", "sleep 1000 & echo $! > {}; echo done"}, {pid_file}),
              ElementsAre("done"));
  const pid_t left = WaitForPid("background");
  EXPECT_TRUE(Eventually([&] { return !IsAlive(left); }));
}

TEST_F(ExecTest, ACancelledProgramEndsWithItsGroup) {
  const std::string script = absl::StrCat("sleep 1000 & echo $! > ", folder_.path(),
                                          "/child; echo $$ > ", folder_.path(), "/self; wait");
  Pending pending;
  const auto ticket =
      engine_.Submit(MakeChunk("exec", {"", ""}, {"sh", "-c", script}), pending.Taker());
  ASSERT_TRUE(ticket.ok());
  const pid_t self = WaitForPid("self");
  const pid_t child = WaitForPid("child");
  EXPECT_TRUE(IsAlive(self));
  engine_.Cancel(*ticket);
  EXPECT_TRUE(pending.result().cancelled);
  EXPECT_EQ(pending.result().results.count, 0u);
  EXPECT_FALSE(IsAlive(self));
  EXPECT_TRUE(Eventually([&] { return !IsAlive(child); }));
}

TEST_F(ExecTest, AProgramThatIgnoresTermIsKilled) {
  Chunk chunk = MakeChunk("exec", {""}, {"sh", "-c", "trap '' TERM; while :; do sleep 0.01; done"});
  chunk.input_timeout = absl::Milliseconds(50);
  const ChunkResult result = RunChunk(engine_, std::move(chunk));
  ASSERT_THAT(result.failures, SizeIs(1));
  EXPECT_EQ(result.failures[0].cause, Failure::Cause::kTimeout);
}

TEST_F(ExecTest, AFloodOfOutputIsNoReasonNotToStop) {
  Chunk chunk = MakeChunk("exec", {""}, {"sh", "-c", "yes >&2"});
  chunk.input_timeout = absl::Milliseconds(50);
  const ChunkResult result = RunChunk(engine_, std::move(chunk));
  ASSERT_THAT(result.failures, SizeIs(1));
  EXPECT_EQ(result.failures[0].cause, Failure::Cause::kTimeout);
}

TEST_F(ExecTest, ThreadsRunProgramsAtTheSameTime) {
  std::vector<Pending> pending(8);
  std::vector<std::string> inputs;
  for (int i = 0; i < 10; ++i) inputs.push_back(absl::StrCat("input ", i));
  for (Pending& one : pending) {
    ASSERT_TRUE(engine_.Submit(MakeChunk("exec", inputs, {"cat"}), one.Taker()).ok());
  }
  for (Pending& one : pending) {
    EXPECT_THAT(Unpack(one.result().results), ::testing::ElementsAreArray(inputs));
    EXPECT_THAT(one.result().failures, IsEmpty());
  }
}

}  // namespace
}  // namespace center::compute
