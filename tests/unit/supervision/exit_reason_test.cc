#include "services/coordinator/supervision/exit_reason.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>

namespace center::supervision {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;

constexpr SignalSender kBash{.pid = 4711, .uid = 5, .command = "bash"};

class ExitReasonTest : public testing::Test {
 protected:
  ExitReasonTest() { slot.Start(now); }
  Death Of(const ProcessExit& exit) { return DescribeDeath(exit, slot, evidence); }
  std::string Code(int code) { return Of(ProcessExit{.exit_code = code}).reason; }
  std::string Signal(int signal, bool core = false) {
    return Of(ProcessExit{.signal = signal, .core_dumped = core}).reason;
  }
  DeathCause CauseOfCode(int code) { return Of(ProcessExit{.exit_code = code}).cause; }
  DeathCause CauseOfSignal(int signal) { return Of(ProcessExit{.signal = signal}).cause; }

  SteadyTime now{};
  Slot slot{SlotLimits{}, [] { return 0.5; }};
  Evidence evidence;
};

TEST_F(ExitReasonTest, Codes) {
  EXPECT_EQ(Code(3), "exited with code 3");
  EXPECT_EQ(CauseOfCode(3), DeathCause::kErrorExit);
  EXPECT_EQ(Code(0), "exited with code 0 without being asked to");
  EXPECT_EQ(CauseOfCode(0), DeathCause::kCleanExit);
}

TEST_F(ExitReasonTest, CodesOnRequest) {
  EXPECT_EQ(slot.Stop(now, false), SlotAction::kTerminate);
  EXPECT_EQ(Code(0), "stopped on request");
  EXPECT_EQ(CauseOfCode(0), DeathCause::kRequested);
  EXPECT_EQ(Code(3), "exited with code 3 while it was being stopped");
  EXPECT_EQ(CauseOfCode(3), DeathCause::kErrorExit);
  EXPECT_EQ(Signal(SIGTERM), "stopped on request, by SIGTERM before it was up");
  EXPECT_EQ(CauseOfSignal(SIGTERM), DeathCause::kRequested);
}

TEST_F(ExitReasonTest, WhoAskedItToEndIsNamed) {
  evidence = {.recorded = true, .end = FlightRecorder::End::kExit, .sender = kBash};
  EXPECT_EQ(Code(0), "exited with code 0, asked to by process 4711 (bash), uid 5");
  EXPECT_EQ(Of(ProcessExit{}).ended_by, "process 4711 (bash), uid 5");
  EXPECT_EQ(CauseOfCode(0), DeathCause::kCleanExit);
}

TEST_F(ExitReasonTest, AnExitBehindTheWorkersBackIsSaid) {
  evidence = {.recorded = true};
  EXPECT_THAT(Code(3), HasSubstr("by a call of exit() that is not the worker's own"));
  evidence.end = FlightRecorder::End::kExit;
  EXPECT_EQ(Code(3), "exited with code 3");
}

TEST_F(ExitReasonTest, Signals) {
  EXPECT_EQ(Signal(SIGSEGV, true), "killed by SIGSEGV (core dumped)");
  EXPECT_EQ(Signal(SIGBUS), "killed by SIGBUS");
  EXPECT_EQ(CauseOfSignal(SIGBUS), DeathCause::kCrash);
  EXPECT_EQ(Signal(SIGTERM), "killed by SIGTERM, not by Center");
  EXPECT_EQ(CauseOfSignal(SIGTERM), DeathCause::kKilled);
  EXPECT_EQ(Signal(SIGKILL),
            "killed by SIGKILL, not by Center: out-of-memory killer or another user");
  EXPECT_EQ(CauseOfSignal(SIGKILL), DeathCause::kKilled);
  EXPECT_EQ(Signal(40), "killed by signal 40, not by Center");
}

TEST_F(ExitReasonTest, AFaultThatWasSentIsNoCrash) {
  evidence = {.recorded = true, .end = FlightRecorder::End::kSignal, .sender = kBash};
  const Death death = Of(ProcessExit{.signal = SIGABRT});
  EXPECT_EQ(death.reason, "killed by SIGABRT, sent by process 4711 (bash), uid 5");
  EXPECT_EQ(death.cause, DeathCause::kKilled);
  EXPECT_EQ(death.ended_by, "process 4711 (bash), uid 5");
}

TEST_F(ExitReasonTest, OutOfMemoryIsToldFromAnotherUsersKill) {
  evidence.oom = {OomVerdict::Kind::kKilled, "cgroup /a counts 3 kills"};
  EXPECT_EQ(CauseOfSignal(SIGKILL), DeathCause::kOutOfMemory);
  EXPECT_THAT(Signal(SIGKILL), HasSubstr("out-of-memory killer (SIGKILL): cgroup /a counts 3"));
  evidence.oom = {OomVerdict::Kind::kNotKilled, "cgroup /a counts none"};
  EXPECT_EQ(CauseOfSignal(SIGKILL), DeathCause::kKilled);
  EXPECT_THAT(Signal(SIGKILL), HasSubstr("neither by Center nor by the out-of-memory killer"));
  evidence.oom = {OomVerdict::Kind::kCannotTell, "no cgroup is mounted"};
  EXPECT_EQ(CauseOfSignal(SIGKILL), DeathCause::kKilled);
  EXPECT_THAT(Signal(SIGKILL), HasSubstr("(cannot tell: no cgroup is mounted)"));
}

TEST_F(ExitReasonTest, WhatItWasRunningIsSaid) {
  evidence.running = {"job j7 countdown, input 4711", "chunk 5, input 1"};
  EXPECT_EQ(Signal(SIGSEGV),
            "killed by SIGSEGV, while running job j7 countdown, input 4711; chunk 5, input 1");
}

TEST_F(ExitReasonTest, OurKillSaysWhy) {
  EXPECT_EQ(slot.Tick(now + seconds(10)), SlotAction::kKill);
  const Death death = Of(ProcessExit{.signal = SIGKILL});
  EXPECT_EQ(death.reason, "killed by Center: not ready within 10.0 s");
  EXPECT_EQ(death.cause, DeathCause::kStartTimeout);
  EXPECT_EQ(death.ended_by, "Center");
  // It was quicker than our signal.
  EXPECT_EQ(Code(1), "exited with code 1");
}

TEST_F(ExitReasonTest, AnExitThatNobodySawIsToldByTheProcessItself) {
  const ProcessExit unseen{.known = false};
  EXPECT_EQ(Of(unseen).cause, DeathCause::kUnknown);
  EXPECT_EQ(Of(unseen).reason, "gone; nobody could see how");
  evidence = {.recorded = true, .end = FlightRecorder::End::kExit, .end_value = 3};
  EXPECT_EQ(Of(unseen).reason, "exited with code 3");
  evidence = {.recorded = true, .end = FlightRecorder::End::kSignal, .end_value = SIGSEGV};
  EXPECT_EQ(Of(unseen).reason, "killed by SIGSEGV");
  EXPECT_EQ(Of(unseen).cause, DeathCause::kCrash);
  evidence = {.recorded = true};
  EXPECT_THAT(Of(unseen).reason, HasSubstr("without a word, so by SIGKILL"));
  evidence.oom = {OomVerdict::Kind::kKilled, "cgroup /a"};
  EXPECT_EQ(Of(unseen).cause, DeathCause::kOutOfMemory);
}

}  // namespace
}  // namespace center::supervision
