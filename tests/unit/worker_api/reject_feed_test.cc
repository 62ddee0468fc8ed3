#include "services/worker/api/reject_feed.h"

#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/journal/testing.h"
#include "tests/unit/worker_api/batches.h"

namespace center::worker {
namespace {

using ::testing::HasSubstr;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

class RejectFeedTest : public ::testing::Test {
 protected:
  RejectFeedTest()
      : feed_(kWorker, clock_, [this](v1::Event event) { events_.push_back(std::move(event)); }) {}

  void Reject(int times, ingest::RejectCause cause = ingest::RejectCause::kPayloadTooLarge) {
    for (int i = 0; i < times; ++i) {
      feed_.OnReject({absl::StrCat("10.0.0.1:", i), cause, "a payload of 2 MiB", 1234});
    }
  }
  void Advance(absl::Duration duration) {
    clock_.Set(clock_.WallNanos() + absl::ToInt64Nanoseconds(duration));
  }
  static std::string Detail(const v1::Event& event, const std::string& key) {
    const auto found = event.details().find(key);
    return found == event.details().end() ? "" : found->second;
  }

  journal::FakeClock clock_;
  std::vector<v1::Event> events_;
  RejectFeed feed_;
};

TEST_F(RejectFeedTest, AnEventSaysWhoWhereAndWhy) {
  Reject(1);
  ASSERT_EQ(events_.size(), 1u);
  const v1::Event& event = events_[0];
  EXPECT_EQ(event.type(), v1::EVENT_TYPE_CONNECTION_REJECTED);
  EXPECT_EQ(event.subject(), kWorker);
  EXPECT_EQ(event.reason(), "10.0.0.1:0: a payload of 2 MiB");
  EXPECT_EQ(event.id(), 0u);
  EXPECT_EQ(event.time().seconds(), 1);
  EXPECT_THAT(event.details(),
              UnorderedElementsAre(Pair("peer", "10.0.0.1:0"), Pair("cause", "payload-too-large"),
                                   Pair("stream_position", "1234")));
}

TEST_F(RejectFeedTest, EveryCauseHasANameOfItsOwn) {
  std::set<std::string> names;
  for (const auto cause :
       {ingest::RejectCause::kConnectionLimit, ingest::RejectCause::kPeerConnectionLimit,
        ingest::RejectCause::kPayloadTooLarge, ingest::RejectCause::kMalformedFrame,
        ingest::RejectCause::kFrameTimeout, ingest::RejectCause::kIdleTimeout,
        ingest::RejectCause::kBufferLimit}) {
    Reject(1, cause);
    names.insert(Detail(events_.back(), "cause"));
  }
  EXPECT_EQ(names.size(), 7u);
  EXPECT_EQ(names.count("unknown"), 0u);
}

TEST_F(RejectFeedTest, AFloodIsCutOffAndCounted) {
  Reject(1000);
  EXPECT_EQ(events_.size(), RejectFeed::kEventsPerSecondMax);
  Advance(absl::Milliseconds(999));
  feed_.Tick();
  EXPECT_EQ(events_.size(), RejectFeed::kEventsPerSecondMax) << "the second is not over";
  Advance(absl::Milliseconds(1));
  feed_.Tick();
  ASSERT_EQ(events_.size(), RejectFeed::kEventsPerSecondMax + 1);
  EXPECT_EQ(Detail(events_.back(), "suppressed"), "990");
  EXPECT_THAT(events_.back().reason(), HasSubstr("990 more connections"));
  EXPECT_EQ(events_.back().type(), v1::EVENT_TYPE_CONNECTION_REJECTED);
  EXPECT_EQ(events_.back().subject(), kWorker);
  Advance(absl::Seconds(1));
  feed_.Tick();
  EXPECT_EQ(events_.size(), RejectFeed::kEventsPerSecondMax + 1) << "told once";
}

TEST_F(RejectFeedTest, ALongFloodSendsSoManyASecondAndLosesNoCount) {
  constexpr int kSeconds = 20;
  constexpr int kPerSecond = 100;
  for (int second = 0; second < kSeconds; ++second) {
    const size_t before = events_.size();
    Reject(kPerSecond);
    EXPECT_LE(events_.size() - before, RejectFeed::kEventsPerSecondMax);
    Advance(absl::Seconds(1));
  }
  feed_.Tick();
  uint64_t told = 0;
  for (const v1::Event& event : events_) {
    const std::string suppressed = Detail(event, "suppressed");
    told += suppressed.empty() ? 1 : std::stoull(suppressed);
  }
  EXPECT_EQ(told, uint64_t{kSeconds} * kPerSecond);
}

TEST_F(RejectFeedTest, AQuietSecondSaysNothing) {
  Reject(3);
  for (int i = 0; i < 5; ++i) {
    Advance(absl::Seconds(1));
    feed_.Tick();
  }
  EXPECT_EQ(events_.size(), 3u);
}

}  // namespace
}  // namespace center::worker
