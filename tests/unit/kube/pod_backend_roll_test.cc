#include <string>
#include <vector>

#include "services/coordinator/kube/pod_backend.h"
#include "tests/unit/kube/pod_backend_fixture.h"

namespace center::kube {
namespace {

using supervision::EventType;
using supervision::RollOutcome;
using supervision::RollResult;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class PodRollTest : public PodBackendTest {
 protected:
  void StartServing(uint32_t slots) {
    Follow(static_cast<int>(slots));
    Start(slots);
    for (uint32_t i = 0; i < slots; ++i) Serve(i, absl::StrCat("u", i));
  }
  absl::Status Roll(supervision::RollOptions options = {}) {
    options.done = [this](const RollResult& result) { results_.push_back(result); };
    return backend_.Roll("default", std::move(options));
  }

  std::vector<RollResult> results_;
};

TEST_F(PodRollTest, OnePodAfterTheOtherIsReplaced) {
  StartServing(3);
  ASSERT_TRUE(Roll().ok());
  EXPECT_THAT(calls_.asked, ElementsAre("delete center-default-0 u0"));
  EXPECT_EQ(backend_.Rolling("default")->total, 3u);
  Replace(0, "u0", "v0");
  Replace(1, "u1", "v1");
  EXPECT_THAT(results_, IsEmpty());
  Replace(2, "u2", "v2");
  EXPECT_THAT(calls_.asked, ElementsAre("delete center-default-0 u0", "delete center-default-1 u1",
                                        "delete center-default-2 u2"));
  ASSERT_EQ(results_.size(), 1u);
  EXPECT_EQ(results_[0].outcome, RollOutcome::kDone);
  EXPECT_EQ(results_[0].replaced, 3u);
  EXPECT_THAT(Died(), IsEmpty()) << "what was asked for is no death";
}

TEST_F(PodRollTest, ThePodsReadinessIsWaitedForAsWell) {
  StartServing(2);
  ASSERT_TRUE(Roll().ok());
  backend_.OnPodGone(Leaving(PodIn(0, "u0", Ended(0))));
  Pod next = RunningPod(0, "v0");
  next.ready = false;
  backend_.OnPod(next);
  Say(0, "v0.1");
  EXPECT_EQ(calls_.asked.size(), 1u) << "no producer is sent to it yet";
  backend_.OnPod(RunningPod(0, "v0"));
  EXPECT_EQ(calls_.asked.size(), 2u);
}

TEST_F(PodRollTest, ASlotThatServesIsNotTakenAwayWhileAnotherDoesNot) {
  StartServing(3);
  backend_.OnPod(PodIn(2, "u2", Ended(1)));
  ASSERT_TRUE(Roll().ok());
  EXPECT_THAT(calls_.asked, ElementsAre("delete center-default-2 u2")) << "nobody misses that one";
  Replace(2, "u2", "v2");
  EXPECT_THAT(calls_.asked.back(), HasSubstr("center-default-0"));
}

TEST_F(PodRollTest, APodThatDoesNotBecomeReadyEndsTheRoll) {
  StartServing(3);
  ASSERT_TRUE(Roll().ok());
  backend_.OnPodGone(Leaving(PodIn(0, "u0", Ended(0))));
  backend_.OnPod(PodIn(0, "v0", Waiting("ErrImagePull", "no such image")));
  ASSERT_EQ(results_.size(), 1u);
  EXPECT_EQ(results_[0].outcome, RollOutcome::kFailed);
  EXPECT_EQ(results_[0].slot, 0u);
  EXPECT_THAT(results_[0].reason, HasSubstr("no such image"));
  EXPECT_EQ(calls_.asked.size(), 1u);
}

TEST_F(PodRollTest, AnApiServerThatRefusesEndsTheRoll) {
  StartServing(2);
  ASSERT_TRUE(Roll().ok());
  calls_.deleted.at(0)(absl::PermissionDeniedError("cannot delete pods"));
  ASSERT_EQ(results_.size(), 1u);
  EXPECT_THAT(results_[0].reason, HasSubstr("cannot delete pods"));
}

TEST_F(PodRollTest, OneWorkerCanBeReplacedAlone) {
  StartServing(3);
  ASSERT_TRUE(Roll({.now = true, .only_slot = 1}).ok());
  EXPECT_THAT(calls_.asked, ElementsAre("delete center-default-1 u11s"));
  Replace(1, "u1", "v1");
  ASSERT_EQ(results_.size(), 1u);
  EXPECT_EQ(results_[0].replaced, 1u);
  EXPECT_TRUE(absl::IsNotFound(Roll({.only_slot = 7})));
}

TEST_F(PodRollTest, OnlyOneRollAtATime) {
  StartServing(2);
  ASSERT_TRUE(Roll().ok());
  EXPECT_TRUE(absl::IsAlreadyExists(Roll()));
}

TEST_F(PodRollTest, StoppingEndsARollAndWaitsForAllPods) {
  StartServing(2);
  ASSERT_TRUE(Roll().ok());
  ASSERT_TRUE(backend_.Stop("default", /*now=*/true).ok());
  ASSERT_EQ(results_.size(), 1u);
  EXPECT_EQ(results_[0].outcome, RollOutcome::kStopped);
  EXPECT_THAT(recorded_.drains, ElementsAre("default/0 now", "default/1 now"));
  EXPECT_EQ(State(1), "DRAINING");
  backend_.OnPodGone(Leaving(PodIn(0, "u0", Ended(0))));
  EXPECT_THAT(recorded_.stopped, IsEmpty());
  backend_.OnPodGone(Leaving(PodIn(1, "u1", Ended(0))));
  EXPECT_THAT(recorded_.stopped, ElementsAre("default"));
  EXPECT_THAT(Died(), IsEmpty());
  EXPECT_THAT(recorded_.Events(EventType::kWorkerStopped),
              ElementsAre(HasSubstr("default/0"), HasSubstr("default/1")));
}

TEST_F(PodRollTest, ScalingDownLetsTheHighestGoAndUpAddsSlots) {
  StartServing(3);
  ASSERT_TRUE(backend_.Scale("default", 1, /*now=*/false).ok());
  EXPECT_TRUE(View(2).leaving);
  EXPECT_EQ(State(2), "DRAINING");
  backend_.OnPodGone(Leaving(PodIn(2, "u2", Ended(0))));
  EXPECT_EQ(backend_.Slots("default").size(), 2u);
  // Taken back while it is on its way.
  ASSERT_TRUE(backend_.Scale("default", 2, /*now=*/false).ok());
  EXPECT_EQ(State(1), "READY");
  ASSERT_TRUE(backend_.Scale("default", 4, /*now=*/false).ok());
  EXPECT_EQ(State(3), "STARTING");
  EXPECT_TRUE(absl::IsInvalidArgument(backend_.Scale("default", 0, false)));
  EXPECT_TRUE(absl::IsInvalidArgument(backend_.Scale("default", 257, false)));
  EXPECT_TRUE(absl::IsNotFound(backend_.Scale("x", 1, false)));
}

}  // namespace
}  // namespace center::kube
