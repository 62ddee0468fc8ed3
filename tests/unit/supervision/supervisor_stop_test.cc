// How servers end.
#include "tests/unit/supervision/supervisor_fixture.h"

namespace center::supervision {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;

using SupervisorStopTest = SupervisorFixture;

TEST_F(SupervisorStopTest, UnknownServerIsNotFound) {
  EXPECT_EQ(supervisor->Stop("s", false).code(), absl::StatusCode::kNotFound);
}

TEST_F(SupervisorStopTest, DrainsEveryWorkerAndReportsOnceAllAreGone) {
  StartReady(2);
  ASSERT_TRUE(supervisor->Stop("s", false).ok());
  EXPECT_THAT(observer.drains, ElementsAre("s/0", "s/1"));
  EXPECT_EQ(State("s/0"), SlotState::kDraining);
  supervisor->Draining("s/0");
  supervisor->Draining("s/1");
  launcher.ExitWithCode(Pid("s/0"), 0);
  EXPECT_EQ(State("s/0"), SlotState::kStopped);
  EXPECT_TRUE(View("s/0").last_exit->requested);
  EXPECT_THAT(observer.stopped, IsEmpty());
  EXPECT_EQ(supervisor->Start(Plan("s", 1)).code(), absl::StatusCode::kAlreadyExists);
  launcher.ExitWithCode(Pid("s/1"), 0);
  EXPECT_THAT(observer.stopped, ElementsAre("s"));
  EXPECT_THAT(observer.Events(EventType::kWorkerStopped),
              ElementsAre("s/0: stopped on request", "s/1: stopped on request"));
  EXPECT_THAT(observer.Events(EventType::kWorkerDied), IsEmpty());
  EXPECT_THAT(supervisor->Slots("s"), IsEmpty());
  EXPECT_EQ(supervisor->Tick(), SteadyTime::max());
  EXPECT_EQ(launcher.launches, 2);
}

TEST_F(SupervisorStopTest, OneServerOnly) {
  StartReady();
  ASSERT_TRUE(supervisor->Start(Plan("t", 1)).ok());
  ASSERT_TRUE(supervisor->Stop("s", false).ok());
  launcher.ExitWithCode(Pid("s/0"), 0);
  EXPECT_EQ(State("t/0"), SlotState::kStarting);
}

TEST_F(SupervisorStopTest, WhileStartingSendsSigterm) {
  ASSERT_TRUE(supervisor->Start(Plan("s", 1)).ok());
  const int64_t pid = Pid("s/0");
  ASSERT_TRUE(supervisor->Stop("s", false).ok());
  EXPECT_THAT(observer.drains, IsEmpty());
  EXPECT_THAT(launcher.signals(pid), ElementsAre(SIGTERM));
  launcher.DieOf(pid, SIGTERM);
  EXPECT_THAT(observer.stopped, ElementsAre("s"));
  EXPECT_THAT(observer.Events(EventType::kWorkerStopped),
              ElementsAre("s/0: stopped on request, by SIGTERM before it was up"));
}

TEST_F(SupervisorStopTest, DuringBackoffIsDoneAtOnce) {
  ASSERT_TRUE(supervisor->Start(Plan("s", 1)).ok());
  launcher.ExitWithCode(Pid("s/0"), 1);
  launcher.ExitWithCode(Pid("s/0"), 1);
  ASSERT_EQ(State("s/0"), SlotState::kBackoff);
  ASSERT_TRUE(supervisor->Stop("s", false).ok());
  EXPECT_THAT(observer.stopped, ElementsAre("s"));
  EXPECT_EQ(observer.changes.back(), "s/0 STOPPED");
  Pass(seconds(100));
  EXPECT_EQ(launcher.launches, 2);
}

TEST_F(SupervisorStopTest, FailedServerIsStoppedAtOnceAndMayStartAgain) {
  ASSERT_TRUE(supervisor->Start(Plan("s", 1)).ok());
  for (int i = 0; i < 5; ++i) {
    launcher.ExitWithCode(Pid("s/0"), 1);
    Pass(seconds(1));
  }
  ASSERT_EQ(State("s/0"), SlotState::kFailed);
  ASSERT_TRUE(supervisor->Stop("s", false).ok());
  EXPECT_THAT(observer.stopped, ElementsAre("s"));
  ASSERT_TRUE(supervisor->Start(Plan("s", 1)).ok());
  EXPECT_EQ(State("s/0"), SlotState::kStarting);
}

TEST_F(SupervisorStopTest, CrashWhileDrainingIsNotRestarted) {
  StartReady();
  ASSERT_TRUE(supervisor->Stop("s", false).ok());
  launcher.DieOf(Pid("s/0"), SIGABRT);
  EXPECT_THAT(observer.stopped, ElementsAre("s"));
  EXPECT_THAT(observer.Events(EventType::kWorkerStopped), ElementsAre("s/0: killed by SIGABRT"));
  EXPECT_EQ(launcher.launches, 1);
}

TEST_F(SupervisorStopTest, DrainTimeoutAndGraceEndInSigkill) {
  StartReady();
  const int64_t pid = Pid("s/0");
  ASSERT_TRUE(supervisor->Stop("s", false).ok());
  supervisor->Draining("s/0");
  PassAlive(seconds(11), {"s/0"});
  EXPECT_THAT(launcher.signals(pid), IsEmpty());
  PassAlive(seconds(1), {"s/0"});
  EXPECT_THAT(launcher.signals(pid), ElementsAre(SIGKILL));
  launcher.DieOf(pid, SIGKILL);
  EXPECT_THAT(observer.Events(EventType::kWorkerStopped),
              ElementsAre("s/0: killed by Center: still draining after 12.0 s"));
  EXPECT_THAT(observer.stopped, ElementsAre("s"));
}

TEST_F(SupervisorStopTest, DrainTimeoutIsThePlans) {
  ServerPlan plan = Plan("s", 1);
  plan.drain_timeout = absl::Seconds(1);
  ASSERT_TRUE(supervisor->Start(plan).ok());
  MakeReady("s/0");
  ASSERT_TRUE(supervisor->Stop("s", false).ok());
  supervisor->Draining("s/0");
  Pass(seconds(3));
  EXPECT_THAT(launcher.signals(Pid("s/0")), ElementsAre(SIGKILL));
}

TEST_F(SupervisorStopTest, NowHasTheGraceOnly) {
  StartReady();
  const int64_t pid = Pid("s/0");
  ASSERT_TRUE(supervisor->Stop("s", true).ok());
  EXPECT_THAT(observer.drains, ElementsAre("s/0 now"));
  Pass(seconds(2));
  EXPECT_THAT(launcher.signals(pid), ElementsAre(SIGTERM, SIGKILL));
  launcher.DieOf(pid, SIGKILL);
  EXPECT_THAT(observer.Events(EventType::kWorkerStopped),
              ElementsAre("s/0: killed by Center: told to stop at once, still there after 2.0 s"));
}

TEST_F(SupervisorStopTest, NowAfterAPatientStopHurries) {
  StartReady();
  ASSERT_TRUE(supervisor->Stop("s", false).ok());
  supervisor->Draining("s/0");
  ASSERT_TRUE(supervisor->Stop("s", true).ok());
  ASSERT_TRUE(supervisor->Stop("s", true).ok());
  EXPECT_THAT(observer.drains, ElementsAre("s/0", "s/0 now"));
}

TEST_F(SupervisorStopTest, UnansweredDrainIsFollowedBySigterm) {
  StartReady();
  ASSERT_TRUE(supervisor->Stop("s", false).ok());
  Pass(seconds(1));
  EXPECT_THAT(launcher.signals(Pid("s/0")), ElementsAre(SIGTERM));
}

TEST_F(SupervisorStopTest, BrokenStreamIsDrainedBySigterm) {
  StartReady();
  supervisor->Disconnected("s/0");
  ASSERT_TRUE(supervisor->Stop("s", false).ok());
  EXPECT_THAT(observer.drains, IsEmpty());
  EXPECT_THAT(launcher.signals(Pid("s/0")), ElementsAre(SIGTERM));
}

}  // namespace
}  // namespace center::supervision
