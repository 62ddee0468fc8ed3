// The framings as producers meet them: every split of a stream into writes, and streams that are
// wrong.
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/collector.h"
#include "tests/integration/fleet.h"
#include "tests/integration/producer.h"

namespace center::itest {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Case {
  v1::Framing framing;
  std::string stream;
  std::vector<std::string> payloads;
};

std::vector<Case> Cases() {
  const std::string binary("\0\n5 \xff", 5);
  return {
      {v1::FRAMING_LINE, "a\r\n\nlonger line\n{\"x\":1}\n", {"a", "", "longer line", "{\"x\":1}"}},
      {v1::FRAMING_LENGTH,
       absl::StrCat(LengthFrame("a"), LengthFrame(binary), LengthFrame("third")),
       {"a", binary, "third"}},
      {v1::FRAMING_OCTET,
       absl::StrCat(OctetFrame("a"), OctetFrame(binary), OctetFrame("<34>1 - - - x")),
       {"a", binary, "<34>1 - - - x"}},
  };
}

// One connection for each position: everything before it in one write, the rest in another, which
// is sent only after the worker had time to read the first (its half of the stream is acknowledged
// by the kernel of this machine at once, so the order of the two reads is not left to luck for long
// streams).
TEST(FramingTest, EverySplitOfAStreamGivesTheSamePayloads) {
  Fleet fleet;
  int number = 0;
  for (const Case& test : Cases()) {
    const std::string name = absl::StrCat("f", number++);
    const uint16_t port = fleet.MustStart(name, SmallSpec(1, test.framing));
    std::vector<std::unique_ptr<Producer>> producers;
    for (size_t split = 0; split <= test.stream.size(); ++split) {
      producers.push_back(std::make_unique<Producer>(port));
      ASSERT_TRUE(producers.back()->Send(absl::string_view(test.stream).substr(0, split)));
    }
    for (size_t split = 0; split <= test.stream.size(); ++split) {
      ASSERT_TRUE(producers[split]->Send(absl::string_view(test.stream).substr(split)));
      producers[split]->Finish();
      ASSERT_TRUE(producers[split]->WaitClosed(absl::Seconds(10))) << "split at " << split;
    }
    std::map<std::string, std::vector<std::string>> by_peer;
    for (const auto& [worker, payloads] : ReadAll(fleet.channel(), name)) {
      for (const Received& received : payloads) by_peer[received.peer].push_back(received.payload);
    }
    ASSERT_EQ(by_peer.size(), producers.size()) << v1::Framing_Name(test.framing);
    for (size_t split = 0; split <= test.stream.size(); ++split) {
      EXPECT_EQ(by_peer[producers[split]->name()], test.payloads)
          << v1::Framing_Name(test.framing) << " split at " << split;
    }
  }
}

TEST(FramingTest, OneByteAtATime) {
  Fleet fleet;
  int number = 0;
  for (const Case& test : Cases()) {
    const std::string name = absl::StrCat("f", number++);
    const uint16_t port = fleet.MustStart(name, SmallSpec(1, test.framing));
    Producer producer(port);
    for (const char byte : test.stream) ASSERT_TRUE(producer.Send(absl::string_view(&byte, 1)));
    producer.Finish();
    ASSERT_TRUE(producer.WaitClosed(absl::Seconds(10)));
    Ledger ledger = ReadAll(fleet.channel(), name);
    std::vector<std::string> payloads;
    for (const Received& received : ledger[name + "/0"]) {
      payloads.push_back(received.payload);
    }
    EXPECT_EQ(payloads, test.payloads) << v1::Framing_Name(test.framing);
  }
}

// The ancestor's client: it connects, and writes without delimiters, one payload after the other.
TEST(FramingTest, AClientLikeTheAncestorsWorksWithChunks) {
  Fleet fleet;
  v1::ServerSpec spec = SmallSpec(1, v1::FRAMING_CHUNK);
  spec.set_banner("welcome\n");
  const uint16_t port = fleet.MustStart("default", spec);
  Producer producer(port);
  ASSERT_TRUE(producer.WaitReceived(8, absl::Seconds(10)));
  EXPECT_EQ(producer.received(), "welcome\n");

  const std::vector<std::string> payloads = {"STRING|2", "JSON|{\"proto_cnt\": 1}", "STRING|3"};
  for (size_t i = 0; i < payloads.size(); ++i) {
    ASSERT_TRUE(producer.Send(absl::StrCat("  ", payloads[i], "\r\n")));
    // It waited between its writes; here the next one comes when this one is stored.
    ASSERT_TRUE(fleet.WaitStored("default", i + 1));
  }
  ASSERT_TRUE(producer.Send(" \r\n"));  // nothing but white space is no payload
  producer.Finish();
  ASSERT_TRUE(producer.WaitClosed(absl::Seconds(10)));

  v1::TailPayloadsRequest request;
  request.mutable_start()->set_place(v1::StartPosition::PLACE_EARLIEST);
  grpc::ClientContext context;
  auto stream = v1::PayloadService::NewStub(fleet.channel())->TailPayloads(&context, request);
  std::vector<std::string> shown;
  v1::TailPayloadsResponse response;
  while (stream->Read(&response)) {
    const v1::Payload& payload = response.payload();
    shown.push_back(payload.has_json() ? absl::StrCat("json ", payload.json()) : payload.text());
  }
  EXPECT_TRUE(stream->Finish().ok());
  EXPECT_THAT(shown, ElementsAre("STRING|2", "json {\"proto_cnt\": 1}", "STRING|3"));
}

// ---- Streams that are wrong -----------------------------------------------------------------

struct Wrong {
  std::string name;
  v1::Framing framing;
  std::string stream;  // after one good payload
  std::string reason;
};

class WrongStreamTest : public ::testing::TestWithParam<Wrong> {};

TEST_P(WrongStreamTest, ClosesThatConnectionAndHarmsNobodyElse) {
  const Wrong& test = GetParam();
  const auto frame = [&](absl::string_view payload) {
    if (test.framing == v1::FRAMING_LENGTH) return LengthFrame(payload);
    if (test.framing == v1::FRAMING_OCTET) return OctetFrame(payload);
    return absl::StrCat(payload, "\n");
  };
  Fleet fleet;
  v1::ServerSpec spec = SmallSpec(1, test.framing);
  spec.set_max_payload_bytes(1024);
  const uint16_t port = fleet.MustStart("default", spec);
  Producer bystander(port);
  ASSERT_TRUE(bystander.Send(frame("good 1")));
  Producer wrong(port);
  ASSERT_TRUE(wrong.Send(frame("good 2")));
  ASSERT_TRUE(fleet.WaitStored("default", 2));

  wrong.Send(test.stream);
  EXPECT_TRUE(wrong.WaitClosed(absl::Seconds(10)));
  const auto event = fleet.WaitEvent(v1::EVENT_TYPE_CONNECTION_REJECTED, "default/0");
  ASSERT_TRUE(event.ok()) << event.status();
  EXPECT_THAT(absl::StrCat(event->reason(), " ", event->ShortDebugString()),
              ::testing::AllOf(HasSubstr(wrong.name()), HasSubstr(test.reason)));

  ASSERT_TRUE(bystander.Send(frame("good 3")));
  EXPECT_TRUE(fleet.WaitStored("default", 3));
  const auto server = fleet.GetServer("default");
  ASSERT_TRUE(server.ok());
  EXPECT_EQ(server->workers(0).stats().connections_rejected(), 1u);
  EXPECT_THAT(SortedPayloads(ReadAll(fleet.channel(), "default")),
              ElementsAre("good 1", "good 2", "good 3"));
}

INSTANTIATE_TEST_SUITE_P(
    Streams, WrongStreamTest,
    ::testing::Values(
        Wrong{"OversizedLine", v1::FRAMING_LINE, std::string(4096, 'x'), "1024"},
        Wrong{"OversizedLength", v1::FRAMING_LENGTH, std::string("\x00\x00\x04\x01x", 5), "1024"},
        Wrong{"HugeLength", v1::FRAMING_LENGTH, "\xff\xff\xff\xff", "1024"},
        Wrong{"OversizedOctet", v1::FRAMING_OCTET, "1025 x", "1024"},
        Wrong{"OctetWithoutNumber", v1::FRAMING_OCTET, "<34>1 hello", "octet"},
        Wrong{"OctetNumberWithoutEnd", v1::FRAMING_OCTET, "99999999999999999999999", "octet"}),
    [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace center::itest
