// Processes that an earlier supervisor launched.
#include <fcntl.h>

#include "tests/unit/supervision/supervisor_fixture.h"

namespace center::supervision {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class SupervisorAdoptTest : public SupervisorFixture {
 protected:
  static ScopedFd Pidfd() { return ScopedFd(::open("/dev/null", O_RDONLY | O_CLOEXEC)); }
  AdoptedProcess Living(uint32_t slot, int64_t pid) {
    return {.slot = slot,
            .pid = pid,
            .pidfd = Pidfd(),
            .token = "old",
            .start_time = clock.Wall() - absl::Seconds(100),
            .restarts = 3};
  }
  AdoptedProcess Dead(uint32_t slot, int64_t pid) {
    AdoptedProcess process = Living(slot, pid);
    process.pidfd.Reset();
    return process;
  }
  void Adopt(uint32_t slots, std::vector<AdoptedProcess> processes) {
    ServerPlan plan = Plan("s", slots);
    plan.examine = [this](uint32_t slot, const ProcessExit& /*exit*/) {
      examined.push_back(slot);
      Evidence evidence;
      evidence.recorded = recorded.has_value();
      evidence.end = FlightRecorder::End::kExit;
      evidence.end_value = recorded.value_or(0);
      return evidence;
    };
    ASSERT_TRUE(supervisor->Adopt(std::move(plan), std::move(processes)).ok());
  }
  static std::vector<AdoptedProcess> Two(AdoptedProcess first, AdoptedProcess second) {
    std::vector<AdoptedProcess> both;
    both.push_back(std::move(first));
    both.push_back(std::move(second));
    return both;
  }

