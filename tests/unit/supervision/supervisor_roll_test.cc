// New processes for old ones, one slot at a time.
#include "tests/unit/supervision/supervisor_fixture.h"

namespace center::supervision {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class SupervisorRollTest : public SupervisorFixture {
 protected:
  absl::Status Roll(RollOptions wanted = {}) {
    wanted.done = [this](const RollResult& result) { results.push_back(result); };
    return supervisor->Roll("s", std::move(wanted));
  }
  // The old process of a slot ends, the new one becomes ready.
  void Replace(const std::string& worker) {
    ASSERT_EQ(State(worker), SlotState::kDraining) << worker;
    launcher.ExitWithCode(Pid(worker), 0);
    ASSERT_EQ(State(worker), SlotState::kStarting) << worker;
    MakeReady(worker);
  }
  std::vector<std::string> Draining() const {
    std::vector<std::string> result;
    for (const SlotView& slot : supervisor->Slots("s")) {
      if (slot.state == SlotState::kDraining) result.push_back(absl::StrCat("s/", slot.slot));
    }
    return result;
  }
  void SetGeneration(uint64_t generation) {
    ServerPlan plan = Plan("s", 1);
    plan.generation = generation;
    ASSERT_TRUE(supervisor->SetPlan(plan).ok());
  }

