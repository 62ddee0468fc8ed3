// From producers through two workers, their journals and the coordinator to a subscriber.
#include <set>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/rpc/status.h"
#include "tests/integration/collector.h"
#include "tests/integration/fleet.h"
#include "tests/integration/producer.h"

namespace center::itest {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(EndToEndTest, EveryPayloadOfManyProducersArrivesOnceInOrder) {
  Fleet fleet;
  const uint16_t port = fleet.MustStart("default", SmallSpec(2));
  Collector collector(fleet.channel(), EarliestRequest("default", /*follow=*/true));

  constexpr int kProducers = 8;
  constexpr int kLines = 2'000;
  std::vector<std::unique_ptr<Producer>> producers;
  for (int p = 0; p < kProducers; ++p) producers.push_back(std::make_unique<Producer>(port));
  for (int line = 0; line < kLines; ++line) {
    for (int p = 0; p < kProducers; ++p) {
      ASSERT_TRUE(producers[p]->Send(absl::StrCat("p", p, " ", line, "\n")));
    }
  }
  producers.clear();

  ASSERT_TRUE(collector.WaitCount(kProducers * kLines)) << collector.count();
  const Ledger seen = collector.ledger();
  EXPECT_EQ(CountOf(seen), static_cast<uint64_t>(kProducers * kLines));
  EXPECT_THAT(CheckDense(seen), IsEmpty());
  EXPECT_THAT(CheckSequences(seen, /*consecutive=*/true), IsEmpty());
  EXPECT_EQ(seen.size(), 2u) << "one worker got every connection";
  EXPECT_TRUE(fleet.WaitStored("default", kProducers * kLines));
}

TEST(EndToEndTest, LongConnectionsAreSharedFairly) {
  Fleet fleet;
  const uint16_t port = fleet.MustStart("default", SmallSpec(2));
  std::vector<std::unique_ptr<Producer>> producers;
  constexpr uint64_t kProducers = 40;
  for (uint64_t i = 0; i < kProducers; ++i) producers.push_back(std::make_unique<Producer>(port));

  std::vector<uint64_t> connections;
  EXPECT_TRUE(WaitFor([&] {
    connections.clear();
    const auto server = fleet.GetServer("default");
    if (!server.ok()) return false;
    for (const v1::Worker& worker : server->workers()) {
      connections.push_back(worker.stats().connections());
    }
    return connections.size() == 2 && connections[0] + connections[1] == kProducers;
  })) << connections.size();
  ASSERT_EQ(connections.size(), 2u);
  // All were made in one burst while both workers were free; the design's bound is for long ones.
  EXPECT_LE(std::max(connections[0], connections[1]) - std::min(connections[0], connections[1]),
            2u);
}

TEST(EndToEndTest, TailShowsKindsAndEndsAtItsLimit) {
  Fleet fleet;
  const uint16_t port = fleet.MustStart("default", SmallSpec());
  Producer producer(port);
  ASSERT_TRUE(producer.Send(absl::string_view("hello\r\nJSON|{\"a\": 1}\n[2]\n\xff\xfe\nlast\n")));
  ASSERT_TRUE(fleet.WaitStored("default", 5));

  v1::TailPayloadsRequest request;
  request.mutable_start()->set_place(v1::StartPosition::PLACE_EARLIEST);
  request.set_follow(true);
  request.set_limit(4);
  grpc::ClientContext context;
  auto stream = v1::PayloadService::NewStub(fleet.channel())->TailPayloads(&context, request);
  std::vector<v1::Payload> payloads;
  v1::TailPayloadsResponse response;
  while (stream->Read(&response)) payloads.push_back(response.payload());
  const grpc::Status status = stream->Finish();
  EXPECT_TRUE(status.ok()) << status.error_message();
  ASSERT_EQ(payloads.size(), 4u);
  EXPECT_EQ(payloads[0].text(), "hello");
  EXPECT_EQ(payloads[0].kind(), v1::PAYLOAD_KIND_TEXT);
  EXPECT_EQ(payloads[0].peer(), producer.name());
  EXPECT_EQ(payloads[0].worker(), "default/0");
  EXPECT_EQ(payloads[1].json(), "{\"a\": 1}");
  EXPECT_EQ(payloads[2].json(), "[2]");
  EXPECT_EQ(payloads[3].data(), "\xff\xfe");
  EXPECT_EQ(payloads[3].offset(), 3u);
}

TEST(EndToEndTest, FiltersRunInTheWorkers) {
  Fleet fleet;
  const uint16_t port = fleet.MustStart("default", SmallSpec());
  Producer producer(port);
  ASSERT_TRUE(producer.Send("apple 1\nbanana 2\n{\"fruit\": \"apple\"}\napple 22\n"));
  ASSERT_TRUE(fleet.WaitStored("default", 4));

  const auto select = [&](const v1::PayloadFilter& filter) {
    v1::StreamPayloadsRequest request = EarliestRequest("default", /*follow=*/false);
    *request.mutable_filter() = filter;
    Collector collector(fleet.channel(), request);
    const grpc::Status status = collector.Finish();
    EXPECT_TRUE(status.ok()) << status.error_message();
    return SortedPayloads(collector.ledger());
  };
  v1::PayloadFilter contains;
  contains.set_contains("apple");
  EXPECT_EQ(select(contains).size(), 3u);
  v1::PayloadFilter regex;
  regex.set_regex("^apple \\d$");
  EXPECT_THAT(select(regex), ElementsAre("apple 1"));
  v1::PayloadFilter json;
  json.add_kinds(v1::PAYLOAD_KIND_JSON);
  EXPECT_THAT(select(json), ElementsAre("{\"fruit\": \"apple\"}"));
  v1::PayloadFilter both = contains;
  both.add_kinds(v1::PAYLOAD_KIND_TEXT);
  both.set_regex("2+");
  EXPECT_THAT(select(both), ElementsAre("apple 22"));

  v1::StreamPayloadsRequest wrong = EarliestRequest("default", /*follow=*/false);
  wrong.mutable_filter()->set_regex("(");
  Collector collector(fleet.channel(), wrong);
  EXPECT_EQ(collector.Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST(EndToEndTest, CenterctlSendsTailsAndCounts) {
  Fleet fleet;
  const uint16_t port = fleet.MustStart("default", SmallSpec(2));
  const RunResult sent =
      fleet.Ctl({"send", absl::StrCat("127.0.0.1:", port)}, "one\ntwo\n{\"three\": 3}\n");
  EXPECT_EQ(sent.exit_code, 0) << sent.err;
  ASSERT_TRUE(fleet.WaitStored("default", 3));

  const RunResult tail = fleet.Ctl({"-o", "raw", "tail", "--from", "earliest", "--count", "3"});
  EXPECT_EQ(tail.exit_code, 0) << tail.err;
  EXPECT_EQ(tail.out, "one\ntwo\n{\"three\": 3}\n");

  const RunResult status = fleet.Ctl({"-o", "json", "server", "status"});
  EXPECT_EQ(status.exit_code, 0) << status.err;
  EXPECT_THAT(status.out, HasSubstr("\"SERVER_STATE_RUNNING\""));
  EXPECT_EQ(fleet.Ctl({"server", "status", "nobody"}).exit_code, 64 + 5);
  EXPECT_EQ(fleet.Ctl({"server", "strt"}).exit_code, 2);
}

}  // namespace
}  // namespace center::itest
