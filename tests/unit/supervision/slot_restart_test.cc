// What follows a death: by its kind, by the restart policy, and when the slot is to be replaced.
#include <gtest/gtest.h>

#include <chrono>

#include "services/coordinator/supervision/slot.h"

namespace center::supervision {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class SlotRestartTest : public testing::Test {
 protected:
  void Begin(RestartPolicy policy = RestartPolicy::kAlways) {
    limits.restart = policy;
    slot.SetLimits(limits);
    slot.Start(now);
  }
  void BecomeReady() {
    slot.Registered(now);
    slot.Ready(now);
    ASSERT_EQ(slot.state(), SlotState::kReady);
  }
  // Waits for the end of the pause; returns what is to be done then.
  SlotAction TickAtDeadline() {
    now = slot.deadline();
    return slot.Tick(now);
  }

  SteadyTime now{std::chrono::hours(1)};
  SlotLimits limits;
  Slot slot{limits, [] { return 0.5; }};
};

TEST_F(SlotRestartTest, CleanExitsOfReadyProcessesPauseButNeverFail) {
  Begin();
  for (const int expected_ms : {0, 100, 200, 400, 800, 1600, 3200}) {
    BecomeReady();
    slot.Died(now, DeathKind::kCleanExit);
    ASSERT_EQ(slot.state(), SlotState::kBackoff);
    EXPECT_EQ(slot.backoff(), milliseconds(expected_ms));
    EXPECT_EQ(TickAtDeadline(), SlotAction::kLaunch);
  }
}

TEST_F(SlotRestartTest, CleanExitsBeforeReadyFailTheSlot) {
  Begin();
  for (int i = 0; i < 4; ++i) {
    slot.Died(now, DeathKind::kCleanExit);
    EXPECT_EQ(TickAtDeadline(), SlotAction::kLaunch);
  }
  slot.Died(now, DeathKind::kCleanExit);
  EXPECT_EQ(slot.state(), SlotState::kFailed);
  EXPECT_EQ(slot.fail_cause(), FailCause::kStartLimit);
}

TEST_F(SlotRestartTest, HungProcessesNeverFailTheSlot) {
  limits.start_limit_window = std::chrono::hours(1);
  Begin();
  for (int i = 0; i < 10; ++i) {
    BecomeReady();
    ASSERT_EQ(TickAtDeadline(), SlotAction::kKill);
    ASSERT_EQ(slot.kill_cause(), KillCause::kHung);
    slot.Died(now, DeathKind::kHung);
    ASSERT_EQ(slot.state(), SlotState::kBackoff);
    ASSERT_EQ(TickAtDeadline(), SlotAction::kLaunch);
  }
}

TEST_F(SlotRestartTest, TasksThatKillNeverFailTheSlotAndHardlySlowIt) {
  Begin();
  for (const int expected_ms : {0, 100, 100, 100, 100, 100, 100}) {
    BecomeReady();
    slot.Died(now, DeathKind::kTask);
    ASSERT_EQ(slot.state(), SlotState::kBackoff);
    EXPECT_EQ(slot.backoff(), milliseconds(expected_ms));
    ASSERT_EQ(TickAtDeadline(), SlotAction::kLaunch);
  }
}

TEST_F(SlotRestartTest, OutOfMemoryWaitsEvenTheFirstTimeAndCounts) {
  Begin();
  for (int i = 0; i < 4; ++i) {
    slot.Died(now, DeathKind::kOutOfMemory);
    ASSERT_EQ(slot.state(), SlotState::kBackoff);
    EXPECT_GE(slot.backoff(), seconds(1));
    ASSERT_EQ(TickAtDeadline(), SlotAction::kLaunch);
  }
  slot.Died(now, DeathKind::kOutOfMemory);
  EXPECT_EQ(slot.state(), SlotState::kFailed);
}

TEST_F(SlotRestartTest, FatalExitFailsAtOnce) {
  Begin();
  slot.Died(now, DeathKind::kFatalExit);
  EXPECT_EQ(slot.state(), SlotState::kFailed);
  EXPECT_EQ(slot.fail_cause(), FailCause::kFatalExit);
  EXPECT_EQ(slot.deadline(), SteadyTime::max());
}

TEST_F(SlotRestartTest, OnFailureLetsACleanExitBe) {
  Begin(RestartPolicy::kOnFailure);
  BecomeReady();
  slot.Died(now, DeathKind::kCleanExit);
  EXPECT_EQ(slot.state(), SlotState::kStopped);
  EXPECT_FALSE(slot.stop_requested());
  EXPECT_EQ(slot.deadline(), SteadyTime::max());
}

TEST_F(SlotRestartTest, OnFailureRestartsAfterEverythingElse) {
  Begin(RestartPolicy::kOnFailure);
  slot.Died(now, DeathKind::kFailure);
  EXPECT_EQ(slot.state(), SlotState::kBackoff);
  EXPECT_EQ(slot.Tick(now), SlotAction::kLaunch);
}

TEST_F(SlotRestartTest, NeverStopsAfterACleanExitAndFailsAfterAnyOther) {
  Begin(RestartPolicy::kNever);
  slot.Died(now, DeathKind::kCleanExit);
  EXPECT_EQ(slot.state(), SlotState::kStopped);
  slot.Start(now);
  BecomeReady();
  slot.Died(now, DeathKind::kFailure);
  EXPECT_EQ(slot.state(), SlotState::kFailed);
  EXPECT_EQ(slot.fail_cause(), FailCause::kPolicy);
}

TEST_F(SlotRestartTest, NewPolicyHoldsForTheProcessThatLives) {
  Begin();
  BecomeReady();
  limits.restart = RestartPolicy::kNever;
  slot.SetLimits(limits);
  slot.Died(now, DeathKind::kFailure);
  EXPECT_EQ(slot.state(), SlotState::kFailed);
}

TEST_F(SlotRestartTest, ReplaceDrainsAndLaunchesWhenTheProcessHasGone) {
  Begin();
  BecomeReady();
  EXPECT_EQ(slot.Replace(now, false), SlotAction::kDrain);
  EXPECT_EQ(slot.state(), SlotState::kDraining);
  EXPECT_TRUE(slot.stop_requested());
  EXPECT_EQ(slot.Replace(now, false), SlotAction::kNone);
  slot.WorkerDrains(now);
  slot.Died(now, DeathKind::kCleanExit);
  EXPECT_EQ(slot.Tick(now), SlotAction::kLaunch);
  EXPECT_EQ(slot.state(), SlotState::kStarting);
  EXPECT_FALSE(slot.stop_requested());
  EXPECT_EQ(slot.deadline() - now, limits.start_timeout);
}

TEST_F(SlotRestartTest, ReplaceIsNoDeath) {
  Begin();
  for (int i = 0; i < 20; ++i) {
    BecomeReady();
    EXPECT_EQ(slot.Replace(now, false), SlotAction::kDrain);
    slot.Died(now, DeathKind::kFailure);  // however it ends
    EXPECT_EQ(slot.Tick(now), SlotAction::kLaunch);
  }
  slot.Died(now, DeathKind::kFailure);
  EXPECT_EQ(slot.backoff(), SteadyDuration::zero());
}

TEST_F(SlotRestartTest, ReplaceIgnoresThePolicy) {
  Begin(RestartPolicy::kNever);
  BecomeReady();
  EXPECT_EQ(slot.Replace(now, false), SlotAction::kDrain);
  slot.Died(now, DeathKind::kCleanExit);
  EXPECT_EQ(slot.Tick(now), SlotAction::kLaunch);
}

TEST_F(SlotRestartTest, ReplaceOfAFailedSlotTriesAgain) {
  Begin();
  slot.Died(now, DeathKind::kFatalExit);
  ASSERT_EQ(slot.state(), SlotState::kFailed);
  EXPECT_EQ(slot.Replace(now, false), SlotAction::kNone);
  EXPECT_EQ(slot.fail_cause(), FailCause::kNone);
  EXPECT_EQ(slot.Tick(now), SlotAction::kLaunch);
  EXPECT_EQ(slot.state(), SlotState::kStarting);
}

TEST_F(SlotRestartTest, ReplaceDuringBackoffLaunchesAtOnce) {
  Begin();
  slot.Died(now, DeathKind::kFailure);
  ASSERT_EQ(slot.Tick(now), SlotAction::kLaunch);
  slot.Died(now, DeathKind::kFailure);
  ASSERT_EQ(slot.Tick(now), SlotAction::kNone);
  EXPECT_EQ(slot.Replace(now, false), SlotAction::kNone);
  EXPECT_EQ(slot.Tick(now), SlotAction::kLaunch);
}

TEST_F(SlotRestartTest, StopTakesBackAReplace) {
  Begin();
  BecomeReady();
  EXPECT_EQ(slot.Replace(now, false), SlotAction::kDrain);
  EXPECT_EQ(slot.Stop(now, false), SlotAction::kNone);
  slot.Died(now, DeathKind::kCleanExit);
  EXPECT_EQ(slot.state(), SlotState::kStopped);
  EXPECT_EQ(slot.Tick(now), SlotAction::kNone);
}

TEST_F(SlotRestartTest, ReplaceTakesBackAStop) {
  Begin();
  BecomeReady();
  EXPECT_EQ(slot.Stop(now, false), SlotAction::kDrain);
  EXPECT_EQ(slot.Replace(now, false), SlotAction::kNone);
  slot.Died(now, DeathKind::kCleanExit);
  EXPECT_EQ(slot.Tick(now), SlotAction::kLaunch);
}

TEST_F(SlotRestartTest, ReplaceAtOnceHurriesAPatientOne) {
  Begin();
  BecomeReady();
  EXPECT_EQ(slot.Replace(now, false), SlotAction::kDrain);
  EXPECT_EQ(slot.Replace(now, true), SlotAction::kDrainNow);
}

TEST_F(SlotRestartTest, ReplaceOfAProcessThatDrainsByItselfWaitsForIt) {
  Begin();
  BecomeReady();
  slot.WorkerDrains(now);
  EXPECT_EQ(slot.Replace(now, false), SlotAction::kNone);
  slot.Died(now, DeathKind::kCleanExit);
  EXPECT_EQ(slot.Tick(now), SlotAction::kLaunch);
}

TEST_F(SlotRestartTest, DrainAndLivenessTimeoutAreThoseOfTheLaunch) {
  Begin();
  BecomeReady();
  limits.drain_timeout = seconds(100);
  limits.liveness_timeout = seconds(100);
  slot.SetLimits(limits);
  EXPECT_EQ(slot.deadline() - now, seconds(5));
  EXPECT_EQ(slot.Stop(now, false), SlotAction::kDrain);
  EXPECT_EQ(slot.drain_allowance(), seconds(12));
}

TEST_F(SlotRestartTest, NewStartTimeoutHoldsForTheProcessThatStarts) {
  Begin();
  limits.start_timeout = seconds(3);
  slot.SetLimits(limits);
  EXPECT_EQ(slot.deadline() - now, seconds(3));
  EXPECT_EQ(TickAtDeadline(), SlotAction::kKill);
  limits.start_timeout = seconds(30);
  slot.SetLimits(limits);  // it is being killed all the same
  EXPECT_EQ(slot.deadline() - now, limits.kill_repeat);
}

}  // namespace
}  // namespace center::supervision
