#include "services/coordinator/relay/stream_plan.h"

#include "gtest/gtest.h"
#include "services/common/rpc/status.h"

namespace center::relay {
namespace {

v1::StreamPayloadsRequest Asked(const StreamPlan& plan, absl::optional<uint64_t> next_offset,
                                bool joins_late) {
  v1::StreamPayloadsRequest request;
  EXPECT_TRUE(
      request.ParseFromString(RequestFor(plan, "default/0", next_offset, joins_late, plan.follow)));
  return request;
}

StreamPlan PlanFor(const v1::StreamPayloadsRequest& request) {
  auto plan = MakePlan(request, absl::FromUnixNanos(1'700'000'000'000'000'005));
  EXPECT_TRUE(plan.ok()) << plan.status();
  return *std::move(plan);
}

TEST(StreamPlanTest, DefaultsToTheLatestOfTheDefaultServer) {
  const StreamPlan plan = PlanFor({});
  EXPECT_EQ(plan.server, "default");
  const auto asked = Asked(plan, absl::nullopt, false);
  EXPECT_EQ(asked.server(), "default");
  EXPECT_EQ(asked.worker(), "default/0");
  EXPECT_EQ(asked.start().place(), v1::StartPosition::PLACE_LATEST);
}

TEST(StreamPlanTest, WhoeverJoinsALatestStreamLateStartsWhenItBegan) {
  const auto asked = Asked(PlanFor({}), absl::nullopt, true);
  EXPECT_EQ(asked.start().time().seconds(), 1'700'000'000);
  EXPECT_EQ(asked.start().time().nanos(), 5);
}

TEST(StreamPlanTest, KnownPositionWinsOverEverything) {
  v1::StreamPayloadsRequest request;
  request.mutable_start()->set_place(v1::StartPosition::PLACE_EARLIEST);
  request.mutable_filter()->set_contains("x");
  request.set_follow(true);
  request.set_max_message_bytes(77);
  const auto asked = Asked(PlanFor(request), 42, true);
  EXPECT_EQ(asked.start().cursor().next_offsets().at("default/0"), 42u);
  EXPECT_EQ(asked.filter().contains(), "x");
  EXPECT_TRUE(asked.follow());
  EXPECT_EQ(asked.max_message_bytes(), 77u);
}

TEST(StreamPlanTest, EarliestAndTimeStayWhatTheyAre) {
  v1::StreamPayloadsRequest request;
  request.mutable_start()->set_place(v1::StartPosition::PLACE_EARLIEST);
  EXPECT_EQ(Asked(PlanFor(request), absl::nullopt, true).start().place(),
            v1::StartPosition::PLACE_EARLIEST);
  request.mutable_start()->mutable_time()->set_seconds(5);
  EXPECT_EQ(Asked(PlanFor(request), absl::nullopt, true).start().time().seconds(), 5);
}

TEST(StreamPlanTest, SubscriptionBecomesACursor) {
  v1::StreamPayloadsRequest request;
  request.mutable_start()->set_subscription("audit");
  StreamPlan plan = PlanFor(request);
  EXPECT_EQ(plan.subscription, "audit");
  UseCursor({{"default/0", 9}}, &plan);
  EXPECT_EQ(plan.subscription, "");
  EXPECT_EQ(Asked(plan, absl::nullopt, false).start().cursor().next_offsets().at("default/0"), 9u);
  StreamPlan empty = PlanFor(request);
  UseCursor({}, &empty);
  EXPECT_EQ(Asked(empty, absl::nullopt, false).start().place(), v1::StartPosition::PLACE_EARLIEST);
}

TEST(StreamPlanTest, InvalidStartsAreRefused) {
  v1::StreamPayloadsRequest request;
  request.mutable_start()->mutable_time()->set_nanos(-1);
  EXPECT_EQ(rpc::ReasonOf(MakePlan(request, absl::Now()).status()), "INVALID_FIELDS");
  request.mutable_start()->set_subscription("");
  EXPECT_EQ(rpc::ReasonOf(MakePlan(request, absl::Now()).status()), "INVALID_FIELDS");
  request.mutable_start()->set_place(static_cast<v1::StartPosition::Place>(17));
  EXPECT_EQ(rpc::ReasonOf(MakePlan(request, absl::Now()).status()), "INVALID_FIELDS");
}

}  // namespace
}  // namespace center::relay
