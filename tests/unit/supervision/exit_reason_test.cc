#include "services/coordinator/supervision/exit_reason.h"

#include <gtest/gtest.h>

#include <chrono>
#include <csignal>

namespace center::supervision {
namespace {

using std::chrono::seconds;

class ExitReasonTest : public testing::Test {
 protected:
  ExitReasonTest() { slot.Start(now); }
  std::string Code(int code) { return DescribeExit(ProcessExit{.exit_code = code}, slot); }
  std::string Signal(int signal, bool core = false) {
    return DescribeExit(ProcessExit{.signal = signal, .core_dumped = core}, slot);
  }

  SteadyTime now{};
  Slot slot{SlotLimits{}, [] { return 0.5; }};
};

TEST_F(ExitReasonTest, Codes) {
  EXPECT_EQ(Code(3), "exited with code 3");
  EXPECT_EQ(Code(0), "exited with code 0 without being asked to");
}

TEST_F(ExitReasonTest, CodesOnRequest) {
  EXPECT_EQ(slot.Stop(now, false), SlotAction::kTerminate);
  EXPECT_EQ(Code(0), "stopped on request");
  EXPECT_EQ(Code(3), "exited with code 3 while it was being stopped");
}

TEST_F(ExitReasonTest, Signals) {
  EXPECT_EQ(Signal(SIGSEGV, true), "killed by SIGSEGV (core dumped)");
  EXPECT_EQ(Signal(SIGBUS), "killed by SIGBUS");
  EXPECT_EQ(Signal(SIGTERM), "killed by SIGTERM, not by Center");
  EXPECT_EQ(Signal(SIGKILL),
            "killed by SIGKILL, not by Center: out-of-memory killer or another user");
  EXPECT_EQ(Signal(40), "killed by signal 40");
}

TEST_F(ExitReasonTest, OurKillSaysWhy) {
  EXPECT_EQ(slot.Tick(now + seconds(10)), SlotAction::kKill);
  EXPECT_EQ(Signal(SIGKILL), "killed by Center: not ready within 10.0 s");
  // It was quicker than our signal.
  EXPECT_EQ(Code(1), "exited with code 1");
}

}  // namespace
}  // namespace center::supervision
