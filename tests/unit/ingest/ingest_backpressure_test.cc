// A journal that is full for a while, or for good.
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/worker/ingest/ingest_server.h"
#include "tests/unit/ingest/server_fixture.h"

namespace center::ingest {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class IngestBackpressureTest : public ServerFixture {
 protected:
  bool RunUntilBlocked() {
    return RunUntil([&] { return !server_->blocked_reason().empty(); });
  }
};

TEST_F(IngestBackpressureTest, FullJournalStopsReadingLosesNothingAndResumesByItself) {
  StartServer();
  auto producer = Connect();
  ASSERT_TRUE(RunUntilConnections(1));
  journal_.SetFull(true);
  producer->Send("a\nb\n");
  ASSERT_TRUE(RunUntilBlocked());
  EXPECT_EQ(server_->blocked_reason(), "disk full");
  producer->Send("c\n");
  const int attempts = journal_.attempts();
  ASSERT_TRUE(RunUntil([&] { return journal_.attempts() >= attempts + 2; }));
  EXPECT_THAT(journal_.Payloads(), IsEmpty());
  EXPECT_EQ(server_->counters().payloads, 0u);

  journal_.SetFull(false);
  ASSERT_TRUE(RunUntilStored(3));
  EXPECT_THAT(journal_.Payloads(), ElementsAre("a", "b", "c"));
  EXPECT_EQ(server_->blocked_reason(), "");
  EXPECT_EQ(server_->counters().payloads, 3u);
}

TEST_F(IngestBackpressureTest, ProducersFeelItAndMemoryStaysBounded) {
  StartServer();
  auto producer = Connect();
  ASSERT_TRUE(RunUntilConnections(1));
  journal_.SetFull(true);
  std::string stream;
  for (int i = 0; stream.size() < 64 << 20; ++i) absl::StrAppend(&stream, "line ", i, "\n");
  absl::string_view rest = stream;
  // Until the socket's buffers are full and nothing moves for three retries.
  int attempts = 0;
  ASSERT_TRUE(RunUntil([&] {
    const size_t sent = producer->SendSome(rest);
    rest.remove_prefix(sent);
    if (sent > 0) attempts = journal_.attempts();
    return journal_.attempts() >= attempts + 3;
  }));
  EXPECT_FALSE(rest.empty());
  journal_.SetFull(false);
  ASSERT_TRUE(SendAll(*producer, rest));
  producer->Close();
  ASSERT_TRUE(RunUntilConnections(0));
  std::string received;
  for (const std::string& payload : journal_.Payloads()) absl::StrAppend(&received, payload, "\n");
  EXPECT_TRUE(received == stream);
}

TEST_F(IngestBackpressureTest, NobodyIsAcceptedOrTimedOutWhileBlocked) {
  options_.frame_timeout = absl::Milliseconds(200);
  options_.idle_timeout = absl::Milliseconds(200);
  StartServer();
  auto producer = Connect();
  ASSERT_TRUE(RunUntilConnections(1));
  journal_.SetFull(true);
  producer->Send("a\nunfinished");
  ASSERT_TRUE(RunUntilBlocked());
  auto late = Connect();
  const int attempts = journal_.attempts();
  ASSERT_TRUE(RunUntil([&] { return journal_.attempts() >= attempts + 6; }));
  EXPECT_THAT(rejected_, IsEmpty());
  EXPECT_EQ(server_->counters().accepted, 1u);
  journal_.SetFull(false);
  ASSERT_TRUE(RunUntil([&] { return server_->counters().accepted == 2; }));
}

TEST_F(IngestBackpressureTest, DrainWhileBlockedWaitsForTheJournalUntilItsTimeout) {
  StartServer();
  auto producer = Connect();
  journal_.SetFull(true);
  producer->Send("a\n");
  ASSERT_TRUE(RunUntilBlocked());
  bool done = false;
  server_->Drain(absl::Seconds(60), [&] { done = true; });
  producer->Close();
  const int attempts = journal_.attempts();
  ASSERT_TRUE(RunUntil([&] { return journal_.attempts() >= attempts + 2; }));
  EXPECT_FALSE(done);
  journal_.SetFull(false);
  ASSERT_TRUE(RunUntil([&] { return done; }));
  EXPECT_THAT(journal_.Payloads(), ElementsAre("a"));
}

TEST_F(IngestBackpressureTest, DrainEndsAtItsTimeoutEvenIfTheJournalStaysFull) {
  StartServer();
  auto producer = Connect();
  journal_.SetFull(true);
  producer->Send("a\n");
  ASSERT_TRUE(RunUntilBlocked());
  bool done = false;
  server_->Drain(absl::Milliseconds(150), [&] { done = true; });
  ASSERT_TRUE(RunUntil([&] { return done; }));
  EXPECT_TRUE(producer->IsClosed());
}

TEST_F(IngestBackpressureTest, BrokenJournalEndsTheServerAndIsReportedOnce) {
  StartServer();
  auto producer = Connect();
  ASSERT_TRUE(RunUntilConnections(1));
  journal_.SetBroken();
  producer->Send("a\n");
  ASSERT_TRUE(RunUntil([&] { return !journal_.failure().ok(); }));
  EXPECT_EQ(journal_.failure().code(), absl::StatusCode::kDataLoss);
  EXPECT_TRUE(producer->IsClosed());
  EXPECT_EQ(server_->counters().connections, 0u);
  EXPECT_EQ(server_->counters().payloads, 0u);
  EXPECT_EQ(journal_.attempts(), 1);
}

TEST_F(IngestBackpressureTest, BrokenJournalInAFullGroupIsSurvivedToo) {
  StartServer();
  auto producer = Connect();
  ASSERT_TRUE(RunUntilConnections(1));
  journal_.SetFull(true);
  const std::string stream(4 << 20, '\n');
  absl::string_view rest = stream;
  ASSERT_TRUE(RunUntil([&] {
    rest.remove_prefix(producer->SendSome(rest));
    return !server_->blocked_reason().empty();
  }));
  journal_.SetBroken();
  ASSERT_TRUE(RunUntil([&] { return !journal_.failure().ok(); }));
  EXPECT_TRUE(producer->IsClosed());
}

}  // namespace
}  // namespace center::ingest
