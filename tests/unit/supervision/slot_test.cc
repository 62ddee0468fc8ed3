#include "services/coordinator/supervision/slot.h"

#include <gtest/gtest.h>

#include <chrono>

namespace center::supervision {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class SlotTest : public testing::Test {
 protected:
  void StartReady() {
    slot.Start(now);
    slot.Registered(now);
    slot.Ready(now);
  }
  // The process dies; returns the pause before the next one, which is then launched.
  SteadyDuration DieAndRestart() {
    slot.Died(now, DeathKind::kFailure);
    EXPECT_EQ(slot.state(), SlotState::kBackoff);
    const SteadyDuration pause = slot.deadline() - now;
    EXPECT_EQ(pause, slot.backoff());
    if (pause > SteadyDuration::zero()) {
      EXPECT_EQ(slot.Tick(now), SlotAction::kNone);
      now += pause - milliseconds(1);
      EXPECT_EQ(slot.Tick(now), SlotAction::kNone);
      now += milliseconds(1);
    }
    EXPECT_EQ(slot.Tick(now), SlotAction::kLaunch);
    EXPECT_EQ(slot.state(), SlotState::kStarting);
    return pause;
  }
  // Fires what is due next.
  SlotAction TickAtDeadline() {
    now = slot.deadline();
    return slot.Tick(now);
  }