  std::vector<RollResult> results;
};

TEST_F(SupervisorRollTest, ReplacesOneSlotAfterTheOther) {
  StartReady(3);
  ASSERT_TRUE(Roll().ok());
  for (const char* worker : {"s/0", "s/1", "s/2"}) {
    EXPECT_THAT(Draining(), ElementsAre(worker));
    EXPECT_THAT(results, IsEmpty());
    Replace(worker);
  }
  ASSERT_EQ(results.size(), 1);
  EXPECT_EQ(results[0].outcome, RollOutcome::kDone);
  EXPECT_EQ(results[0].replaced, 3);
  EXPECT_EQ(launcher.launches, 6);
  EXPECT_THAT(observer.Events(EventType::kWorkerDied), IsEmpty());
  EXPECT_THAT(
      observer.Events(EventType::kWorkerDraining),
      ElementsAre("s/0: asked to finish: it is replaced", "s/1: asked to finish: it is replaced",
                  "s/2: asked to finish: it is replaced"));
}

TEST_F(SupervisorRollTest, TellsHowFarItIs) {
  StartReady(2);
  EXPECT_FALSE(supervisor->Rolling("s").has_value());
  ASSERT_TRUE(Roll().ok());
  Replace("s/0");
  ASSERT_TRUE(supervisor->Rolling("s").has_value());
  EXPECT_EQ(supervisor->Rolling("s")->replaced, 1);
  EXPECT_EQ(supervisor->Rolling("s")->total, 2);
  Replace("s/1");
  EXPECT_FALSE(supervisor->Rolling("s").has_value());
}

TEST_F(SupervisorRollTest, NowDoesNotWaitForConnections) {
  StartReady(1);
  ASSERT_TRUE(Roll({.now = true}).ok());
  EXPECT_THAT(observer.drains, ElementsAre("s/0 now"));
}

TEST_F(SupervisorRollTest, OldProcessThatDoesNotEndIsKilledAndTheRollGoesOn) {
  StartReady(1);
  const int64_t old = Pid("s/0");
  ASSERT_TRUE(Roll().ok());
  supervisor->Draining("s/0");
  PassAlive(seconds(12), {"s/0"});
  EXPECT_THAT(launcher.signals(old), ElementsAre(SIGKILL));
  launcher.DieOf(old, SIGKILL);
  MakeReady("s/0");
  ASSERT_EQ(results.size(), 1);
  EXPECT_EQ(results[0].outcome, RollOutcome::kDone);
}

TEST_F(SupervisorRollTest, NewProcessThatDiesEndsTheRollAndTheOthersStay) {
  StartReady(3);
  const int64_t third = Pid("s/2");
  ASSERT_TRUE(Roll().ok());
  Replace("s/0");
  launcher.ExitWithCode(Pid("s/1"), 0);
  launcher.ExitWithCode(Pid("s/1"), 1);
  ASSERT_EQ(results.size(), 1);
  EXPECT_EQ(results[0].outcome, RollOutcome::kFailed);
  EXPECT_EQ(results[0].replaced, 1);
  EXPECT_EQ(results[0].slot, 1);
  EXPECT_EQ(results[0].reason, "worker s/1 did not become READY: exited with code 1");
  EXPECT_EQ(Pid("s/2"), third);
  EXPECT_EQ(State("s/2"), SlotState::kReady);
  EXPECT_EQ(State("s/1"), SlotState::kStarting);  // it is tried again, as ever
  MakeReady("s/1");
  EXPECT_THAT(Draining(), IsEmpty());
}

TEST_F(SupervisorRollTest, NewProcessThatIsNotReadyInTimeEndsTheRoll) {
  StartReady(2);
  ASSERT_TRUE(Roll().ok());
  launcher.ExitWithCode(Pid("s/0"), 0);
  PassAlive(seconds(10), {"s/1"});
  launcher.DieOf(Pid("s/0"), SIGKILL);
  ASSERT_EQ(results.size(), 1);
  EXPECT_EQ(results[0].reason,
            "worker s/0 did not become READY: killed by Center: not ready within 10.0 s");
}

TEST_F(SupervisorRollTest, NewProcessThatCannotBeLaunchedEndsTheRoll) {
  StartReady(2);
  ASSERT_TRUE(Roll().ok());
  launcher.launch_error = absl::NotFoundError("no such file");
  launcher.ExitWithCode(Pid("s/0"), 0);
  ASSERT_EQ(results.size(), 1);
  EXPECT_THAT(results[0].reason, HasSubstr("could not be launched: no such file"));
  EXPECT_EQ(State("s/1"), SlotState::kReady);
}

TEST_F(SupervisorRollTest, DeathOfAnotherSlotIsWaitedFor) {
  StartReady(3);
  ASSERT_TRUE(Roll().ok());
  Replace("s/0");
  launcher.DieOf(Pid("s/0"), SIGKILL);  // new, and was READY
  Replace("s/1");
  EXPECT_THAT(Draining(), IsEmpty());  // never two away
  EXPECT_THAT(results, IsEmpty());
  MakeReady("s/0");
  Replace("s/2");
  ASSERT_EQ(results.size(), 1);
  EXPECT_EQ(results[0].outcome, RollOutcome::kDone);
}

TEST_F(SupervisorRollTest, SlotThatIsStillToComeAndDiesIsNewThen) {
  StartReady(3);
  ASSERT_TRUE(Roll().ok());
  launcher.DieOf(Pid("s/2"), SIGKILL);
  Replace("s/0");
  EXPECT_THAT(Draining(), IsEmpty());
  MakeReady("s/2");
  Replace("s/1");
  EXPECT_THAT(Draining(), IsEmpty());
  ASSERT_EQ(results.size(), 1);
  EXPECT_EQ(results[0].replaced, 2);
}

TEST_F(SupervisorRollTest, ReplacedSlotThatDoesNotComeBackEndsTheRoll) {
  StartReady(3);
  ASSERT_TRUE(Roll().ok());
  Replace("s/0");
  launcher.DieOf(Pid("s/0"), SIGSEGV);
  launcher.DieOf(Pid("s/0"), SIGSEGV);
  ASSERT_EQ(results.size(), 1);
  EXPECT_EQ(results[0].outcome, RollOutcome::kFailed);
  EXPECT_EQ(results[0].slot, 0);
}

TEST_F(SupervisorRollTest, FailedSlotIsReplacedFirst) {
  StartReady(3);
  launcher.ExitWithCode(Pid("s/2"), 2);
  ASSERT_EQ(State("s/2"), SlotState::kFailed);
  ASSERT_TRUE(Roll().ok());
  EXPECT_THAT(Draining(), IsEmpty());
  EXPECT_EQ(State("s/2"), SlotState::kStarting);
  MakeReady("s/2");
  Replace("s/0");
  Replace("s/1");
  ASSERT_EQ(results.size(), 1);
  EXPECT_EQ(results[0].replaced, 3);
}

TEST_F(SupervisorRollTest, FailedSlotThatFailsAgainCostsNobodyElse) {
  StartReady(2);
  launcher.ExitWithCode(Pid("s/1"), 2);
  ASSERT_TRUE(Roll().ok());
  launcher.ExitWithCode(Pid("s/1"), 2);
  ASSERT_EQ(results.size(), 1);
  EXPECT_EQ(results[0].outcome, RollOutcome::kFailed);
  EXPECT_EQ(State("s/0"), SlotState::kReady);
  EXPECT_EQ(State("s/1"), SlotState::kFailed);
}

TEST_F(SupervisorRollTest, OnlyOutdatedLeavesWhatIsNew) {
  StartReady(3);
  SetGeneration(1);
  launcher.DieOf(Pid("s/1"), SIGKILL);
  MakeReady("s/1");
  ASSERT_TRUE(Roll({.only_outdated = true}).ok());
  Replace("s/0");
  Replace("s/2");
  ASSERT_EQ(results.size(), 1);
  EXPECT_EQ(results[0].replaced, 2);
}

TEST_F(SupervisorRollTest, OutdatedSlotThatIsRenewedByItselfIsLeft) {
  StartReady(2);
  SetGeneration(1);
  ASSERT_TRUE(Roll({.only_outdated = true}).ok());
  launcher.DieOf(Pid("s/1"), SIGKILL);
  MakeReady("s/1");
  Replace("s/0");
  ASSERT_EQ(results.size(), 1);
  EXPECT_EQ(results[0].replaced, 1);
}

TEST_F(SupervisorRollTest, NothingOutdatedIsDoneAtOnce) {
  StartReady(2);
  ASSERT_TRUE(Roll({.only_outdated = true}).ok());
  ASSERT_EQ(results.size(), 1);
  EXPECT_EQ(results[0].replaced, 0);
  EXPECT_THAT(observer.drains, IsEmpty());
}

TEST_F(SupervisorRollTest, OneSlotAloneDoesNotWaitForTheOthers) {
  StartReady(2);
  launcher.DieOf(Pid("s/0"), SIGKILL);
  ASSERT_TRUE(Roll({.only_slot = 1}).ok());
  EXPECT_THAT(Draining(), ElementsAre("s/1"));
  launcher.DieOf(Pid("s/0"), SIGKILL);  // not its business
  Replace("s/1");
  ASSERT_EQ(results.size(), 1);
  EXPECT_EQ(results[0].outcome, RollOutcome::kDone);
}

TEST_F(SupervisorRollTest, OneSlotThatDoesNotExist) {
  StartReady(2);
  EXPECT_EQ(Roll({.only_slot = 2}).code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(results, IsEmpty());
}

TEST_F(SupervisorRollTest, OneRollAtATime) {
  StartReady(2);
  ASSERT_TRUE(Roll().ok());
  EXPECT_EQ(Roll().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(Roll({.only_slot = 1}).code(), absl::StatusCode::kAlreadyExists);
  Replace("s/0");
  Replace("s/1");
  EXPECT_EQ(results.size(), 1);
  EXPECT_TRUE(Roll().ok());
}

TEST_F(SupervisorRollTest, StopEndsTheRoll) {
  StartReady(2);
  ASSERT_TRUE(Roll().ok());
  const int64_t zero = Pid("s/0");
  const int64_t one = Pid("s/1");
  ASSERT_TRUE(supervisor->Stop("s", false).ok());
  ASSERT_EQ(results.size(), 1);
  EXPECT_EQ(results[0].outcome, RollOutcome::kStopped);
  launcher.ExitWithCode(zero, 0);
  launcher.ExitWithCode(one, 0);
  EXPECT_EQ(launcher.launches, 2);
  EXPECT_THAT(observer.stopped, ElementsAre("s"));
}

TEST_F(SupervisorRollTest, StopAtTheMomentWhenNoProcessLivesEndsTheRoll) {
  StartReady(1);
  launcher.launch_error = absl::ResourceExhaustedError("EAGAIN");
  launcher.DieOf(Pid("s/0"), SIGKILL);
  ASSERT_EQ(State("s/0"), SlotState::kBackoff);
  launcher.launch_error = absl::OkStatus();
  ASSERT_TRUE(Roll().ok());
  ASSERT_TRUE(supervisor->Stop("s", true).ok());
  EXPECT_EQ(results.size(), 1);
}

TEST_F(SupervisorRollTest, SlotsThatAreScaledAwayAreLeftOut) {
  StartReady(3);
  ASSERT_TRUE(Roll().ok());
  ASSERT_TRUE(supervisor->Scale("s", 2, false).ok());
  Replace("s/0");
  Replace("s/1");
  ASSERT_EQ(results.size(), 1);
  EXPECT_EQ(results[0].outcome, RollOutcome::kDone);
  EXPECT_EQ(results[0].replaced, 2);
}

TEST_F(SupervisorRollTest, SlotThatIsBeingReplacedMayBeScaledAway) {
  StartReady(2);
  launcher.ExitWithCode(Pid("s/1"), 2);
  ASSERT_TRUE(Roll().ok());
  ASSERT_EQ(State("s/1"), SlotState::kStarting);
  ASSERT_TRUE(supervisor->Scale("s", 1, false).ok());
  EXPECT_THAT(Draining(), ElementsAre("s/0", "s/1"));
  Replace("s/0");
  EXPECT_EQ(results.size(), 1);
}

TEST_F(SupervisorRollTest, OneSlotThatIsScaledAwayEndsItsRoll) {
  StartReady(2);
  ASSERT_TRUE(Roll({.only_slot = 1}).ok());
  ASSERT_TRUE(supervisor->Scale("s", 1, false).ok());
  ASSERT_EQ(results.size(), 1);
  EXPECT_EQ(results[0].outcome, RollOutcome::kStopped);
}

TEST_F(SupervisorRollTest, NewSlotsAreNotReplacedButWaitedFor) {
  StartReady(2);
  ASSERT_TRUE(Roll().ok());
  ASSERT_TRUE(supervisor->Scale("s", 3, false).ok());
  Replace("s/0");
  EXPECT_THAT(Draining(), IsEmpty());
  MakeReady("s/2");
  Replace("s/1");
  ASSERT_EQ(results.size(), 1);
  EXPECT_EQ(results[0].replaced, 2);
}

TEST_F(SupervisorRollTest, ScaleDownAndUpWhileItDrainsKeepsTheSlotInTheRoll) {
  StartReady(2);
  ASSERT_TRUE(Roll().ok());
  ASSERT_TRUE(supervisor->Scale("s", 1, false).ok());
  ASSERT_TRUE(supervisor->Scale("s", 2, false).ok());
  launcher.ExitWithCode(Pid("s/1"), 0);
  MakeReady("s/1");
  Replace("s/0");
  ASSERT_EQ(results.size(), 1);
  EXPECT_EQ(results[0].outcome, RollOutcome::kDone);
  EXPECT_EQ(launcher.launches, 4);
}

TEST_F(SupervisorRollTest, DoneMayStartTheNextRoll) {
  StartReady(1);
  RollOptions options;
  options.done = [this](const RollResult& result) {
    results.push_back(result);
    EXPECT_TRUE(Roll().ok());
  };
  ASSERT_TRUE(supervisor->Roll("s", std::move(options)).ok());
  launcher.ExitWithCode(Pid("s/0"), 0);
  Register("s/0");
  supervisor->SetReady("s/0");
  ASSERT_EQ(results.size(), 1);
  Replace("s/0");
  EXPECT_EQ(results.size(), 2);
}

TEST_F(SupervisorRollTest, RefusesWhatDoesNotRun) {
  EXPECT_EQ(Roll().code(), absl::StatusCode::kNotFound);
  StartReady(1);
  ASSERT_TRUE(supervisor->Stop("s", false).ok());
  EXPECT_EQ(Roll().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(SupervisorRollTest, DestroyedSupervisorSaysNothing) {
  StartReady(1);
  ASSERT_TRUE(Roll().ok());
  supervisor.reset();
  EXPECT_THAT(results, IsEmpty());
}

}  // namespace
}  // namespace center::supervision