  std::vector<uint32_t> examined;
  absl::optional<int> recorded;  // what the process has left behind
};

TEST_F(SupervisorAdoptTest, ALivingProcessIsTakenOverAsItIs) {
  Adopt(1, Two(Living(0, 7), Living(9, 8)));  // there is no slot 9
  EXPECT_EQ(launcher.launches, 0);
  EXPECT_EQ(Pid("s/0"), 7);
  EXPECT_EQ(State("s/0"), SlotState::kStarting);
  EXPECT_TRUE(View("s/0").adopted);
  EXPECT_EQ(View("s/0").restarts, 3u);
  EXPECT_FALSE(supervisor->Register("s/0", 7, "guess").ok());
  EXPECT_FALSE(supervisor->Register("s/0", 6, "old").ok());
  ASSERT_TRUE(supervisor->Register("s/0", 7, "old").ok());
  supervisor->SetReady("s/0");
  EXPECT_EQ(State("s/0"), SlotState::kReady);
  EXPECT_THAT(observer.Events(EventType::kWorkerAdopted),
              ElementsAre(HasSubstr("process 7, launched 100.0 s ago")));
  ASSERT_TRUE(supervisor->Register("s/0", 7, "old").ok());
  EXPECT_EQ(observer.Events(EventType::kWorkerAdopted).size(), 1u);
  supervisor->Release("s");
  EXPECT_EQ(launcher.launches, 0);
  EXPECT_FALSE(launcher.processes.contains(8));
}

TEST_F(SupervisorAdoptTest, AServerThatRunsCannotBeAdopted) {
  StartReady();
  EXPECT_TRUE(absl::IsAlreadyExists(supervisor->Adopt(Plan("s", 1), {})));
}

TEST_F(SupervisorAdoptTest, NothingIsLaunchedBeforeTheRelease) {
  Adopt(3, Two(Living(0, 7), Dead(1, 8)));
  launcher.Exit(7, {.known = false});
  Pass(std::chrono::seconds(30));
  EXPECT_EQ(launcher.launches, 0);
  EXPECT_EQ(State("s/0"), SlotState::kBackoff);
  EXPECT_EQ(deadline, SteadyTime::max()) << "nothing is due, so the timer must not spin";
  supervisor->Release("s");
  EXPECT_EQ(launcher.launches, 3);
  EXPECT_FALSE(View("s/0").adopted);
  supervisor->Release("s");
  EXPECT_EQ(launcher.launches, 3);
  EXPECT_EQ(View("s/0").restarts, 4u);
  EXPECT_EQ(View("s/1").restarts, 4u);
  EXPECT_EQ(View("s/2").restarts, 0u);
}

TEST_F(SupervisorAdoptTest, ADeathThatNobodySawIsSaidWithWhatIsKnown) {
  Adopt(2, Two(Living(0, 7), Dead(1, 8)));
  EXPECT_THAT(observer.Events(EventType::kWorkerDied), IsEmpty());
  recorded = 3;
  supervisor->Release("s");
  EXPECT_THAT(examined, ElementsAre(1));
  EXPECT_THAT(observer.Events(EventType::kWorkerDied),
              ElementsAre("s/1: died while there was no coordinator: exited with code 3"));
  EXPECT_EQ(View("s/1").last_exit->exit.pid, 8);
}

TEST_F(SupervisorAdoptTest, WhatNobodyKnowsIsSaidToBeUnknown) {
  Adopt(1, Two(Dead(0, 8), Dead(5, 9)));
  supervisor->Release("s");
  EXPECT_THAT(observer.Events(EventType::kWorkerDied), ElementsAre(HasSubstr("nobody could see")));
  EXPECT_FALSE(View("s/0").last_exit->exit.known);
  EXPECT_EQ(View("s/0").last_exit->cause, DeathCause::kUnknown);
  EXPECT_EQ(observer.events.front().details.count("exit_code"), 0u);
}

TEST_F(SupervisorAdoptTest, ADeathIsExplainedByWhatTheProcessLeftBehind) {
  Adopt(1, Two(Living(0, 7), Living(1, 8)));
  supervisor->Release("s");
  recorded = 4;
  launcher.Exit(7, {.known = false});
  EXPECT_THAT(observer.Events(EventType::kWorkerDied), ElementsAre("s/0: exited with code 4"));
}

TEST_F(SupervisorAdoptTest, OneThatDoesNotRegisterIsKilledAndReplaced) {
  Adopt(1, Two(Living(0, 7), Living(1, 8)));
  supervisor->Release("s");
  Pass(std::chrono::seconds(10));
  EXPECT_THAT(launcher.signals(7), Contains(SIGKILL));
  launcher.Exit(7, {.known = false});
  EXPECT_THAT(observer.Events(EventType::kWorkerDied),
              ElementsAre(HasSubstr("killed by Center: not ready within 10.0 s")));
  EXPECT_EQ(launcher.launches, 1);
}

TEST_F(SupervisorAdoptTest, OneThatFallsSilentLaterHangs) {
  Adopt(1, Two(Living(0, 7), Living(1, 8)));
  supervisor->Release("s");
  ASSERT_TRUE(supervisor->Register("s/0", 7, "old").ok());
  supervisor->SetReady("s/0");
  PassAlive(std::chrono::seconds(20), {"s/0"});
  EXPECT_THAT(launcher.signals(7), IsEmpty());
  Pass(std::chrono::seconds(6));
  EXPECT_THAT(launcher.signals(7), ElementsAre(SIGKILL));
}

TEST_F(SupervisorAdoptTest, AProcessThatCannotBeWatchedCountsAsDead) {
  launcher.adopt_error = absl::InternalError("no pidfd");
  Adopt(1, Two(Living(0, 7), Living(1, 8)));
  EXPECT_EQ(Pid("s/0"), 0);
  supervisor->Release("s");
  EXPECT_EQ(observer.Events(EventType::kWorkerDied).size(), 1u);
  EXPECT_EQ(launcher.launches, 1);
}

TEST_F(SupervisorAdoptTest, AHeldServerCanBeStopped) {
  Adopt(3, Two(Living(0, 7), Dead(1, 8)));
  ASSERT_TRUE(supervisor->Stop("s", false).ok());
  EXPECT_THAT(launcher.signals(7), ElementsAre(SIGTERM));
  EXPECT_EQ(observer.Events(EventType::kWorkerDied).size(), 1u);
  launcher.Exit(7, {.known = false});
  EXPECT_THAT(observer.stopped, ElementsAre("s"));
  EXPECT_EQ(launcher.launches, 0);
}

TEST_F(SupervisorAdoptTest, AHeldServerWithoutProcessesStopsAtOnce) {
  Adopt(2, {});
  ASSERT_TRUE(supervisor->Stop("s", false).ok());
  EXPECT_THAT(observer.stopped, ElementsAre("s"));
}

}  // namespace
}  // namespace center::supervision