  double random = 0.5;
  SteadyTime now{std::chrono::hours(1)};
  SlotLimits limits;
  Slot slot{limits, [this] { return random; }};
};

TEST_F(SlotTest, BeginsStoppedWithNothingDue) {
  EXPECT_EQ(slot.state(), SlotState::kStopped);
  EXPECT_EQ(slot.deadline(), SteadyTime::max());
  EXPECT_EQ(slot.Tick(now), SlotAction::kNone);
}

TEST_F(SlotTest, BecomesReadyOnlyWhenRegistered) {
  slot.Start(now);
  slot.Ready(now);
  EXPECT_EQ(slot.state(), SlotState::kStarting);
  slot.Registered(now);
  EXPECT_EQ(slot.state(), SlotState::kStarting);
  slot.Ready(now);
  EXPECT_EQ(slot.state(), SlotState::kReady);
}

TEST_F(SlotTest, ProcessThatNeverBecomesReadyIsKilled) {
  slot.Start(now);
  slot.Registered(now);
  EXPECT_EQ(slot.deadline() - now, seconds(10));
  now += seconds(9);
  slot.Heartbeat(now);  // alive is not ready
  now += milliseconds(999);
  EXPECT_EQ(slot.Tick(now), SlotAction::kNone);
  now += milliseconds(1);
  EXPECT_EQ(slot.Tick(now), SlotAction::kKill);
  EXPECT_EQ(slot.kill_cause(), KillCause::kStartTimeout);
  EXPECT_EQ(slot.Tick(now), SlotAction::kNone);
  slot.Ready(now);  // too late
  EXPECT_EQ(slot.state(), SlotState::kStarting);
  slot.Died(now, DeathKind::kFailure);
  EXPECT_EQ(slot.state(), SlotState::kBackoff);
}

TEST_F(SlotTest, SilentProcessIsKilledAfterTheLivenessTimeout) {
  StartReady();
  now += seconds(4);
  slot.Heartbeat(now);
  EXPECT_EQ(slot.deadline() - now, seconds(5));
  now += milliseconds(4999);
  EXPECT_EQ(slot.Tick(now), SlotAction::kNone);
  now += milliseconds(1);
  EXPECT_EQ(slot.Tick(now), SlotAction::kKill);
  EXPECT_EQ(slot.kill_cause(), KillCause::kHung);
  EXPECT_EQ(slot.silence(), seconds(5));
}

TEST_F(SlotTest, KillIsRepeatedUntilTheProcessIsGone) {
  StartReady();
  EXPECT_EQ(TickAtDeadline(), SlotAction::kKill);
  EXPECT_EQ(slot.deadline() - now, seconds(5));
  slot.Heartbeat(now);  // does not save it
  EXPECT_EQ(TickAtDeadline(), SlotAction::kKill);
  EXPECT_EQ(slot.kill_cause(), KillCause::kHung);
  EXPECT_EQ(slot.silence(), seconds(5));
}

TEST_F(SlotTest, KillInDrainingKeepsItsFirstCause) {
  StartReady();
  EXPECT_EQ(TickAtDeadline(), SlotAction::kKill);
  EXPECT_EQ(slot.Stop(now, false), SlotAction::kNone);
  EXPECT_EQ(slot.state(), SlotState::kDraining);
  EXPECT_EQ(TickAtDeadline(), SlotAction::kKill);
  EXPECT_EQ(slot.kill_cause(), KillCause::kHung);
  slot.Died(now, DeathKind::kFailure);
  EXPECT_EQ(slot.state(), SlotState::kStopped);
}

TEST_F(SlotTest, FirstRestartIsImmediateThenThePauseDoubles) {
  limits.start_limit_deaths = 1000;
  limits.backoff_max = seconds(1);
  Slot other(limits, [] { return 0.5; });
  other.Start(now);
  for (const int expected_ms : {0, 100, 200, 400, 800, 1000, 1000, 1000}) {
    other.Died(now, DeathKind::kFailure);
    EXPECT_EQ(other.backoff(), milliseconds(expected_ms));
    now = other.deadline();
    EXPECT_EQ(other.Tick(now), SlotAction::kLaunch);
  }
}

TEST_F(SlotTest, PauseReachesThirtySecondsAndStaysThereForEver) {
  slot.Start(now);
  SteadyDuration pause{};
  for (int i = 0; i < 100; ++i) {
    pause = DieAndRestart();
    now += seconds(8);  // starts slowly: never five deaths in thirty seconds
  }
  EXPECT_EQ(pause, seconds(30));
}

TEST_F(SlotTest, JitterIsTenPercentToBothSides) {
  slot.Start(now);
  DieAndRestart();
  random = 0.0;
  EXPECT_EQ(DieAndRestart(), milliseconds(90));
  random = 0.999999999;
  const SteadyDuration pause = DieAndRestart();
  EXPECT_GT(pause, milliseconds(219));
  EXPECT_LE(pause, milliseconds(220));
}

TEST_F(SlotTest, BackoffIsForgottenAfterStableUptime) {
  slot.Start(now);
  DieAndRestart();
  EXPECT_EQ(DieAndRestart(), milliseconds(100));
  slot.Registered(now);
  slot.Ready(now);
  now += seconds(60);
  EXPECT_EQ(DieAndRestart(), milliseconds(0));
  EXPECT_EQ(DieAndRestart(), milliseconds(100));
}

TEST_F(SlotTest, BackoffIsNotForgottenBeforeStableUptime) {
  slot.Start(now);
  DieAndRestart();
  slot.Registered(now);
  slot.Ready(now);
  now += milliseconds(59'999);
  EXPECT_EQ(DieAndRestart(), milliseconds(100));
}

TEST_F(SlotTest, UptimeCountsFromReadyNotFromLaunch) {
  slot.Start(now);
  DieAndRestart();
  now += seconds(9);
  slot.Registered(now);
  slot.Ready(now);
  now += seconds(59);
  EXPECT_EQ(DieAndRestart(), milliseconds(100));
}

TEST_F(SlotTest, FifthDeathWithinThirtySecondsFails) {
  slot.Start(now);
  for (int i = 0; i < 4; ++i) DieAndRestart();
  slot.Died(now, DeathKind::kFailure);
  EXPECT_EQ(slot.state(), SlotState::kFailed);
  EXPECT_EQ(slot.deadline(), SteadyTime::max());
  EXPECT_EQ(slot.Tick(now + std::chrono::hours(1)), SlotAction::kNone);
  EXPECT_EQ(slot.state(), SlotState::kFailed);
}

TEST_F(SlotTest, FifthDeathAtTheEdgeOfTheWindow) {
  slot.Start(now);
  const SteadyTime first_death = now;
  for (int i = 0; i < 4; ++i) DieAndRestart();
  now = first_death + seconds(30);
  slot.Died(now, DeathKind::kFailure);
  EXPECT_EQ(slot.state(), SlotState::kFailed);
}

TEST_F(SlotTest, FifthDeathAfterTheWindowDoesNotFail) {
  slot.Start(now);
  const SteadyTime first_death = now;
  for (int i = 0; i < 4; ++i) DieAndRestart();
  now = first_death + seconds(30) + milliseconds(1);
  slot.Died(now, DeathKind::kFailure);
  EXPECT_EQ(slot.state(), SlotState::kBackoff);
}

TEST_F(SlotTest, StopOfFailedAndNewStartForgetsItsDeaths) {
  slot.Start(now);
  for (int i = 0; i < 4; ++i) DieAndRestart();
  slot.Died(now, DeathKind::kFailure);
  ASSERT_EQ(slot.state(), SlotState::kFailed);
  EXPECT_EQ(slot.Stop(now, false), SlotAction::kNone);
  EXPECT_EQ(slot.state(), SlotState::kStopped);
  slot.Start(now);
  EXPECT_EQ(DieAndRestart(), milliseconds(0));
}

TEST_F(SlotTest, StopDuringBackoffStopsAtOnceAndLaunchesNothing) {
  slot.Start(now);
  DieAndRestart();
  slot.Died(now, DeathKind::kFailure);
  ASSERT_EQ(slot.state(), SlotState::kBackoff);
  EXPECT_EQ(slot.Stop(now, false), SlotAction::kNone);
  EXPECT_EQ(slot.state(), SlotState::kStopped);
  EXPECT_EQ(slot.deadline(), SteadyTime::max());
  EXPECT_EQ(slot.Tick(now + seconds(100)), SlotAction::kNone);
}

TEST_F(SlotTest, StopBeforeRegistrationSendsOneSigtermThenKills) {
  slot.Start(now);
  EXPECT_EQ(slot.Stop(now, false), SlotAction::kTerminate);
  EXPECT_EQ(slot.state(), SlotState::kDraining);
  EXPECT_EQ(slot.Stop(now, false), SlotAction::kNone);
  // No second SIGTERM: that would mean "do not wait".
  EXPECT_EQ(slot.deadline() - now, seconds(12));
  EXPECT_EQ(TickAtDeadline(), SlotAction::kKill);
  EXPECT_EQ(slot.kill_cause(), KillCause::kDrainTimeout);
}

TEST_F(SlotTest, StopOfReadyDrainsOverTheStream) {
  StartReady();
  EXPECT_EQ(slot.Stop(now, false), SlotAction::kDrain);
  EXPECT_EQ(slot.state(), SlotState::kDraining);
  slot.WorkerDrains(now);
  slot.Died(now, DeathKind::kFailure);
  EXPECT_EQ(slot.state(), SlotState::kStopped);
}

TEST_F(SlotTest, UnconfirmedDrainIsFollowedBySigterm) {
  StartReady();
  EXPECT_EQ(slot.Stop(now, false), SlotAction::kDrain);
  EXPECT_EQ(slot.deadline() - now, seconds(1));
  EXPECT_EQ(TickAtDeadline(), SlotAction::kTerminate);
  EXPECT_EQ(slot.Tick(now), SlotAction::kNone);
}

TEST_F(SlotTest, ConfirmedDrainIsNotFollowedBySigtermButByKill) {
  StartReady();
  const SteadyTime asked = now;
  EXPECT_EQ(slot.Stop(now, false), SlotAction::kDrain);
  slot.WorkerDrains(now);
  for (int i = 0; i < 11; ++i) {
    now += seconds(1);
    slot.Heartbeat(now);
    EXPECT_EQ(slot.Tick(now), SlotAction::kNone);
  }
  EXPECT_EQ(slot.deadline() - asked, seconds(12));
  EXPECT_EQ(TickAtDeadline(), SlotAction::kKill);
  EXPECT_EQ(slot.kill_cause(), KillCause::kDrainTimeout);
}

TEST_F(SlotTest, WorkerThatHangsWhileItDrainsIsKilled) {
  StartReady();
  EXPECT_EQ(slot.Stop(now, false), SlotAction::kDrain);
  slot.WorkerDrains(now);
  now += seconds(5);
  EXPECT_EQ(slot.Tick(now), SlotAction::kKill);
  EXPECT_EQ(slot.kill_cause(), KillCause::kHung);
}

TEST_F(SlotTest, StreamThatBreaksAfterTheRequestToDrainIsFollowedBySigterm) {
  StartReady();
  EXPECT_EQ(slot.Stop(now, false), SlotAction::kDrain);
  EXPECT_EQ(slot.Disconnected(now), SlotAction::kTerminate);
  EXPECT_EQ(slot.Disconnected(now), SlotAction::kNone);
}

TEST_F(SlotTest, StreamThatBreaksWhileItDrainsNeedsNoSignal) {
  StartReady();
  EXPECT_EQ(slot.Stop(now, false), SlotAction::kDrain);
  slot.WorkerDrains(now);
  EXPECT_EQ(slot.Disconnected(now), SlotAction::kNone);
}

TEST_F(SlotTest, BrokenStreamAloneChangesNothingUntilTheLivenessTimeout) {
  StartReady();
  EXPECT_EQ(slot.Disconnected(now), SlotAction::kNone);
  EXPECT_EQ(slot.state(), SlotState::kReady);
  now += seconds(3);
  slot.Heartbeat(now);  // not registered: does not count
  slot.Registered(now);
  EXPECT_EQ(slot.deadline() - now, seconds(5));
  EXPECT_EQ(slot.Disconnected(now), SlotAction::kNone);
  EXPECT_EQ(TickAtDeadline(), SlotAction::kKill);
}

TEST_F(SlotTest, StopAtOnceHasOnlyTheGrace) {
  StartReady();
  EXPECT_EQ(slot.Stop(now, true), SlotAction::kDrainNow);
  slot.WorkerDrains(now);
  EXPECT_EQ(slot.deadline() - now, seconds(2));
  EXPECT_EQ(TickAtDeadline(), SlotAction::kKill);
  EXPECT_EQ(slot.kill_cause(), KillCause::kStopNow);
}

TEST_F(SlotTest, StopAtOnceBeforeRegistrationSendsTwoSigterms) {
  slot.Start(now);
  EXPECT_EQ(slot.Stop(now, true), SlotAction::kTerminate);
  EXPECT_EQ(slot.deadline() - now, seconds(1));
  EXPECT_EQ(TickAtDeadline(), SlotAction::kTerminate);
  EXPECT_EQ(slot.deadline() - now, seconds(1));
  EXPECT_EQ(TickAtDeadline(), SlotAction::kKill);
}

TEST_F(SlotTest, StopMayBecomeStopAtOnce) {
  StartReady();
  EXPECT_EQ(slot.Stop(now, false), SlotAction::kDrain);
  slot.WorkerDrains(now);
  now += seconds(3);
  slot.Heartbeat(now);
  EXPECT_EQ(slot.Stop(now, true), SlotAction::kDrainNow);
  EXPECT_EQ(slot.deadline() - now, seconds(2));
  EXPECT_EQ(slot.Stop(now, false), SlotAction::kNone);
  EXPECT_EQ(slot.Stop(now, true), SlotAction::kNone);
}

TEST_F(SlotTest, WorkerThatDrainsByItselfIsRestarted) {
  StartReady();
  slot.WorkerDrains(now);
  EXPECT_EQ(slot.state(), SlotState::kDraining);
  EXPECT_FALSE(slot.stop_requested());
  slot.Ready(now);  // no way back
  EXPECT_EQ(slot.state(), SlotState::kDraining);
  EXPECT_EQ(DieAndRestart(), milliseconds(0));
}

TEST_F(SlotTest, StopOfAWorkerThatDrainsByItselfStopsIt) {
  StartReady();
  slot.WorkerDrains(now);
  EXPECT_EQ(slot.Stop(now, false), SlotAction::kNone);
  slot.Died(now, DeathKind::kFailure);
  EXPECT_EQ(slot.state(), SlotState::kStopped);
}

TEST_F(SlotTest, ReportsOfADeadProcessAreIgnored) {
  StartReady();
  slot.Died(now, DeathKind::kFailure);
  ASSERT_EQ(slot.state(), SlotState::kBackoff);
  slot.Ready(now);
  slot.Heartbeat(now);
  slot.WorkerDrains(now);
  EXPECT_EQ(slot.Disconnected(now), SlotAction::kNone);
  EXPECT_EQ(slot.state(), SlotState::kBackoff);
}

TEST_F(SlotTest, ForgivenSilenceStartsAnew) {
  StartReady();
  now += seconds(7);
  slot.Forgive(now);
  EXPECT_EQ(slot.Tick(now), SlotAction::kNone);
  EXPECT_EQ(slot.deadline() - now, seconds(5));
}

}  // namespace
}  // namespace center::supervision
