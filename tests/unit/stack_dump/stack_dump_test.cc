// The stacks of a real process with threads at known places (spinner.cc).
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/fd.h"
#include "services/coordinator/supervision/process_snapshot.h"
#include "services/coordinator/supervision/unwinder.h"
#include "tests/unit/coordinator_api/test_child.h"

namespace center::supervision {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

class StackDumpTest : public testing::Test {
 protected:
  StackDumpTest() : child_({SPINNER}) {}

  ProcessStacks Dump() {
    std::string text;
    DumpStacks(child_.pid(), [&text](absl::string_view part) { absl::StrAppend(&text, part); });
    auto stacks = DecodeStacks(text);
    EXPECT_TRUE(stacks.ok()) << stacks.status() << "\n" << text;
    return stacks.value_or(ProcessStacks());
  }
  // The functions of the first thread with this name.
  static std::vector<std::string> Functions(const ProcessStacks& stacks, const std::string& name) {
    std::vector<std::string> functions;
    for (const ThreadStack& thread : stacks.threads) {
      if (thread.name != name || !functions.empty()) continue;
      for (const StackFrame& frame : thread.frames) functions.push_back(frame.function);
    }
    return functions;
  }
  static void ExpectKnownPlaces(const ProcessStacks& stacks) {
    const std::string text = FormatStacks(stacks);
    EXPECT_TRUE(stacks.complete) << text;
    EXPECT_THAT(Functions(stacks, "spinner"), Contains("SpinForEver()")) << text;
    EXPECT_THAT(Functions(stacks, "philosopher-1"), Contains("LockBoth()")) << text;
    EXPECT_THAT(Functions(stacks, "philosopher-2"), Contains("LockBoth()")) << text;
    EXPECT_THAT(Functions(stacks, "stack_spinner"), Contains("WaitForSignals()")) << text;
    EXPECT_THAT(Functions(stacks, "stack_spinner"), Contains("main")) << text;
  }
  // The letter of /proc/<pid>/stat.
  char State() {
    const auto stat = ReadSmallFile(absl::StrCat("/proc/", child_.pid(), "/stat"));
    EXPECT_TRUE(stat.ok()) << stat.status();
    return stat.ok() ? (*stat)[stat->rfind(')') + 2] : '?';
  }

  coordinator::TestChild child_;
};

TEST_F(StackDumpTest, ThreadsThatSpinWaitAndSleepAreFoundWhereTheyAre) {
  const ProcessStacks stacks = Dump();
  ExpectKnownPlaces(stacks);
  ASSERT_FALSE(stacks.threads.empty());
  EXPECT_EQ(stacks.threads.front().tid, child_.pid());
  EXPECT_GT(stacks.stopped_for.count(), 0);
  bool located = false;
  for (const ThreadStack& thread : stacks.threads) {
    for (const StackFrame& frame : thread.frames) {
      located = located || absl::StartsWith(frame.location, "spinner.cc:");
    }
  }
  EXPECT_TRUE(located) << FormatStacks(stacks);
}

TEST_F(StackDumpTest, AHealthyProcessGoesOnAsBefore) {
  for (int i = 0; i < 5; ++i) ExpectKnownPlaces(Dump());
  EXPECT_NE(State(), 'T');
  EXPECT_NE(State(), 't');
  child_.Signal(SIGUSR1);  // no signal was lost or is left over: it dies of this one
  EXPECT_EQ(child_.Reap(), SIGUSR1);
}

TEST_F(StackDumpTest, AStoppedProcessIsSeenAndStaysStopped) {
  child_.Signal(SIGSTOP);
  siginfo_t info{};
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(child_.pid()), &info, WSTOPPED | WNOWAIT), 0);
  const ProcessStacks stacks = Dump();
  ExpectKnownPlaces(stacks);
  EXPECT_THAT(FormatStacks(stacks), HasSubstr("the process was stopped"));
  EXPECT_EQ(State(), 'T');
  child_.Signal(SIGCONT);
  EXPECT_THAT(FormatStacks(Dump()), Not(HasSubstr("the process was stopped")));
}

TEST_F(StackDumpTest, ADeadProcessIsNotFound) {
  const pid_t pid = child_.pid();
  child_.Signal(SIGKILL);
  child_.WaitForDeath();
  EXPECT_TRUE(absl::IsNotFound(TakeSnapshot(pid).status())) << TakeSnapshot(pid).status();
  child_.Reap();
  EXPECT_TRUE(absl::IsNotFound(TakeSnapshot(pid).status())) << TakeSnapshot(pid).status();
  std::string text;
  DumpStacks(pid, [&text](absl::string_view part) { absl::StrAppend(&text, part); });
  EXPECT_TRUE(absl::IsNotFound(DecodeStacks(text).status())) << text;
}

TEST_F(StackDumpTest, AProcessThatMayNotBeTracedIsToldApart) {
  // It can have one tracer.
  ASSERT_EQ(::ptrace(PTRACE_SEIZE, child_.pid(), nullptr, nullptr), 0);
  const absl::Status status = TakeSnapshot(child_.pid()).status();
  EXPECT_TRUE(absl::IsPermissionDenied(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("not permitted"));
}

}  // namespace
}  // namespace center::supervision
