// What is appended, but not safe yet, as when it waits for an fdatasync: producers take the orderly
// end of their connection for the word that everything they sent is safe.
#include <chrono>
#include <string>

#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/worker/ingest/ingest_server.h"
#include "tests/unit/ingest/server_fixture.h"

namespace center::ingest {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

class IngestSafetyTest : public ServerFixture {
 protected:
  // Whether the end of the producer's stream has been read: the next one's payload comes after it.
  void PassAnother(absl::string_view payload) {
    auto another = Connect();
    const uint64_t stored = journal_.next_offset();
    another->Send(absl::StrCat(payload, "\n"));
    ASSERT_TRUE(RunUntilStored(stored + 1));
    another->Reset();
    const uint64_t open = server_->counters().connections;
    ASSERT_TRUE(RunUntil([&] { return server_->counters().connections < open; }));
  }
  void LetGo(uint64_t up_to = UINT64_MAX) {
    journal_.LetSafeEndGo(up_to);
    server_->OnSafe();
  }
  // Ends in order, although its payloads are not safe.
  std::unique_ptr<Producer> EndedProducer(absl::string_view bytes, uint64_t payloads) {
    auto producer = Connect();
    producer->Send(bytes);
    producer->ShutdownWrite();
    EXPECT_TRUE(RunUntilStored(payloads));
    return producer;
  }
};

TEST_F(IngestSafetyTest, TheCloseWaitsUntilAllThatWasSentIsSafe) {
  journal_.HoldSafeEnd();
  StartServer();
  auto producer = EndedProducer("one\nlast", 2);
  PassAnother("x");
  EXPECT_FALSE(producer->IsClosed());
  EXPECT_EQ(server_->counters().connections, 1u);
  LetGo(1);
  EXPECT_FALSE(producer->IsClosed());
  LetGo(2);
  ASSERT_TRUE(RunUntil([&] { return producer->IsClosed(); }));
  EXPECT_FALSE(producer->IsReset());
  EXPECT_EQ(server_->counters().connections, 0u);
  EXPECT_THAT(journal_.Payloads(), ElementsAre("one", "last", "x"));
}

TEST_F(IngestSafetyTest, WhoSentNothingUnsafeIsNotKeptWaiting) {
  StartServer();
  auto producer = EndedProducer("one\n", 1);
  ASSERT_TRUE(RunUntil([&] { return producer->IsClosed(); }));
  EXPECT_FALSE(producer->IsReset());
}

TEST_F(IngestSafetyTest, WhatIsNeverSafeEndsInAReset) {
  journal_.HoldSafeEnd();
  StartServer();
  auto producer = EndedProducer("one\n", 1);
  auto open = Connect();
  ASSERT_TRUE(RunUntilConnections(2));
  server_->OnJournalFailed(absl::DataLossError("fdatasync: Input/output error"));
  ASSERT_TRUE(RunUntil([&] { return !journal_.failure().ok(); }));
  EXPECT_TRUE(producer->IsReset());
  EXPECT_TRUE(open->IsReset());
  EXPECT_EQ(server_->counters().connections, 0u);
}

TEST_F(IngestSafetyTest, StoppedAtOnceItSaysNothingThatIsNotTrue) {
  journal_.HoldSafeEnd();
  StartServer();
  auto ended = EndedProducer("one\n", 1);
  auto open = Connect();
  ASSERT_TRUE(RunUntilConnections(2));
  server_->StopNow();
  EXPECT_TRUE(ended->IsReset());
  EXPECT_TRUE(open->IsReset());
}

TEST_F(IngestSafetyTest, ADrainWaitsForWhatIsNotSafe) {
  journal_.HoldSafeEnd();
  StartServer();
  auto ended = EndedProducer("one\n", 1);
  PassAnother("two");
  bool drained = false;
  server_->Drain(absl::ZeroDuration(), [&] { drained = true; });
  // Longer than a drain without time takes.
  const auto linger_over = std::chrono::steady_clock::now() + 2 * kDrainLinger;
  ASSERT_TRUE(RunUntil([&] { return std::chrono::steady_clock::now() > linger_over; }));
  EXPECT_FALSE(drained);
  EXPECT_FALSE(ended->IsClosed());
  LetGo();
  ASSERT_TRUE(RunUntil([&] { return drained; }));
  EXPECT_TRUE(ended->EndsCleanly());
}

TEST_F(IngestSafetyTest, ProducersWhomADrainEndsAreToldWhenWhatTheySentIsSafe) {
  journal_.HoldSafeEnd();
  StartServer();
  auto producer = Connect();
  auto inside_a_line = Connect();
  producer->Send("one\n");
  inside_a_line->Send("unfin");
  ASSERT_TRUE(RunUntilStored(1));
  ASSERT_TRUE(RunUntil([&] { return server_->counters().buffer_bytes > 0; }));
  bool drained = false;
  server_->Drain(absl::ZeroDuration(), [&] { drained = true; });
  // What is unfinished is given up at once, the other is kept.
  ASSERT_TRUE(RunUntilConnections(1));
  EXPECT_FALSE(drained);
  LetGo();
  ASSERT_TRUE(RunUntil([&] { return drained; }));
  EXPECT_TRUE(producer->EndsCleanly());
  EXPECT_EQ(server_->counters().truncated, 1u);
}

TEST_F(IngestSafetyTest, AnIdleConnectionIsClosedWhenWhatItSentIsSafe) {
  options_.idle_timeout = absl::Milliseconds(20);
  journal_.HoldSafeEnd();
  StartServer();
  auto producer = Connect();
  producer->Send("one\n");
  ASSERT_TRUE(RunUntil([&] { return !rejected_.empty(); }));
  EXPECT_EQ(rejected_[0].cause, RejectCause::kIdleTimeout);
  EXPECT_FALSE(producer->IsClosed());
  LetGo();
  ASSERT_TRUE(RunUntil([&] { return producer->IsClosed(); }));
  EXPECT_FALSE(producer->IsReset());
  EXPECT_THAT(rejected_, SizeIs(1));
}

}  // namespace
}  // namespace center::ingest
