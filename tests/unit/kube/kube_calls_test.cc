#include <functional>
#include <string>
#include <vector>

#include "absl/synchronization/notification.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/coordinator/kube/calls.h"
#include "services/coordinator/kube/json.h"
#include "tests/unit/kube/fake_transport.h"

namespace center::kube {
namespace {

using ::testing::HasSubstr;

TEST(KubeRequestsTest, ScalingIsAPatchOfTheScaleAlone) {
  const HttpRequest request = ScaleRequest("ns", "center-default", 4);
  EXPECT_EQ(request.method, "PATCH");
  EXPECT_EQ(request.target, "/apis/apps/v1/namespaces/ns/statefulsets/center-default/scale");
  EXPECT_EQ(request.body, R"({"spec":{"replicas":4}})");
  EXPECT_EQ(request.content_type, "application/merge-patch+json");
}

TEST(KubeRequestsTest, OnlyThatVeryPodIsDeleted) {
  const HttpRequest request = DeletePodRequest("ns", "d-0", "u-1", absl::nullopt);
  EXPECT_EQ(request.method, "DELETE");
  EXPECT_EQ(request.target, "/api/v1/namespaces/ns/pods/d-0");
  const auto body = ParseJson(request.body);
  EXPECT_EQ(TextAt(*body, {"preconditions", "uid"}), "u-1");
  EXPECT_EQ(NumberAt(*body, {"gracePeriodSeconds"}, -1), -1) << "as the pod has it";
}

TEST(KubeRequestsTest, APodIsNeverTakenOffTheBooksBeforeItHasEnded) {
  const auto body = ParseJson(DeletePodRequest("ns", "d-0", "u-1", absl::ZeroDuration()).body);
  EXPECT_EQ(NumberAt(*body, {"gracePeriodSeconds"}), 1);
}

class ApiCallsTest : public ::testing::Test {
 protected:
  absl::Status Scale() {
    return Ask([this](Calls::Done done) {
      calls_.Scale("set", 2, [done](const auto& version) { done(version.status()); });
    });
  }
  absl::Status Delete() {
    return Ask(
        [this](Calls::Done done) { calls_.DeletePod("d-0", "u", absl::nullopt, std::move(done)); });
  }
  static absl::Status Ask(const std::function<void(Calls::Done)>& ask) {
    absl::Notification answered;
    absl::Status result;
    ask([&](const absl::Status& status) {
      result = status;
      answered.Notify();
    });
    answered.WaitForNotification();
    return result;
  }

  FakeTransport api_;
  ApiCalls calls_{api_,
                  {.name_space = "ns",
                   .patience = absl::Seconds(50),
                   .pause_min = absl::Milliseconds(1),
                   .pause_max = absl::Milliseconds(4),
                   .post = [](const std::function<void()>& task) { task(); }}};
};

TEST_F(ApiCallsTest, WhatMayPassIsTriedAgain) {
  api_.Answer(503, "");
  api_.Answer(429, "");
  api_.Answer(401, "");  // the token has just been replaced
  api_.Answer(200, "{}");
  EXPECT_TRUE(Scale().ok());
  EXPECT_EQ(api_.requests().size(), 4u);
}

TEST_F(ApiCallsTest, WhatDoesNotPassIsToldInTheServersWords) {
  api_.Answer(403, R"({"message":"cannot patch resource \"statefulsets/scale\""})");
  const absl::Status status = Scale();
  EXPECT_TRUE(absl::IsPermissionDenied(status));
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("scaling StatefulSet set: the API server answers 403: cannot patch"));
  EXPECT_EQ(api_.requests().size(), 1u);
}

TEST_F(ApiCallsTest, PatienceEnds) {
  ApiCalls hasty(api_, {.patience = absl::Milliseconds(20),
                        .pause_min = absl::Milliseconds(1),
                        .pause_max = absl::Milliseconds(4),
                        .post = [](const std::function<void()>& task) { task(); }});
  EXPECT_TRUE(absl::IsUnavailable(Ask([&hasty](Calls::Done done) {
    hasty.Scale("set", 2, [done](const auto& version) { done(version.status()); });
  })));
  EXPECT_GT(api_.requests().size(), 1u);
}

TEST_F(ApiCallsTest, AServerThatAsksForMoreTimeThanThereIsEndsIt) {
  api_.Answer(429, "", absl::Seconds(60));
  EXPECT_TRUE(absl::IsResourceExhausted(Scale()));
}

TEST_F(ApiCallsTest, APodThatIsGoneOrHasBeenReplacedIsDeleted) {
  api_.Answer(404, "");
  EXPECT_TRUE(Delete().ok());
  api_.Answer(409, "");
  EXPECT_TRUE(Delete().ok());
  api_.Answer(404, "");
  EXPECT_TRUE(absl::IsNotFound(Scale()));
}

}  // namespace
}  // namespace center::kube
