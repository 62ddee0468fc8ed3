#include "services/worker/ingest/ingest_server.h"

#include <dirent.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/ingest/server_fixture.h"

namespace center::ingest {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using namespace std::string_literals;

using IngestServerTest = ServerFixture;

TEST_F(IngestServerTest, StoresTheLinesOfAConnectionWithPeerAndTime) {
  StartServer();
  const int64_t before = RealClock().WallNanos();
  auto producer = Connect();
  producer->Send("one\ntwo\r\nthr");
  ASSERT_TRUE(RunUntilStored(2));
  producer->Send("ee\n");
  ASSERT_TRUE(RunUntilStored(3));
  EXPECT_THAT(journal_.Payloads(), ElementsAre("one", "two", "three"));
  EXPECT_EQ(journal_.batches()[0].worker, "default/0");
  EXPECT_EQ(journal_.batches()[0].peer, producer->Name());
  EXPECT_GE(journal_.batches()[0].time_ns, before);
  EXPECT_EQ(server_->counters().payloads, 3u);
  EXPECT_EQ(server_->counters().bytes, 11u);
  EXPECT_EQ(server_->counters().buffer_bytes, 0u);
}

TEST_F(IngestServerTest, ConnectionsOfOneTurnShareAnAppend) {
  StartServer();
  std::vector<std::unique_ptr<Producer>> producers;
  for (int i = 0; i < 50; ++i) producers.push_back(Connect());
  ASSERT_TRUE(RunUntilConnections(50));
  for (auto& producer : producers) producer->Send("x\n");
  ASSERT_TRUE(RunUntilStored(50));
  EXPECT_THAT(journal_.batches(), SizeIs(50));
  EXPECT_LE(journal_.appends(), 10);
}

TEST_F(IngestServerTest, UnterminatedLastLineIsStoredAtACleanEnd) {
  StartServer();
  auto producer = Connect();
  producer->Send("one\nlast");
  producer->Close();
  ASSERT_TRUE(RunUntilStored(2));
  EXPECT_THAT(journal_.Payloads(), ElementsAre("one", "last"));
  ASSERT_TRUE(RunUntilConnections(0));
  EXPECT_EQ(server_->counters().truncated, 0u);
}

TEST_F(IngestServerTest, HalfClosedConnectionIsReadToItsEndAndClosed) {
  StartServer();
  auto producer = Connect();
  producer->Send("one\n");
  producer->ShutdownWrite();
  ASSERT_TRUE(RunUntilStored(1));
  ASSERT_TRUE(RunUntil([&] { return producer->IsClosed(); }));
}

TEST_F(IngestServerTest, AnOrderlyCloseComesWhenEverythingIsStored) {
  StartServer();
  auto producer = Connect();
  producer->Send("one\nlast");
  producer->ShutdownWrite();
  ASSERT_TRUE(RunUntil([&] { return producer->IsClosed(); }));
  EXPECT_EQ(journal_.next_offset(), 2u);
  EXPECT_FALSE(producer->IsReset());
}

TEST_F(IngestServerTest, TheCloseWaitsForAFullJournal) {
  StartServer();
  auto producer = Connect();
  producer->Send("last");
  producer->ShutdownWrite();
  journal_.SetFull(true);
  ASSERT_TRUE(RunUntil([&] { return journal_.attempts() >= 3; }));
  EXPECT_FALSE(producer->IsClosed());
  journal_.SetFull(false);
  ASSERT_TRUE(RunUntil([&] { return producer->IsClosed(); }));
  EXPECT_FALSE(producer->IsReset());
  EXPECT_THAT(journal_.Payloads(), ElementsAre("last"));
}

TEST_F(IngestServerTest, WhatIsNotStoredEndsInAReset) {
  journal_.SetBroken();
  StartServer();
  auto producer = Connect();
  producer->Send("last");
  producer->ShutdownWrite();
  ASSERT_TRUE(RunUntil([&] { return producer->IsClosed(); }));
  EXPECT_TRUE(producer->IsReset());
}

TEST_F(IngestServerTest, AFrameThatIsDroppedEndsInAReset) {
  options_.max_payload_bytes = 4;
  StartServer();
  auto too_long = Connect();
  too_long->Send("12345");
  ASSERT_TRUE(RunUntil([&] { return too_long->IsClosed(); }));
  EXPECT_TRUE(too_long->IsReset());
  auto server_ends = Connect();
  server_ends->Send("123");
  ASSERT_TRUE(RunUntil([&] { return server_->counters().buffer_bytes > 0; }));
  server_->StopNow();
  EXPECT_TRUE(server_ends->IsReset());
}

TEST_F(IngestServerTest, ResetInsideALineDropsAndCountsIt) {
  StartServer();
  auto producer = Connect();
  producer->Send("one\nhalf");
  ASSERT_TRUE(RunUntilStored(1));
  ASSERT_TRUE(RunUntil([&] { return server_->counters().buffer_bytes > 0; }));
  producer->Reset();
  ASSERT_TRUE(RunUntilConnections(0));
  EXPECT_THAT(journal_.Payloads(), ElementsAre("one"));
  EXPECT_EQ(server_->counters().truncated, 1u);
  EXPECT_EQ(server_->counters().buffer_bytes, 0u);
  EXPECT_THAT(rejected_, IsEmpty());
}

TEST_F(IngestServerTest, EndInsideALengthFrameDropsAndCountsIt) {
  StartServer(Framing::kLength);
  auto producer = Connect();
  producer->Send("\0\0\0\3abc\0\0\0\5de"s);
  producer->Close();
  ASSERT_TRUE(RunUntilStored(1));
  ASSERT_TRUE(RunUntilConnections(0));
  EXPECT_THAT(journal_.Payloads(), ElementsAre("abc"));
  EXPECT_EQ(server_->counters().truncated, 1u);
}

TEST_F(IngestServerTest, ChunkFramingTakesWhatTheAncestorsClientSends) {
  StartServer(Framing::kChunk);
  auto producer = Connect();
  uint64_t stored = 0;
  for (const char* write : {"STRING|2", "JSON|{\"proto_cnt\": 1}\n", "STRING|3"}) {
    producer->Send(write);
    ASSERT_TRUE(RunUntilStored(++stored));
  }
  EXPECT_THAT(journal_.Payloads(), ElementsAre("STRING|2", "JSON|{\"proto_cnt\": 1}", "STRING|3"));
}

TEST_F(IngestServerTest, OctetFramingOverManySmallWrites) {
  StartServer(Framing::kOctet);
  auto producer = Connect();
  for (const char c : "11 hello world3 a\nb"s) {
    producer->Send({&c, 1});
    ASSERT_TRUE(RunUntil([&] { return io_.poll() == 0; }));
  }
  ASSERT_TRUE(RunUntilStored(2));
  EXPECT_THAT(journal_.Payloads(), ElementsAre("hello world", "a\nb"));
}

// Payloads that take every path: packed in the group, completed in their own buffer, larger than a
// batch; sent in pieces of different sizes.
TEST_F(IngestServerTest, PayloadsOfAllSizesArriveUnchanged) {
  options_.max_payload_bytes = 3 << 20;
  for (const size_t piece : {size_t{1000}, size_t{70'000}, size_t{8} << 20}) {
    SCOPED_TRACE(piece);
    journal_ = FakeJournal();
    StartServer();
    auto producer = Connect();
    std::vector<std::string> sent;
    std::string stream;
    uint32_t seed = 1;
    for (const size_t size : {10, 5'000, 70'000, 3, 300'000, 65'536, 1 << 20, 1, 3 << 20, 100}) {
      std::string payload(size, '\0');
      for (char& c : payload) c = static_cast<char>('a' + (seed = seed * 1664525 + 1) % 26);
      absl::StrAppend(&stream, payload, "\n");
      sent.push_back(std::move(payload));
    }
    for (size_t at = 0; at < stream.size(); at += piece) {
      ASSERT_TRUE(SendAll(*producer, absl::string_view(stream).substr(at, piece)));
    }
    ASSERT_TRUE(RunUntilStored(sent.size()));
    EXPECT_TRUE(journal_.Payloads() == sent);
    EXPECT_EQ(server_->counters().buffer_bytes, 0u);
    EXPECT_THAT(rejected_, IsEmpty());
    for (const StoredBatch& batch : journal_.batches()) {
      size_t bytes = 0;
      for (const std::string& payload : batch.payloads) bytes += payload.size();
      EXPECT_TRUE(bytes <= 1 << 20 || batch.payloads.size() == 1);
    }
  }
}

TEST_F(IngestServerTest, MorePayloadsThanABatchHoldsAreSplitOverBatches) {
  StartServer();
  auto producer = Connect();
  const std::string stream(400'000, '\n');
  ASSERT_TRUE(SendAll(*producer, stream));
  ASSERT_TRUE(RunUntilStored(stream.size()));
  for (const StoredBatch& batch : journal_.batches()) EXPECT_LE(batch.payloads.size(), 65536u);
  EXPECT_EQ(server_->counters().payloads, stream.size());
}

TEST_F(IngestServerTest, ABusyConnectionDoesNotStarveTheOthers) {
  StartServer();
  auto busy = Connect();
  auto modest = Connect();
  ASSERT_TRUE(RunUntilConnections(2));
  const std::string flood(1 << 20, '\n');
  modest->Send("hello\n");
  uint64_t appends_until_stored = 0;
  ASSERT_TRUE(RunUntil([&] {
    busy->SendSome(flood);
    const auto& batches = journal_.batches();
    const bool stored = std::any_of(batches.begin(), batches.end(), [&](const StoredBatch& batch) {
      return batch.peer == modest->Name();
    });
    if (!stored) appends_until_stored = static_cast<uint64_t>(journal_.appends());
    return stored;
  }));
  EXPECT_LE(appends_until_stored, 3u);
}

TEST_F(IngestServerTest, BannerIsSentOnConnect) {
  options_.banner = "220 center ready\r\n";
  StartServer();
  auto producer = Connect();
  ASSERT_TRUE(RunUntil([&] { return producer->Received() == options_.banner; }));
}

TEST_F(IngestServerTest, AcceptedSocketsProbeSilentPeersAndAreResetByDeath) {
  StartServer();
  auto producer = Connect();
  ASSERT_TRUE(RunUntilConnections(1));
  bool found = false;
  for (int fd = 3; fd < 256 && !found; ++fd) {
    sockaddr_storage peer{};
    socklen_t length = sizeof peer;
    if (::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &length) != 0) continue;
    if (SockaddrToString(peer) != producer->Name()) continue;
    found = true;
    const auto option = [fd](int level, int name) {
      int value = 0;
      socklen_t size = sizeof value;
      EXPECT_EQ(::getsockopt(fd, level, name, &value, &size), 0);
      return value;
    };
    linger on_death{};
    socklen_t size = sizeof on_death;
    EXPECT_EQ(::getsockopt(fd, SOL_SOCKET, SO_LINGER, &on_death, &size), 0);
    EXPECT_TRUE(on_death.l_onoff == 1 && on_death.l_linger == 0)
        << "a worker that dies would end its connections as if everything were stored";
    EXPECT_EQ(option(SOL_SOCKET, SO_KEEPALIVE), 1);
    EXPECT_EQ(option(IPPROTO_TCP, TCP_KEEPIDLE), 60);
    EXPECT_EQ(option(IPPROTO_TCP, TCP_KEEPINTVL), 10);
    EXPECT_EQ(option(IPPROTO_TCP, TCP_KEEPCNT), 6);
  }
  EXPECT_TRUE(found);
}

TEST_F(IngestServerTest, DrainLetsConnectionsFinishAndRefusesNobodyItHas) {
  StartServer();
  auto producer = Connect();
  producer->Send("before\n");
  ASSERT_TRUE(RunUntilStored(1));
  bool done = false;
  server_->Drain(absl::Seconds(60), [&] { done = true; });
  EXPECT_FALSE(done);
  producer->Send("during\n");
  ASSERT_TRUE(RunUntilStored(2));
  EXPECT_FALSE(done);
  producer->Send("unended");
  producer->Close();
  ASSERT_TRUE(RunUntil([&] { return done; }));
  EXPECT_THAT(journal_.Payloads(), ElementsAre("before", "during", "unended"));
}

TEST_F(IngestServerTest, DrainWithoutConnectionsIsDoneAtOnce) {
  StartServer();
  bool done = false;
  server_->Drain(absl::InfiniteDuration(), [&] { done = true; });
  ASSERT_TRUE(RunUntil([&] { return done; }));
}

TEST_F(IngestServerTest, DrainTimeoutStoresWhatTheSocketsHoldAndCloses) {
  StartServer();
  auto producer = Connect();
  ASSERT_TRUE(RunUntilConnections(1));
  std::string stream;
  for (int i = 0; i < 10'000; ++i) absl::StrAppend(&stream, "line ", i, "\n");
  producer->Send(stream);
  bool done = false;
  server_->Drain(absl::ZeroDuration(), [&] { done = true; });
  ASSERT_TRUE(RunUntil([&] { return done; }));
  EXPECT_THAT(journal_.Payloads(), SizeIs(10'000));
  EXPECT_TRUE(producer->IsClosed());
  EXPECT_FALSE(producer->IsReset());
  EXPECT_EQ(server_->counters().connections, 0u);
}

TEST_F(IngestServerTest, DrainTimeoutTellsProducersAndStoresWhatTheySendUntilTheyEnd) {
  StartServer();
  auto producer = Connect();
  producer->Send("before\n");
  ASSERT_TRUE(RunUntilStored(1));
  bool done = false;
  server_->Drain(absl::ZeroDuration(), [&] { done = true; });
  ASSERT_TRUE(RunUntil([&] { return producer->IsClosed(); }));
  EXPECT_FALSE(done);
  producer->Send("after\nunended");
  producer->ShutdownWrite();
  ASSERT_TRUE(RunUntil([&] { return done; }));
  EXPECT_THAT(journal_.Payloads(), ElementsAre("before", "after", "unended"));
  EXPECT_TRUE(producer->EndsCleanly());
}

TEST_F(IngestServerTest, ProducerThatIsToldAndSendsOnIsClosedAfterTheLinger) {
  StartServer();
  auto producer = Connect();
  ASSERT_TRUE(RunUntilConnections(1));
  bool done = false;
  const auto begin = std::chrono::steady_clock::now();
  server_->Drain(absl::ZeroDuration(), [&] { done = true; });
  ASSERT_TRUE(RunUntil([&] {
    producer->SendSome("on and on\n");
    return done;
  }));
  EXPECT_GE(std::chrono::steady_clock::now() - begin, kDrainLinger);
}

TEST_F(IngestServerTest, APatientDrainCanBeHurried) {
  StartServer();
  auto producer = Connect();
  ASSERT_TRUE(RunUntilConnections(1));
  bool done = false;
  server_->Drain(absl::Seconds(600), [&] { done = true; });
  server_->Drain(absl::ZeroDuration(), nullptr);
  ASSERT_TRUE(RunUntil([&] { return producer->IsClosed(); }));
  producer->Close();
  ASSERT_TRUE(RunUntil([&] { return done; }));
}

TEST_F(IngestServerTest, StopNowAppendsWhatWasReceived) {
  StartServer();
  auto producer = Connect();
  producer->Send("a\nb\n");
  ASSERT_TRUE(RunUntil([&] {
    if (server_->counters().connections == 1) server_->StopNow();
    return server_->counters().accepted == 1 && server_->counters().connections == 0;
  }));
  EXPECT_TRUE(producer->IsClosed());
  EXPECT_EQ(server_->counters().payloads, journal_.next_offset());
}

TEST_F(IngestServerTest, MayBeDestroyedWithHandlersUnderWay) {
  StartServer();
  auto producer = Connect();
  producer->Send("a\nb");
  ASSERT_TRUE(RunUntilConnections(1));
  server_.reset();
  io_.restart();
  io_.poll();
  EXPECT_TRUE(producer->IsClosed());
}

TEST_F(IngestServerTest, OptionsOutsideTheirLimitsAreRefused) {
  const auto create = [&](IngestOptions options) {
    auto listener = ListenTcp("127.0.0.1", 0, 1);
    return IngestServer::Create(io_, std::move(options), std::move(*listener), nullptr,
                                journal_.Port(), RealClock(), nullptr)
        .status();
  };
  EXPECT_TRUE(create({}).ok());
  EXPECT_THAT(create({.max_payload_bytes = 0}).ToString(), HasSubstr("max-payload-bytes is 0"));
  EXPECT_FALSE(create({.max_payload_bytes = kPayloadBytesLimit + 1}).ok());
  EXPECT_FALSE(create({.banner = std::string(kBannerBytesMax + 1, 'x')}).ok());
  EXPECT_FALSE(create({.max_connections = 0}).ok());
  EXPECT_FALSE(create({.idle_timeout = -absl::Seconds(1)}).ok());
}

}  // namespace
}  // namespace center::ingest
