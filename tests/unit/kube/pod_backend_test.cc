#include "services/coordinator/kube/pod_backend.h"

#include <string>
#include <vector>

#include "tests/unit/kube/pod_backend_fixture.h"

namespace center::kube {
namespace {

using supervision::DeathCause;
using supervision::EventType;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST_F(PodBackendTest, NothingIsToldBeforeBothListsAreThere) {
  backend_.OnStatefulSets({Set("default", 2)});
  EXPECT_THAT(observer_.outside, IsEmpty());
  backend_.OnPods({});
  EXPECT_THAT(observer_.outside, ElementsAre("default 2"));
}

TEST_F(PodBackendTest, WhatOthersDoToStatefulSetsIsToldOnce) {
  Follow(2);
  backend_.OnStatefulSet(Set("default", 5));
  backend_.OnStatefulSet(Set("default", 5));  // its status has changed
  backend_.OnStatefulSet(Set("other", 1));
  backend_.OnStatefulSetGone(Set("default", 5));
  EXPECT_THAT(observer_.outside,
              ElementsAre("default 2", "default 5", "default 5, other 1", "other 1"));
}

TEST_F(PodBackendTest, TwoStatefulSetsOfOneServerAreNotMixed) {
  Follow(2);
  StatefulSet second = Set("default", 7);
  second.name = "copy";
  backend_.OnStatefulSet(second);
  backend_.OnStatefulSetGone(second);
  EXPECT_THAT(observer_.outside, ElementsAre("default 2"));
}

TEST_F(PodBackendTest, OurOwnScalingIsNoNewsAndOlderNewsIsIgnored) {
  Follow(2);
  absl::Status done = absl::UnknownError("not called");
  backend_.SetWorkers("default", 4, [&](const absl::Status& status) { done = status; });
  EXPECT_THAT(calls_.asked, ElementsAre("scale center-default 4"));
  EXPECT_FALSE(done.ok());
  calls_.scaled.at(0)(uint64_t{100});
  EXPECT_TRUE(done.ok());
  // Written before we scaled, told after it.
  backend_.OnStatefulSet(Set("default", 2, 99));
  backend_.OnStatefulSets({Set("default", 2, 99)});
  backend_.OnStatefulSet(Set("default", 4, 100));
  EXPECT_THAT(observer_.outside, ElementsAre("default 2"));
  backend_.OnStatefulSet(Set("default", 3, 101));
  EXPECT_THAT(observer_.outside, ElementsAre("default 2", "default 3"));
}

TEST_F(PodBackendTest, WithoutAStatefulSetTheCommandThatMakesOneIsNamed) {
  absl::Status done;
  const auto take = [&](const absl::Status& status) { done = status; };
  backend_.SetWorkers("x", 1, take);
  EXPECT_TRUE(absl::IsUnavailable(done)) << "nothing has been listed";
  Follow(1);
  backend_.SetWorkers("x", 1, take);
  EXPECT_TRUE(absl::IsFailedPrecondition(done));
  EXPECT_THAT(std::string(done.message()), HasSubstr("centerctl server manifest x"));
  backend_.SetWorkers("x", 0, take);
  EXPECT_TRUE(done.ok()) << "there is nothing to stop";
  backend_.SetWorkers("default", 3, take);
  calls_.scaled.at(0)(absl::PermissionDeniedError("no"));
  EXPECT_TRUE(absl::IsPermissionDenied(done));
}

TEST_F(PodBackendTest, WhyNothingIsKnownIsToldWithWhatCannotBeDone) {
  backend_.OnTrouble("pods", absl::PermissionDeniedError("pods is forbidden"));
  absl::Status done;
  backend_.SetWorkers("x", 1, [&](const absl::Status& status) { done = status; });
  EXPECT_THAT(std::string(done.message()),
              HasSubstr("the cluster's pods cannot be followed: pods is forbidden"));
  backend_.OnTrouble("pods", absl::OkStatus());
  EXPECT_EQ(backend_.Trouble(), "");
}

TEST_F(PodBackendTest, ASlotGoesFromNothingToReady) {
  Follow(1);
  Start(1);
  EXPECT_EQ(State(0), "STARTING");
  EXPECT_EQ(View(0).pid, 0);
  backend_.OnPod(*ParsePod(PodJson("center-default-0", "u1")));
  EXPECT_EQ(State(0), "STARTING");
  backend_.OnPod(RunningPod(0, "u1"));
  EXPECT_EQ(State(0), "STARTING") << "its worker has not said anything";
  Say(0, "u1.abc");
  EXPECT_EQ(State(0), "READY");
  EXPECT_EQ(View(0).restarts, 0u);
  EXPECT_THAT(recorded_.Events(EventType::kWorkerStarted),
              ElementsAre("default/0: pod center-default-0 on node node-1 is there"));
  EXPECT_THAT(recorded_.Events(EventType::kWorkerReady),
              ElementsAre(HasSubstr("default/0: ready")));
}

TEST_F(PodBackendTest, APodThatRanBeforeUsGoesOn) {
  backend_.OnStatefulSets({Set("default", 1)});
  backend_.OnPods({RunningPod(0, "u1")});
  Start(1);
  Say(0, "u1.abc");
  EXPECT_TRUE(View(0).adopted);
  EXPECT_THAT(recorded_.Events(EventType::kWorkerAdopted), ElementsAre(HasSubstr("goes on")));
  EXPECT_THAT(recorded_.Events(EventType::kWorkerStarted), IsEmpty());
}

TEST_F(PodBackendTest, WhoIsNotKnownYetMayTryAgain) {
  Follow(1);
  const auto refused = [&](const std::string& worker, const std::string& token) {
    return absl::IsUnavailable(backend_.Register(worker, 1, token));
  };
  EXPECT_TRUE(refused("default/0", "u1.a")) << "the server is not followed";
  Start(1);
  EXPECT_TRUE(refused("default/0", "u1.a")) << "its pod has not been seen";
  backend_.OnPod(RunningPod(0, "u1"));
  EXPECT_TRUE(refused("default/0", "u2.a")) << "another pod's";
  EXPECT_TRUE(refused("default/1", "u1.a")) << "another slot's";
  EXPECT_TRUE(refused("default/00", "u1.a"));
  EXPECT_TRUE(backend_.Register("default/0", 1, "u1.a").ok());
  EXPECT_TRUE(backend_.Register("default/0", 1, "u1.a").ok()) << "its line broke";
}

TEST_F(PodBackendTest, ADeadContainerIsTheSameDeathWhetherSeenBeforeOrAfterItsRestart) {
  Follow(2);
  Start(2);
  Serve(0, "u0");
  Serve(1, "u1");
  // Seen dead, then running again.
  backend_.OnPod(PodIn(0, "u0", Ended(139)));
  EXPECT_EQ(State(0), "BACKOFF");
  backend_.OnPod(PodIn(0, "u0", Waiting("CrashLoopBackOff"), 0, Ended(139)));
  backend_.OnPod(PodIn(0, "u0", Running(), 1, Ended(139)));
  // Seen only when it was running again.
  backend_.OnPod(PodIn(1, "u1", Running(), 1, Ended(137, "OOMKilled")));
  EXPECT_THAT(Died(), ElementsAre("default/0: killed by SIGSEGV",
                                  HasSubstr("default/1: killed by the kernel's out-of-memory")));
  EXPECT_EQ(State(0), "STARTING");
  EXPECT_EQ(State(1), "STARTING");
  Say(0, "u0.2");
  EXPECT_EQ(State(0), "READY");
  EXPECT_EQ(View(0).restarts, 1u);
  EXPECT_EQ(View(0).last_exit->cause, DeathCause::kCrash);
  EXPECT_EQ(View(1).last_exit->cause, DeathCause::kOutOfMemory);
}

TEST_F(PodBackendTest, ARestartedWorkerWaitsUntilItsDeathIsKnown) {
  Follow(1);
  Start(1);
  Serve(0, "u0");
  const int64_t before = View(0).pid;
  backend_.Disconnected("default/0");
  EXPECT_TRUE(absl::IsUnavailable(backend_.Register("default/0", 1, "u0.2")));
  backend_.OnPod(PodIn(0, "u0", Running(), 1, Ended(1)));
  EXPECT_TRUE(backend_.Register("default/0", 1, "u0.2").ok());
  EXPECT_GT(View(0).pid, before);
  EXPECT_THAT(Died(), ElementsAre("default/0: exited with code 1"));
}

TEST_F(PodBackendTest, ButNotForEver) {
  Follow(1);
  Start(1);
  Serve(0, "u0");
  EXPECT_FALSE(backend_.Register("default/0", 1, "u0.2").ok());
  clock_.Advance(std::chrono::seconds(5));
  EXPECT_TRUE(backend_.Register("default/0", 1, "u0.2").ok());
  EXPECT_THAT(Died(), ElementsAre("default/0: how its container ended is not known"));
  // When the status comes at last it is no second death.
  backend_.OnPod(PodIn(0, "u0", Running(), 1, Ended(1)));
  EXPECT_EQ(Died().size(), 1u);
}

TEST_F(PodBackendTest, AWorkerThatIsBackBeforeItsRestartIsCountedIsNotDeadTwice) {
  Follow(1);
  Start(1);
  Serve(0, "u0");
  backend_.OnPod(PodIn(0, "u0", Ended(3)));
  Say(0, "u0.2");
  EXPECT_EQ(State(0), "READY");
  backend_.OnPod(PodIn(0, "u0", Running(), 1, Ended(3)));
  EXPECT_EQ(State(0), "READY");
  EXPECT_THAT(Died(), ElementsAre("default/0: exited with code 3"));
}

TEST_F(PodBackendTest, APodThatOthersDeleteIsTheirDoing) {
  Follow(1);
  Start(1);
  Serve(0, "u0");
  Replace(0, "u0", "u1");
  EXPECT_EQ(State(0), "READY");
  EXPECT_THAT(recorded_.Events(EventType::kWorkerDraining),
              ElementsAre("default/0: finishes without being asked by Center"));
  EXPECT_THAT(Died(),
              ElementsAre("default/0: its pod was deleted, not by Center; exited with code 0"));
  EXPECT_EQ(View(0).restarts, 1u);
}

TEST_F(PodBackendTest, AListShowsWhatWasMissedWhileNobodyWatched) {
  Follow(2);
  Start(2);
  Serve(0, "u0");
  Serve(1, "u1");
  backend_.OnPods({RunningPod(0, "u9")});
  EXPECT_EQ(State(0), "STARTING");
  EXPECT_EQ(State(1), "STARTING");
  EXPECT_EQ(View(1).pid, 0);
  EXPECT_THAT(Died(), ElementsAre(HasSubstr("default/0: its pod was deleted, not by Center; how"),
                                  HasSubstr("default/1: its pod was deleted, not by Center; how")));
}

TEST_F(PodBackendTest, WhatKeepsAPodFromStartingIsToldOnceHoweverItsWordsChange) {
  Follow(1);
  Start(1);
  for (const char* reason : {"ErrImagePull", "ImagePullBackOff", "ErrImagePull"}) {
    backend_.OnPod(PodIn(0, "u0", Waiting(reason, "no such image")));
  }
  EXPECT_EQ(State(0), "BACKOFF");
  EXPECT_THAT(recorded_.Events(EventType::kWorkerBackoff),
              ElementsAre(HasSubstr("its image cannot be pulled (ErrImagePull): no such image")));
  EXPECT_EQ(View(0).last_exit->cause, DeathCause::kLaunchFailed);
  backend_.OnPod(RunningPod(0, "u0"));
  EXPECT_EQ(State(0), "STARTING");
}

TEST_F(PodBackendTest, ASilentWorkerIsNotReadyAndNotKilled) {
  Follow(1);
  Start(1);
  Serve(0, "u0");
  EXPECT_EQ(backend_.Tick(), clock_.Steady() + std::chrono::seconds(5));
  clock_.Advance(std::chrono::seconds(4));
  backend_.Heartbeat("default/0");
  clock_.Advance(std::chrono::seconds(4));
  backend_.Tick();
  EXPECT_EQ(State(0), "READY");
  clock_.Advance(std::chrono::seconds(1));
  backend_.Tick();
  EXPECT_EQ(State(0), "STARTING");
  EXPECT_THAT(calls_.asked, IsEmpty());
  EXPECT_THAT(recorded_.Events(EventType::kWorkerHung),
              ElementsAre(HasSubstr("left to its liveness probe")));
  backend_.SetReady("default/0");
  EXPECT_EQ(State(0), "READY");
}

TEST_F(PodBackendTest, ATaskThatCannotBeStoppedCostsItsPod) {
  Follow(1);
  Start(1);
  Serve(0, "u0");
  backend_.KillForTask("default/0", View(0).pid + 1, "another's");
  EXPECT_THAT(calls_.asked, IsEmpty());
  backend_.KillForTask("default/0", View(0).pid, "job j1 goes on");
  EXPECT_THAT(calls_.asked, ElementsAre("delete center-default-0 u01s"));
  Replace(0, "u0", "u1");
  EXPECT_EQ(View(0).last_exit->cause, DeathCause::kTaskTimeout);
  EXPECT_THAT(Died(), ElementsAre(HasSubstr("job j1 goes on")));
}

}  // namespace
}  // namespace center::kube
