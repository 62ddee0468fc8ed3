// Readers that count.
#include "cli/subscriber.h"

#include "absl/synchronization/mutex.h"
#include "tests/unit/cli/fake_coordinator.h"
#include "tests/unit/cli/testing.h"

namespace center::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

constexpr absl::Duration kPatience = absl::Seconds(20);

class SubscriberTest : public CliTest {
 protected:
  SubscriberTest() : coordinator_(dir_.path()) {
    coordinator_.payloads.Append("default/0", 10);
    coordinator_.payloads.Append("default/1", 5);
    context_ = MakeContext({.address = coordinator_.address()});
  }
  std::unique_ptr<Subscriber> Subscribe(const v1::Cursor& from, Subscriber::Visit visit = nullptr) {
    return std::make_unique<Subscriber>(coordinator_.Channel(), "default", from, std::move(visit));
  }

  FakeCoordinator coordinator_;
  std::unique_ptr<Context> context_;
  std::atomic<bool> give_up_{false};
};

TEST_F(SubscriberTest, JournalEndsAreTheNextOffsets) {
  const auto ends = JournalEnds(*context_, "default");
  ASSERT_TRUE(ends.ok()) << ends.status();
  EXPECT_THAT(ends->next_offsets(),
              UnorderedElementsAre(Pair("default/0", 10), Pair("default/1", 5)));
}

TEST_F(SubscriberTest, JournalEndsOfAStoppedServerAreAnError) {
  coordinator_.payloads.EndNextAfter(
      0, rpc::WithReason(absl::FailedPreconditionError("stopped"), "SERVER_STOPPED"));
  EXPECT_EQ(ExitCodeOf(JournalEnds(*context_, "default").status()), kExitNotRunning);
}

TEST_F(SubscriberTest, PayloadsBetweenAddsUpWorkersAlsoNewOnes) {
  v1::Cursor before, after;
  (*before.mutable_next_offsets())["a/0"] = 10;
  (*after.mutable_next_offsets())["a/0"] = 15;
  (*after.mutable_next_offsets())["a/1"] = 3;
  EXPECT_EQ(PayloadsBetween(before, after), 8u);
  EXPECT_EQ(PayloadsBetween(after, after), 0u);
}

TEST_F(SubscriberTest, CountsFromTheCursorOnAndFollows) {
  v1::Cursor from;
  (*from.mutable_next_offsets())["default/0"] = 8;
  (*from.mutable_next_offsets())["default/1"] = 5;
  const auto subscriber = Subscribe(from);
  ASSERT_TRUE(WaitForPayloads(*subscriber, 2, kPatience, give_up_));
  coordinator_.payloads.Append("default/1", 4);
  ASSERT_TRUE(WaitForPayloads(*subscriber, 6, kPatience, give_up_));
  EXPECT_EQ(subscriber->payloads(), 6u);
  EXPECT_EQ(subscriber->missing(), 0u);
  EXPECT_GT(subscriber->last_receive().time_since_epoch().count(), 0);
  EXPECT_FALSE(subscriber->ended());
  EXPECT_TRUE(subscriber->Stop().ok());
  EXPECT_TRUE(subscriber->Stop().ok()) << "may be called again";
  EXPECT_EQ(subscriber->payloads(), 6u);
}

TEST_F(SubscriberTest, VisitsEachPayloadOnce) {
  absl::Mutex mutex;
  std::vector<std::string> visited;
  v1::Cursor from;
  (*from.mutable_next_offsets())["default/0"] = 8;
  (*from.mutable_next_offsets())["default/1"] = 5;
  const auto subscriber = Subscribe(from, [&](absl::string_view payload) {
    absl::MutexLock lock(&mutex);
    visited.emplace_back(payload);
  });
  ASSERT_TRUE(WaitForPayloads(*subscriber, 2, kPatience, give_up_));
  ASSERT_TRUE(subscriber->Stop().ok());
  EXPECT_THAT(visited, ElementsAre("default/0#8", "default/0#9"));
  EXPECT_EQ(subscriber->bytes(), 22u);
}

TEST_F(SubscriberTest, WhatIsMissingCountsAsWaitedFor) {
  coordinator_.payloads.Forget("default/0", 7);
  const auto subscriber = Subscribe(v1::Cursor());
  ASSERT_TRUE(WaitForPayloads(*subscriber, 15, kPatience, give_up_));
  EXPECT_EQ(subscriber->missing(), 7u);
  EXPECT_EQ(subscriber->deleted(), 7u);
  EXPECT_EQ(subscriber->payloads(), 8u);
}

TEST_F(SubscriberTest, AStreamThatEndsByItselfSaysWhy) {
  coordinator_.payloads.EndNextAfter(1, absl::DataLossError("broken"));
  const auto subscriber = Subscribe(v1::Cursor());
  EXPECT_FALSE(WaitForPayloads(*subscriber, 1000, kPatience, give_up_));
  EXPECT_TRUE(subscriber->ended());
  EXPECT_TRUE(absl::IsDataLoss(subscriber->Stop()));
  EXPECT_EQ(subscriber->payloads(), 4u);
}

TEST_F(SubscriberTest, WaitingEndsWithTheTimeOrTheWish) {
  const auto subscriber = Subscribe(v1::Cursor());
  EXPECT_FALSE(WaitForPayloads(*subscriber, 1000, absl::Milliseconds(20), give_up_));
  give_up_ = true;
  EXPECT_FALSE(WaitForPayloads(*subscriber, 1000, absl::InfiniteDuration(), give_up_));
}

}  // namespace
}  // namespace center::cli
