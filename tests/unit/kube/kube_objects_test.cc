#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/coordinator/kube/objects.h"
#include "tests/unit/kube/pod_json.h"

namespace center::kube {
namespace {

using ::testing::HasSubstr;

TEST(KubeObjectsTest, AStatefulSetIsReadByItsLabels) {
  const auto set = ParseStatefulSet(SetJson("default", 3));
  ASSERT_TRUE(set.ok()) << set.status();
  EXPECT_EQ(set->name, "center-default");
  EXPECT_EQ(set->server, "default");
  EXPECT_EQ(set->replicas, 3);
  EXPECT_EQ(set->port, 5000);
  EXPECT_FALSE(set->deleting);
}

TEST(KubeObjectsTest, WhatIsNoWorkersIsRefusedByName) {
  Json set = SetJson("default", 3);
  set["metadata"]["labels"][kServerLabel] = "Not A Name";
  EXPECT_THAT(std::string(ParseStatefulSet(set).status().message()),
              HasSubstr("StatefulSet center-default: label center.v1/server"));
  EXPECT_FALSE(ParseStatefulSet(Json(7)).ok());
  EXPECT_FALSE(ParsePod(Json::array()).ok());
  EXPECT_THAT(std::string(ParsePod(PodJson("center-default-x", "u")).status().message()),
              HasSubstr("no ordinal"));
}

TEST(KubeObjectsTest, ThePodsOrdinalIsOfItsLabelOrItsName) {
  EXPECT_EQ(ParsePod(PodJson("center-default-12", "u"))->ordinal, 12u);
  Json pod = PodJson("odd", "u");
  pod["metadata"]["labels"]["apps.kubernetes.io/pod-index"] = "3";
  EXPECT_EQ(ParsePod(pod)->ordinal, 3u);
}

TEST(KubeObjectsTest, TheWorkersContainerCountsAndNoSidecar) {
  const auto pod = ParsePod(WithState(PodJson("d-0", "u"), Running(), 2, Ended(137, "OOMKilled")));
  ASSERT_TRUE(pod.ok());
  EXPECT_TRUE(pod->running);
  EXPECT_EQ(pod->restarts, 2);
  ASSERT_TRUE(pod->last_ended.has_value());
  EXPECT_EQ(pod->last_ended->exit_code, 137);
  EXPECT_EQ(pod->last_ended->reason, "OOMKilled");
  EXPECT_FALSE(pod->ended.has_value());
}

TEST(KubeObjectsTest, ConditionsAreRead) {
  Json json = WithCondition(PodJson("d-0", "u"), "Ready", "True");
  json = WithCondition(json, "PodScheduled", "False", "Unschedulable", "0/3 nodes are available");
  json = WithCondition(json, "DisruptionTarget", "True", "EvictionByEvictionAPI", "drain");
  const auto pod = ParsePod(Deleting(json));
  ASSERT_TRUE(pod.ok());
  EXPECT_TRUE(pod->ready);
  EXPECT_TRUE(pod->deleting);
  EXPECT_EQ(pod->unschedulable, "0/3 nodes are available");
  EXPECT_EQ(pod->disruption, "EvictionByEvictionAPI");
}

}  // namespace
}  // namespace center::kube
