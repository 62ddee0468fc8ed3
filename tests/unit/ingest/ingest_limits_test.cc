// Limits, timeouts and misbehaving producers: each closes one connection, says why, and harms
// nobody else.
#include <sys/resource.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/worker/ingest/connection.h"
#include "services/worker/ingest/ingest_server.h"
#include "tests/sanitized.h"
#include "tests/unit/ingest/server_fixture.h"

namespace center::ingest {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using namespace std::string_literals;

auto Rejected(RejectCause cause, absl::string_view reason, uint64_t position) {
  return AllOf(Field(&RejectedConnection::cause, cause),
               Field(&RejectedConnection::reason, HasSubstr(std::string(reason))),
               Field(&RejectedConnection::stream_position, position));
}

class IngestLimitsTest : public ServerFixture {
 protected:
  // A second producer goes on undisturbed.
  void ExpectOthersUnharmed() {
    bystander_->Send("still here\n");
    EXPECT_TRUE(RunUntil([&] {
      const auto payloads = journal_.Payloads();
      return !payloads.empty() && payloads.back() == "still here";
    }));
  }
  void StartWithBystander(Framing framing = Framing::kLine) {
    StartServer(framing);
    bystander_ = Connect();
    ASSERT_TRUE(RunUntilConnections(1));
  }

