// Subscribers that leave, stall, come in crowds, or come back where they were.
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/collector.h"
#include "tests/integration/fleet.h"
#include "tests/integration/producer.h"

namespace center::itest {
namespace {

using ::testing::IsEmpty;

std::string Lines(int from, int to) {
  std::string lines;
  for (int i = from; i < to; ++i) absl::StrAppend(&lines, "p ", i, "\n");
  return lines;
}

// Numbers with padding behind them: "p 17 ....".
std::string PaddedLines(int from, int to) {
  std::string lines;
  const std::string padding(1000, '.');
  for (int i = from; i < to; ++i) absl::StrAppend(&lines, "p ", i, " ", padding, "\n");
  return lines;
}

uint64_t Subscribers(Fleet& fleet) {
  const auto server = fleet.GetServer("default");
  uint64_t subscribers = 0;
  if (server.ok()) {
    for (const v1::Worker& worker : server->workers()) subscribers += worker.stats().subscribers();
  }
  return subscribers;
}

TEST(SubscribersTest, ACancelledSubscriberLeavesNothingBehind) {
  Fleet fleet;
  const uint16_t port = fleet.MustStart("default", SmallSpec());
  Producer producer(port);
  for (int round = 0; round < 5; ++round) {
    Collector collector(fleet.channel(), EarliestRequest("default", /*follow=*/true));
    ASSERT_TRUE(producer.Send(Lines(round * 100, round * 100 + 100)));
    ASSERT_TRUE(collector.WaitCount(100 * (round + 1)));
    collector.Cancel();
    EXPECT_EQ(collector.Finish().error_code(), grpc::StatusCode::CANCELLED);
  }
  EXPECT_TRUE(WaitFor([&] { return Subscribers(fleet) == 0; })) << Subscribers(fleet);
}

TEST(SubscribersTest, AStalledSubscriberSlowsNobodyAndCostsLittle) {
  Fleet fleet;
  v1::ServerSpec spec = SmallSpec();
  spec.set_segment_bytes(16 << 20);
  const uint16_t port = fleet.MustStart("default", spec);

  // It opens the stream and never reads from it.
  const auto stalled_channel = fleet.NewChannel();
  grpc::ClientContext stalled_context;
  auto stalled = v1::PayloadService::NewStub(stalled_channel)
                     ->StreamPayloads(&stalled_context, EarliestRequest("default", true));
  Collector reader(fleet.channel(), EarliestRequest("default", /*follow=*/true));
  const pid_t worker = fleet.WorkerPid("default", 0);

  constexpr int kLines = 200'000;  // 200 MB
  constexpr int kStep = 10'000;
  Producer producer(port);
  uint64_t rss_early = 0;
  for (int from = 0; from < kLines; from += kStep) {
    ASSERT_TRUE(producer.Send(PaddedLines(from, from + kStep)));
    ASSERT_TRUE(reader.WaitCount(from + kStep));
    if (from == 2 * kStep) rss_early = ResidentBytes(worker);
  }
  EXPECT_THAT(CheckSequences(reader.ledger(), /*consecutive=*/true), IsEmpty());
  const uint64_t grown = ResidentBytes(worker) - std::min(ResidentBytes(worker), rss_early);
  // A build with sanitizers keeps freed memory for a while, so it is not measured there.
  if (Slowness() == 1) {
    EXPECT_LT(grown, 48u << 20) << "the worker keeps what a stalled reader does not take";
  }

  // And it loses nothing: when it reads at last, everything is there.
  uint64_t count = 0;
  v1::StreamPayloadsResponse response;
  while (count < kLines && stalled->Read(&response)) {
    for (const v1::PayloadBatch& batch : response.batches()) count += batch.sizes_size();
  }
  EXPECT_EQ(count, static_cast<uint64_t>(kLines));
  stalled_context.TryCancel();
  const grpc::Status status = stalled->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::CANCELLED);
}

TEST(SubscribersTest, TwoHundredSubscribersAtOnceAllGetEverything) {
  Fleet fleet;
  const uint16_t port = fleet.MustStart("default", SmallSpec(2));
  constexpr int kSubscribers = 200;
  constexpr int kLines = 500;
  std::vector<std::unique_ptr<Collector>> collectors;
  for (int i = 0; i < kSubscribers; ++i) {
    collectors.push_back(
        std::make_unique<Collector>(fleet.channel(), EarliestRequest("default", true)));
  }
  std::vector<std::unique_ptr<Producer>> producers;
  for (int i = 0; i < 4; ++i) producers.push_back(std::make_unique<Producer>(port));
  for (int i = 0; i < 4; ++i) {
    std::string lines;
    for (int line = 0; line < kLines; ++line) absl::StrAppend(&lines, "p", i, " ", line, "\n");
    ASSERT_TRUE(producers[i]->Send(lines));
  }
  for (const auto& collector : collectors) {
    ASSERT_TRUE(collector->WaitCount(4 * kLines, absl::Seconds(60))) << collector->count();
    const Ledger seen = collector->ledger();
    EXPECT_EQ(CountOf(seen), 4u * kLines);
    EXPECT_THAT(CheckSequences(seen, /*consecutive=*/true), IsEmpty());
  }
  EXPECT_TRUE(WaitFor([&] { return Subscribers(fleet) == 2 * kSubscribers; }))
      << Subscribers(fleet);
}

TEST(SubscribersTest, ANamedSubscriptionResumesWhereItCommitted) {
  Fleet fleet;
  const uint16_t port = fleet.MustStart("default", SmallSpec(2));
  std::vector<std::unique_ptr<Producer>> producers;
  for (int i = 0; i < 4; ++i) {
    producers.push_back(std::make_unique<Producer>(port));
    ASSERT_TRUE(producers.back()->Send(absl::StrCat("p", i, " 1\n")));
  }
  v1::StreamPayloadsRequest request;
  request.set_server("default");
  request.set_follow(true);
  request.mutable_start()->set_subscription("billing");
  v1::Cursor cursor;
  {
    Collector first(fleet.channel(), request);
    ASSERT_TRUE(first.WaitCount(4));
    cursor = first.cursor();
  }
  const auto commit = [&](const v1::Cursor& to, bool rewind, v1::CommitCursorResponse* response) {
    v1::CommitCursorRequest message;
    message.set_server("default");
    message.set_subscription("billing");
    *message.mutable_cursor() = to;
    message.set_rewind(rewind);
    grpc::ClientContext context;
    return v1::PayloadService::NewStub(fleet.channel())->CommitCursor(&context, message, response);
  };
  v1::CommitCursorResponse response;
  ASSERT_TRUE(commit(cursor, false, &response).ok());

  for (auto& producer : producers) ASSERT_TRUE(producer->Send("next 2\n"));
  {
    Collector second(fleet.channel(), request);
    ASSERT_TRUE(second.WaitCount(4));
    for (const std::string& payload : SortedPayloads(second.ledger())) EXPECT_EQ(payload, "next 2");
  }
  // Back only on request.
  v1::Cursor start;
  for (const auto& [worker, offset] : cursor.next_offsets()) {
    (*start.mutable_next_offsets())[worker] = 0;
  }
  ASSERT_TRUE(commit(start, false, &response).ok());
  EXPECT_EQ(response.cursor().DebugString(), cursor.DebugString());
  ASSERT_TRUE(commit(start, true, &response).ok());
  Collector third(fleet.channel(), request);
  EXPECT_TRUE(third.WaitCount(8));

  // The subscription is desired state: a restarted coordinator knows it.
  ASSERT_TRUE(commit(cursor, false, &response).ok());
  third.Cancel();
  producers.clear();  // or the workers drain them
  fleet.Stop();
  fleet.Start();
  ASSERT_TRUE(fleet.WaitReady("default"));
  Collector fourth(fleet.channel(), request);
  EXPECT_TRUE(fourth.WaitCount(4));
  for (const std::string& payload : SortedPayloads(fourth.ledger())) EXPECT_EQ(payload, "next 2");
}

TEST(SubscribersTest, StartsAtLatestAtATimeAndAtACursor) {
  Fleet fleet;
  const uint16_t port = fleet.MustStart("default", SmallSpec());
  Producer producer(port);
  ASSERT_TRUE(producer.Send("p 1\np 2\n"));
  ASSERT_TRUE(fleet.WaitStored("default", 2));
  const absl::Time between = absl::Now();
  ASSERT_TRUE(WaitFor([&] { return absl::Now() > between + absl::Milliseconds(2); }));

  v1::StreamPayloadsRequest latest;
  latest.set_server("default");
  latest.set_follow(true);
  Collector follower(fleet.channel(), latest);
  // Its first progress says that it stands at the end.
  ASSERT_TRUE(WaitFor([&] { return follower.cursor().next_offsets_size() == 1; }));
  ASSERT_TRUE(producer.Send("p 3\np 4\n"));
  ASSERT_TRUE(follower.WaitCount(2));
  EXPECT_EQ(follower.ledger()["default/0"].front().payload, "p 3");

  v1::StreamPayloadsRequest at_time = EarliestRequest("default", /*follow=*/false);
  const int64_t nanos = absl::ToUnixNanos(between);
  at_time.mutable_start()->mutable_time()->set_seconds(nanos / 1'000'000'000);
  at_time.mutable_start()->mutable_time()->set_nanos(static_cast<int32_t>(nanos % 1'000'000'000));
  Collector later(fleet.channel(), at_time);
  EXPECT_TRUE(later.Finish().ok());
  EXPECT_EQ(CountOf(later.ledger()), 2u);

  // In the middle of a batch.
  v1::StreamPayloadsRequest at_cursor = EarliestRequest("default", /*follow=*/false);
  (*at_cursor.mutable_start()->mutable_cursor()->mutable_next_offsets())["default/0"] = 1;
  Collector rest(fleet.channel(), at_cursor);
  EXPECT_TRUE(rest.Finish().ok());
  ASSERT_EQ(CountOf(rest.ledger()), 3u);
  EXPECT_EQ(rest.ledger()["default/0"].front().offset, 1u);
}

TEST(SubscribersTest, WhatRetentionDeletedIsSaid) {
  Fleet fleet;
  v1::ServerSpec spec = SmallSpec();
  spec.set_retain_bytes(2 << 20);
  const uint16_t port = fleet.MustStart("default", spec);
  Producer producer(port);
  constexpr int kLines = 20'000;  // 20 MB into a journal of 2
  ASSERT_TRUE(producer.Send(PaddedLines(0, kLines)));
  ASSERT_TRUE(WaitFor([&] {
    const auto server = fleet.GetServer("default");
    return server.ok() && server->workers(0).stats().end_offset() == kLines &&
           server->workers(0).stats().first_offset() > 0 &&
           server->workers(0).stats().journal_bytes() <= spec.retain_bytes();  // it has settled
  }));
  v1::StreamPayloadsRequest request = EarliestRequest("default", /*follow=*/false);
  (*request.mutable_start()->mutable_cursor()->mutable_next_offsets())["default/0"] = 0;
  Collector collector(fleet.channel(), request);
  EXPECT_TRUE(collector.Finish().ok());
  const std::vector<v1::Gap> gaps = collector.gaps();
  ASSERT_EQ(gaps.size(), 1u);
  EXPECT_EQ(gaps[0].reason(), v1::Gap::REASON_RETENTION);
  EXPECT_EQ(gaps[0].from_offset(), 0u);
  const Ledger seen = collector.ledger();
  ASSERT_GT(CountOf(seen), 0u);
  EXPECT_EQ(gaps[0].to_offset(), seen.at("default/0").front().offset);
  EXPECT_EQ(gaps[0].to_offset() + CountOf(seen), static_cast<uint64_t>(kLines));
}

}  // namespace
}  // namespace center::itest
