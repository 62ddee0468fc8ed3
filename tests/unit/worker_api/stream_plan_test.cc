#include "services/worker/api/stream_plan.h"

#include <cstdint>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/rpc/status.h"
#include "tests/unit/worker_api/test_journal.h"

namespace center::worker {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A journal of three batches: offsets 0-1 at 100 s, 2-3 at 200 s, 4-5 at 300 s.
class StreamPlanTest : public ::testing::Test {
 protected:
  StreamPlanTest() {
    for (const int64_t second : {100, 200, 300}) journal_.Append({"a", "b"}, second * kSecond);
  }
  absl::StatusOr<StreamPlan> Plan() { return MakeStreamPlan(request_, kWorker, *journal_); }
  uint64_t Start() {
    const auto plan = Plan();
    EXPECT_TRUE(plan.ok()) << plan.status();
    return plan.ok() ? plan->start : UINT64_MAX;
  }
  uint64_t StartAt(int64_t seconds, int32_t nanos = 0) {
    request_.mutable_start()->mutable_time()->set_seconds(seconds);
    request_.mutable_start()->mutable_time()->set_nanos(nanos);
    return Start();
  }
  uint64_t StartOfCursor(const std::string& worker, uint64_t offset) {
    auto& offsets = *request_.mutable_start()->mutable_cursor()->mutable_next_offsets();
    offsets.clear();
    offsets[worker] = offset;
    return Start();
  }
  void ExpectBad(const std::string& field, const std::string& says) {
    const absl::Status status = Plan().status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    EXPECT_EQ(rpc::ReasonOf(status), "INVALID_FIELDS");
    EXPECT_THAT(BadFieldsOf(status), ElementsAre(field));
    EXPECT_THAT(std::string(status.message()), HasSubstr(says));
  }

  TestJournal journal_;
  v1::StreamPayloadsRequest request_;
};

TEST_F(StreamPlanTest, AnEmptyRequestIsLatestOfEverything) {
  const auto plan = Plan();
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->start, 6u);
  EXPECT_EQ(plan->stop, 6u);
  EXPECT_FALSE(plan->follow);
  EXPECT_EQ(plan->message_bytes, kMessageBytesDefault);
  EXPECT_EQ(plan->matcher, nullptr);
}

TEST_F(StreamPlanTest, PlacesAreTheEndsOfTheJournal) {
  request_.mutable_start()->set_place(v1::StartPosition::PLACE_EARLIEST);
  EXPECT_EQ(Start(), 0u);
  request_.mutable_start()->set_place(v1::StartPosition::PLACE_LATEST);
  EXPECT_EQ(Start(), 6u);
}

TEST_F(StreamPlanTest, ATimeIsTheFirstBatchReceivedThenOrLater) {
  EXPECT_EQ(StartAt(0), 0u);
  EXPECT_EQ(StartAt(100), 0u);
  EXPECT_EQ(StartAt(100, 1), 2u);
  EXPECT_EQ(StartAt(199, 999'999'999), 2u);
  EXPECT_EQ(StartAt(200), 2u);
  EXPECT_EQ(StartAt(300), 4u);
  EXPECT_EQ(StartAt(300, 1), 6u);
}

TEST_F(StreamPlanTest, TimesBeyondWhatClocksCanSayAreTheEnds) {
  EXPECT_EQ(StartAt(-1), 0u);
  EXPECT_EQ(StartAt(-62'135'596'800), 0u);  // the year 1
  EXPECT_EQ(StartAt(253'402'300'799), 6u);  // the year 9999
  EXPECT_EQ(StartAt(INT64_MAX, 999'999'999), 6u);
  EXPECT_EQ(StartAt(INT64_MIN), 0u);
}

TEST_F(StreamPlanTest, ACursorIsTakenAtItsWord) {
  EXPECT_EQ(StartOfCursor(kWorker, 0), 0u);
  EXPECT_EQ(StartOfCursor(kWorker, 3), 3u);
  EXPECT_EQ(StartOfCursor(kWorker, 6), 6u);
  EXPECT_EQ(StartOfCursor("default/1", 5), 0u) << "does not name this worker: earliest";
  EXPECT_EQ(StartOfCursor("default/1", 500), 0u);
}

TEST_F(StreamPlanTest, ACursorBeyondTheEndIsRefused) {
  (*request_.mutable_start()->mutable_cursor()->mutable_next_offsets())[kWorker] = 7;
  ExpectBad("start.cursor", "offset 7 of default/0 is beyond the end of its journal, 6");
}

TEST_F(StreamPlanTest, WhatTheRequestSaysIsInThePlan) {
  request_.set_server("default");
  request_.set_worker(kWorker);
  request_.set_follow(true);
  request_.set_max_message_bytes(1000);
  request_.mutable_filter()->set_contains("x");
  const auto plan = Plan();
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_TRUE(plan->follow);
  EXPECT_EQ(plan->message_bytes, 1000u);
  ASSERT_NE(plan->matcher, nullptr);
  EXPECT_TRUE(plan->matcher->Matches("x"));
}

TEST_F(StreamPlanTest, ForeignNamesAreRefused) {
  request_.set_server("other");
  ExpectBad("server", "'other': this is a worker of default");
  request_.set_server("default/0");
  ExpectBad("server", "this is a worker of default");
  request_.set_server("default");
  request_.set_worker("default/1");
  ExpectBad("worker", "'default/1': this is default/0");
}

TEST_F(StreamPlanTest, MessagesHaveALargestSize) {
  request_.set_max_message_bytes(kMessageBytesMax);
  EXPECT_EQ(Plan()->message_bytes, kMessageBytesMax);
  request_.set_max_message_bytes(kMessageBytesMax + 1);
  ExpectBad("max_message_bytes", "4194305 is too much; at most 4194304");
}

TEST_F(StreamPlanTest, PositionsThatMakeNoSenseAreRefused) {
  request_.mutable_start()->set_place(v1::StartPosition::PLACE_UNSPECIFIED);
  ExpectBad("start.place", "use PLACE_EARLIEST or PLACE_LATEST");
  request_.mutable_start()->set_place(static_cast<v1::StartPosition::Place>(77));
  ExpectBad("start.place", "use PLACE_EARLIEST or PLACE_LATEST");
  request_.mutable_start()->set_subscription("billing");
  ExpectBad("start.subscription", "ask the coordinator");
  for (const int32_t nanos : {-1, 1'000'000'000}) {
    request_.mutable_start()->mutable_time()->set_nanos(nanos);
    ExpectBad("start.time", "is not in 0..999999999");
  }
  request_.clear_start();
  request_.mutable_filter()->set_regex("[");
  ExpectBad("filter.regex", "missing ]");
}

TEST_F(StreamPlanTest, EveryWrongFieldIsNamedAtOnce) {
  request_.set_server("other");
  request_.set_worker("other/0");
  request_.set_max_message_bytes(UINT32_MAX);
  request_.mutable_start()->set_subscription("billing");
  request_.mutable_filter()->add_kinds(v1::PAYLOAD_KIND_UNSPECIFIED);
  request_.mutable_filter()->set_regex("[");
  EXPECT_THAT(BadFieldsOf(Plan().status()),
              ElementsAre("server", "worker", "max_message_bytes", "filter.kinds", "filter.regex",
                          "start.subscription"));
}

}  // namespace
}  // namespace center::worker