  std::unique_ptr<Producer> bystander_;
};

TEST_F(IngestLimitsTest, TooLongALineClosesItsConnectionAndKeepsWhatCameBefore) {
  options_.max_payload_bytes = 100;
  StartWithBystander();
  auto producer = Connect();
  producer->Send("fine\n" + std::string(101, 'x'));
  ASSERT_TRUE(RunUntil([&] { return producer->IsClosed(); }));
  ASSERT_TRUE(RunUntilStored(1));
  EXPECT_THAT(journal_.Payloads(), ElementsAre("fine"));
  EXPECT_THAT(rejected_,
              ElementsAre(Rejected(RejectCause::kPayloadTooLarge, "longer than 100 bytes", 5)));
  EXPECT_EQ(rejected_[0].peer.substr(0, 10), "127.0.0.1:");
  EXPECT_EQ(server_->counters().rejected, 1u);
  ExpectOthersUnharmed();
}

TEST_F(IngestLimitsTest, TooLongALineIsFoundAlsoInItsOwnBuffer) {
  options_.max_payload_bytes = 200'000;
  StartWithBystander();
  auto producer = Connect();
  std::string line(200'003, 'x');
  absl::string_view rest = line;
  ASSERT_TRUE(RunUntil([&] {
    rest.remove_prefix(producer->SendSome(rest.substr(0, 30'000)));
    return producer->IsClosed();
  }));
  EXPECT_THAT(rejected_,
              ElementsAre(Rejected(RejectCause::kPayloadTooLarge, "longer than 200000 bytes", 0)));
  EXPECT_EQ(server_->counters().buffer_bytes, 0u);
  ExpectOthersUnharmed();
}

TEST_F(IngestLimitsTest, MalformedHeaderClosesItsConnection) {
  StartServer(Framing::kOctet);
  auto producer = Connect();
  producer->Send("2 ok<13>no count");
  ASSERT_TRUE(RunUntil([&] { return producer->IsClosed(); }));
  EXPECT_THAT(rejected_,
              ElementsAre(Rejected(RejectCause::kMalformedFrame, "position 4, not '<'", 4)));
  ASSERT_TRUE(RunUntilStored(1));
  EXPECT_THAT(journal_.Payloads(), ElementsAre("ok"));
}

TEST_F(IngestLimitsTest, SlowLorisIsClosedHoweverItTrickles) {
  options_.frame_timeout = absl::Milliseconds(300);
  StartWithBystander();
  auto producer = Connect();
  producer->Send("whole\n");
  ASSERT_TRUE(RunUntil([&] {
    producer->SendSome("x");
    return producer->IsClosed();
  }));
  EXPECT_THAT(rejected_,
              ElementsAre(Rejected(RejectCause::kFrameTimeout, "position 6 is unfinished", 6)));
  ExpectOthersUnharmed();
}

TEST_F(IngestLimitsTest, IdleConnectionWithoutAnUnfinishedFrameMayStay) {
  options_.frame_timeout = absl::Milliseconds(200);
  StartWithBystander();
  auto loris = Connect();
  loris->Send("x");
  ASSERT_TRUE(RunUntil([&] { return loris->IsClosed(); }));
  EXPECT_FALSE(bystander_->IsClosed());
  ExpectOthersUnharmed();
}

TEST_F(IngestLimitsTest, IdleTimeoutClosesOnlyTheSilent) {
  options_.idle_timeout = absl::Milliseconds(400);
  StartWithBystander();
  auto silent = Connect();
  ASSERT_TRUE(RunUntil([&] {
    bystander_->SendSome("x\n");
    return silent->IsClosed();
  }));
  EXPECT_THAT(rejected_, ElementsAre(Rejected(RejectCause::kIdleTimeout, "nothing came for", 0)));
  ExpectOthersUnharmed();
}

TEST_F(IngestLimitsTest, ConnectionsBeyondTheLimitAreClosedAndTheLimitFreesAgain) {
  options_.max_connections = 2;
  StartWithBystander();
  auto second = Connect();
  ASSERT_TRUE(RunUntilConnections(2));
  auto third = Connect();
  ASSERT_TRUE(RunUntil([&] { return third->IsClosed(); }));
  EXPECT_THAT(rejected_, ElementsAre(Rejected(RejectCause::kConnectionLimit,
                                              "2 connections (--max-connections)", 0)));
  EXPECT_EQ(server_->counters().accepted, 3u);
  EXPECT_EQ(server_->counters().rejected, 1u);
  second->Close();
  ASSERT_TRUE(RunUntilConnections(1));
  auto fourth = Connect();
  ASSERT_TRUE(RunUntilConnections(2));
  ExpectOthersUnharmed();
}

TEST_F(IngestLimitsTest, RefusalsAreToldAboutOnceASecondButAllCounted) {
  options_.max_connections = 1;
  StartWithBystander();
  std::vector<std::unique_ptr<Producer>> refused;
  for (int i = 0; i < 20; ++i) refused.push_back(Connect());
  ASSERT_TRUE(RunUntil([&] { return server_->counters().rejected == 20; }));
  EXPECT_THAT(rejected_, SizeIs(::testing::Lt(20)));
}

TEST_F(IngestLimitsTest, ConnectionsOfOneAddressAreLimited) {
  options_.max_connections_per_peer = 1;
  StartWithBystander();
  auto second = Connect();
  ASSERT_TRUE(RunUntil([&] { return second->IsClosed(); }));
  EXPECT_THAT(rejected_, ElementsAre(Rejected(RejectCause::kPeerConnectionLimit,
                                              "1 connections to this worker", 0)));
  bystander_->Close();
  ASSERT_TRUE(RunUntilConnections(0));
  auto third = Connect();
  ASSERT_TRUE(RunUntilConnections(1));
}

TEST_F(IngestLimitsTest, TheGreediestPaysForTheBufferLimit) {
  options_.max_buffer_bytes = 300'000;
  StartWithBystander();
  bystander_->Send("modest but unfinished");
  ASSERT_TRUE(RunUntil([&] { return server_->counters().buffer_bytes > 0; }));
  auto greedy = Connect();
  absl::string_view rest;
  const std::string line(900'000, 'x');
  rest = line;
  ASSERT_TRUE(RunUntil([&] {
    rest.remove_prefix(greedy->SendSome(rest.substr(0, 20'000)));
    return greedy->IsClosed();
  }));
  EXPECT_THAT(rejected_, ElementsAre(Rejected(RejectCause::kBufferLimit,
                                              "more than 300000 bytes (--max-buffer-bytes)", 0)));
  EXPECT_LE(server_->counters().buffer_bytes, 300'000u);
  bystander_->Send(" until now\n");
  ASSERT_TRUE(RunUntilStored(1));
  EXPECT_THAT(journal_.Payloads(), ElementsAre("modest but unfinished until now"));
}

TEST_F(IngestLimitsTest, AnAnnouncedLengthAloneGetsNoMemory) {
  options_.max_payload_bytes = 512 << 20;
  StartServer(Framing::kLength);
  auto producer = Connect();
  producer->Send("\x10\0\0\0only this"s);
  ASSERT_TRUE(RunUntil([&] { return server_->counters().buffer_bytes > 0; }));
  EXPECT_LE(server_->counters().buffer_bytes, 256u);
}

TEST_F(IngestLimitsTest, AcceptingSurvivesTheLackOfDescriptors) {
  StartWithBystander();
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  auto waiting = Connect();
  // From here on no descriptor is free.
  const ScopedFd probe(::dup(0));
  rlimit none = before;
  none.rlim_cur = static_cast<rlim_t>(probe.get());
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  const auto turn_until = RealClock().Steady() + std::chrono::milliseconds(250);
  const bool turned = RunUntil([&] { return RealClock().Steady() >= turn_until; });
  const uint64_t accepted = server_->counters().accepted;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_TRUE(turned);
  EXPECT_EQ(accepted, 1u);
  ASSERT_TRUE(RunUntilConnections(2));
  ExpectOthersUnharmed();
}

// VmRSS of this process in bytes.
size_t ResidentBytes() {
  std::ifstream statm("/proc/self/statm");
  size_t total = 0;
  size_t resident = 0;
  statm >> total >> resident;
  return resident * static_cast<size_t>(::sysconf(_SC_PAGESIZE));
}

TEST_F(IngestLimitsTest, IdleConnectionsAreSmall) {
  EXPECT_LE(sizeof(Connection), 256u);
  RaiseDescriptorLimit();
  StartServer();
  // Both ends live in this process, so this also counts the producers' side.
  constexpr size_t kConnections = 2000;
  std::vector<std::unique_ptr<Producer>> producers;
  producers.push_back(Connect());
  ASSERT_TRUE(RunUntilConnections(1));
  const size_t before = ResidentBytes();
  while (producers.size() <= kConnections) {
    for (int i = 0; i < 100; ++i) producers.push_back(Connect());
    ASSERT_TRUE(RunUntilConnections(producers.size()));
  }
  const size_t each = (ResidentBytes() - before) / kConnections;
  RecordProperty("bytes_per_idle_connection", static_cast<int>(each));
  // Sanitizers keep more than the program asks for.
  if (!kSanitized) {
    EXPECT_LT(each, 4096u);
  }
  EXPECT_EQ(server_->counters().buffer_bytes, 0u);
}

}  // namespace
}  // namespace center::ingest
