// Slots that come and go while the server runs, and new settings for it.
#include "tests/unit/supervision/supervisor_fixture.h"

namespace center::supervision {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

using SupervisorScaleTest = SupervisorFixture;

TEST_F(SupervisorScaleTest, UpLaunchesOnlyTheNewSlots) {
  StartReady(2);
  const int64_t pid = Pid("s/0");
  ASSERT_TRUE(supervisor->Scale("s", 4, false).ok());
  EXPECT_EQ(launcher.launches, 4);
  EXPECT_EQ(Pid("s/0"), pid);
  EXPECT_EQ(State("s/3"), SlotState::kStarting);
  MakeReady("s/3");
  EXPECT_THAT(observer.drains, IsEmpty());
}

TEST_F(SupervisorScaleTest, DownDrainsTheHighestSlotsAndForgetsThemWhenTheyHaveEnded) {
  StartReady(4);
  const int64_t second = Pid("s/2");
  const int64_t third = Pid("s/3");
  ASSERT_TRUE(supervisor->Scale("s", 2, false).ok());
  EXPECT_THAT(observer.drains, ElementsAre("s/2", "s/3"));
  EXPECT_THAT(supervisor->Slots("s"), SizeIs(4));
  EXPECT_TRUE(View("s/3").leaving);
  EXPECT_FALSE(View("s/1").leaving);
  launcher.ExitWithCode(second, 0);  // not the last one: its place is kept
  EXPECT_THAT(supervisor->Slots("s"), SizeIs(4));
  launcher.ExitWithCode(third, 0);
  EXPECT_THAT(supervisor->Slots("s"), SizeIs(2));
  EXPECT_THAT(observer.stopped, IsEmpty());
  EXPECT_EQ(launcher.launches, 4);
  EXPECT_THAT(observer.Events(EventType::kWorkerDraining),
              ElementsAre("s/2: asked to finish: the server is scaled down",
                          "s/3: asked to finish: the server is scaled down"));
}

TEST_F(SupervisorScaleTest, DownAtOnceDoesNotWaitForConnections) {
  StartReady(2);
  ASSERT_TRUE(supervisor->Scale("s", 1, true).ok());
  EXPECT_THAT(observer.drains, ElementsAre("s/1 now"));
}

TEST_F(SupervisorScaleTest, DownAgainAtOnceHurries) {
  StartReady(2);
  ASSERT_TRUE(supervisor->Scale("s", 1, false).ok());
  ASSERT_TRUE(supervisor->Scale("s", 1, true).ok());
  EXPECT_THAT(observer.drains, ElementsAre("s/1", "s/1 now"));
}

TEST_F(SupervisorScaleTest, SlotWithoutAProcessGoesAtOnce) {
  StartReady(2);
  launcher.ExitWithCode(Pid("s/1"), 2);
  ASSERT_EQ(State("s/1"), SlotState::kFailed);
  ASSERT_TRUE(supervisor->Scale("s", 1, false).ok());
  EXPECT_THAT(supervisor->Slots("s"), SizeIs(1));
}

TEST_F(SupervisorScaleTest, UpWhileItDrainsLaunchesANewProcessAfterTheOldOne) {
  StartReady(2);
  const int64_t pid = Pid("s/1");
  ASSERT_TRUE(supervisor->Scale("s", 1, false).ok());
  ASSERT_TRUE(supervisor->Scale("s", 2, false).ok());
  EXPECT_FALSE(View("s/1").leaving);
  EXPECT_EQ(launcher.launches, 2);  // one journal, one process
  launcher.ExitWithCode(pid, 0);
  EXPECT_EQ(State("s/1"), SlotState::kStarting);
  MakeReady("s/1");
}

TEST_F(SupervisorScaleTest, UpTakesBackAStoppedSlotThatWaitsForAHigherOne) {
  StartReady(3);
  const int64_t first = Pid("s/1");
  const int64_t second = Pid("s/2");
  ASSERT_TRUE(supervisor->Scale("s", 1, false).ok());
  launcher.ExitWithCode(first, 0);
  ASSERT_TRUE(supervisor->Scale("s", 2, false).ok());
  EXPECT_EQ(State("s/1"), SlotState::kStarting);
  launcher.ExitWithCode(second, 0);
  EXPECT_THAT(supervisor->Slots("s"), SizeIs(2));
}

TEST_F(SupervisorScaleTest, DeathOfASlotThatGoesIsNoDeath) {
  StartReady(2);
  ASSERT_TRUE(supervisor->Scale("s", 1, false).ok());
  launcher.DieOf(Pid("s/1"), SIGSEGV);
  EXPECT_THAT(supervisor->Slots("s"), SizeIs(1));
  EXPECT_THAT(observer.Events(EventType::kWorkerDied), IsEmpty());
}

TEST_F(SupervisorScaleTest, StopWhileScalingDownEndsAll) {
  StartReady(2);
  const int64_t zero = Pid("s/0");
  const int64_t one = Pid("s/1");
  ASSERT_TRUE(supervisor->Scale("s", 1, false).ok());
  ASSERT_TRUE(supervisor->Stop("s", false).ok());
  launcher.ExitWithCode(zero, 0);
  EXPECT_THAT(observer.stopped, IsEmpty());
  launcher.ExitWithCode(one, 0);
  EXPECT_THAT(observer.stopped, ElementsAre("s"));
}

TEST_F(SupervisorScaleTest, RefusesWhatIsImpossible) {
  EXPECT_EQ(supervisor->Scale("s", 1, false).code(), absl::StatusCode::kNotFound);
  StartReady(1);
  EXPECT_EQ(supervisor->Scale("s", 0, false).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(supervisor->Scale("s", 257, false).code(), absl::StatusCode::kInvalidArgument);
  ASSERT_TRUE(supervisor->Stop("s", false).ok());
  EXPECT_EQ(supervisor->Scale("s", 2, false).code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(SupervisorScaleTest, NewSlotThatCannotBeLaunchedIsRetried) {
  StartReady(1);
  launcher.launch_error = absl::ResourceExhaustedError("EAGAIN");
  ASSERT_TRUE(supervisor->Scale("s", 2, false).ok());
  EXPECT_EQ(State("s/1"), SlotState::kBackoff);
  launcher.launch_error = absl::OkStatus();
  Pass(seconds(1));
  EXPECT_EQ(State("s/1"), SlotState::kStarting);
}

TEST_F(SupervisorScaleTest, NewPlanHoldsForLaterLaunches) {
  StartReady(1);
  EXPECT_EQ(View("s/0").generation, 0);
  ServerPlan plan = Plan("s", 99);
  plan.generation = 7;
  plan.start_timeout = absl::Seconds(2);
  ASSERT_TRUE(supervisor->SetPlan(plan).ok());
  EXPECT_EQ(View("s/0").generation, 0);
  EXPECT_THAT(supervisor->Slots("s"), SizeIs(1));
  launcher.DieOf(Pid("s/0"), SIGKILL);
  EXPECT_EQ(View("s/0").generation, 7);
  Pass(seconds(2));
  EXPECT_THAT(launcher.signals(Pid("s/0")), ElementsAre(SIGKILL));
}

TEST_F(SupervisorScaleTest, NewPolicyHoldsAtOnce) {
  StartReady(1);
  ServerPlan plan = Plan("s", 1);
  plan.restart = RestartPolicy::kOnFailure;
  ASSERT_TRUE(supervisor->SetPlan(plan).ok());
  launcher.ExitWithCode(Pid("s/0"), 0);
  EXPECT_EQ(State("s/0"), SlotState::kStopped);
  EXPECT_THAT(observer.Events(EventType::kWorkerStopped),
              ElementsAre("s/0: not restarted: so its restart policy says"));
}

TEST_F(SupervisorScaleTest, NewPlanIsChecked) {
  EXPECT_EQ(supervisor->SetPlan(Plan("s", 1)).code(), absl::StatusCode::kNotFound);
  StartReady(1);
  ServerPlan plan = Plan("s", 1);
  plan.launch = nullptr;
  EXPECT_EQ(supervisor->SetPlan(plan).code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(SupervisorScaleTest, UsageErrorFailsTheSlotAtOnceAndTheOthersGoOn) {
  StartReady(2);
  launcher.ExitWithCode(Pid("s/1"), 2);
  EXPECT_EQ(State("s/1"), SlotState::kFailed);
  EXPECT_EQ(State("s/0"), SlotState::kReady);
  EXPECT_THAT(observer.Events(EventType::kWorkerFailed),
              ElementsAre(HasSubstr("another try would end in the same way: exited with code 2")));
}

}  // namespace
}  // namespace center::supervision
