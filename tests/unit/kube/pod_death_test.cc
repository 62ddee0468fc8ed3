#include "services/coordinator/kube/pod_death.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/kube/pod_json.h"

namespace center::kube {
namespace {

using supervision::DeathCause;
using supervision::ExitRecord;
using ::testing::AllOf;
using ::testing::HasSubstr;

Pod Parsed(const Json& json) { return *ParsePod(json); }

ExitRecord DeathOf(const Json& json, const AskedOfPod& asked = {}) {
  const Pod pod = Parsed(json);
  return DescribePodDeath(pod, pod.ended, asked);
}

TEST(PodDeathTest, ExitCodesAndSignalsMeanWhatTheyMeanLocally) {
  const auto ended = [](int code) { return DeathOf(WithState(PodJson("d-0", "u"), Ended(code))); };
  EXPECT_EQ(ended(3).cause, DeathCause::kErrorExit);
  EXPECT_EQ(ended(3).reason, "exited with code 3");
  EXPECT_EQ(ended(0).cause, DeathCause::kCleanExit);
  EXPECT_EQ(ended(137).cause, DeathCause::kKilled);
  EXPECT_EQ(ended(137).reason, "killed by SIGKILL");
  EXPECT_EQ(ended(137).exit.signal, 9);
  EXPECT_EQ(ended(137).exit.exit_code, 0);
  EXPECT_EQ(ended(139).cause, DeathCause::kCrash);
  EXPECT_EQ(ended(134).reason, "killed by SIGABRT");
  EXPECT_EQ(ended(255).reason, "exited with code 255");
}

TEST(PodDeathTest, AnOutOfMemoryKillIsNamedWhoeverHadAsked) {
  const Json json = WithState(PodJson("d-0", "u"), Ended(137, "OOMKilled"));
  EXPECT_EQ(DeathOf(json).cause, DeathCause::kOutOfMemory);
  EXPECT_THAT(DeathOf(json).reason, HasSubstr("memory limit"));
  EXPECT_EQ(DeathOf(json, {.to_end = true}).cause, DeathCause::kOutOfMemory);
}

TEST(PodDeathTest, AnEvictionNamesTheNodeAndItsWords) {
  Json json = WithState(PodJson("d-0", "u"), Ended(137));
  json["status"]["phase"] = "Failed";
  json["status"]["reason"] = "Evicted";
  json["status"]["message"] = "The node was low on resource: memory.";
  const ExitRecord death = DeathOf(json);
  EXPECT_EQ(death.cause, DeathCause::kKilled);
  EXPECT_EQ(death.reason,
            "evicted by its node: The node was low on resource: memory.; killed by SIGKILL");
  EXPECT_EQ(death.ended_by, "node node-1");
}

TEST(PodDeathTest, DisruptionsAreTold) {
  const auto disrupted = [](const std::string& reason) {
    return DeathOf(Deleting(WithState(
        WithCondition(PodJson("d-0", "u"), "DisruptionTarget", "True", reason, "why"), Ended(0))));
  };
  EXPECT_THAT(disrupted("EvictionByEvictionAPI").reason,
              AllOf(HasSubstr("node is emptied: why"), HasSubstr("exited with code 0")));
  EXPECT_THAT(disrupted("PreemptionByScheduler").ended_by, HasSubstr("scheduler"));
  EXPECT_THAT(disrupted("DeletionByTaintManager").reason, HasSubstr("node node-1 is lost"));
  EXPECT_THAT(disrupted("DeletionByPodGC").reason, HasSubstr("does not exist any more"));
  EXPECT_THAT(disrupted("SomethingNew").reason, HasSubstr("SomethingNew: why"));
}

TEST(PodDeathTest, WhoDeletedThePodIsTold) {
  const Json json = Deleting(WithState(PodJson("d-0", "u"), Ended(0)));
  EXPECT_EQ(DeathOf(json, {.to_end = true, .why = "it is replaced"}).cause, DeathCause::kRequested);
  EXPECT_EQ(DeathOf(json, {.to_end = true, .why = "it is replaced"}).reason,
            "its pod was deleted by Center: it is replaced; exited with code 0");
  EXPECT_EQ(DeathOf(json).cause, DeathCause::kKilled);
  EXPECT_THAT(DeathOf(json).reason, HasSubstr("deleted, not by Center"));
}

TEST(PodDeathTest, WhatNobodyReportedIsNotInvented) {
  const ExitRecord death = DescribePodDeath(Parsed(PodJson("d-0", "u")), absl::nullopt, {});
  EXPECT_EQ(death.cause, DeathCause::kUnknown);
  EXPECT_FALSE(death.exit.known);
}

TEST(PodStartTest, WhatKeepsAPodFromStartingIsTold) {
  const Json bare = PodJson("d-0", "u");
  EXPECT_EQ(WhyPodDoesNotStart(Parsed(bare)), "");
  EXPECT_EQ(WhyPodDoesNotStart(Parsed(WithState(bare, Running()))), "");
  EXPECT_EQ(WhyPodDoesNotStart(Parsed(WithState(bare, Waiting("ContainerCreating")))), "");
  EXPECT_EQ(WhyPodDoesNotStart(Parsed(WithCondition(bare, "PodScheduled", "False", "Unschedulable",
                                                    "0/3 nodes are available"))),
            "cannot be scheduled: 0/3 nodes are available");
  EXPECT_EQ(WhyPodDoesNotStart(Parsed(WithState(bare, Waiting("ImagePullBackOff", "no such")))),
            "its image cannot be pulled (ImagePullBackOff): no such");
  EXPECT_EQ(WhyPodDoesNotStart(Parsed(WithState(bare, Waiting("CreateContainerConfigError", "x")))),
            "its container cannot be started (CreateContainerConfigError): x");
  EXPECT_THAT(WhyPodDoesNotStart(Parsed(WithState(bare, Waiting("CrashLoopBackOff", "10s")))),
              HasSubstr("waits before it is restarted"));
}

TEST(PodStartTest, ACrashLoopMayEndByItselfAMissingImageNot) {
  const Json bare = PodJson("d-0", "u");
  EXPECT_TRUE(StartIsHopeless(Parsed(WithState(bare, Waiting("ErrImagePull")))));
  EXPECT_FALSE(StartIsHopeless(Parsed(WithState(bare, Waiting("CrashLoopBackOff")))));
  EXPECT_FALSE(StartIsHopeless(Parsed(bare)));
}

}  // namespace
}  // namespace center::kube
