// Producers that are slow, absent, too many, or gone in the middle of a frame.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/collector.h"
#include "tests/integration/fleet.h"
#include "tests/integration/producer.h"

namespace center::itest {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

uint64_t Rejected(Fleet& fleet) {
  const auto server = fleet.GetServer("default");
  return server.ok() ? server->workers(0).stats().connections_rejected() : 0;
}

TEST(ProducersTest, APartialFrameThatIsTooOldClosesItsConnection) {
  Fleet fleet;
  v1::ServerSpec spec = SmallSpec();
  spec.mutable_frame_timeout()->set_nanos(300'000'000);
  const uint16_t port = fleet.MustStart("default", spec);
  Producer quiet(port);  // between frames: may wait for ever
  ASSERT_TRUE(quiet.Send("complete\n"));
  Producer loris(port);
  // One byte after the other: progress does not extend the deadline of the frame.
  bool closed = false;
  ASSERT_TRUE(WaitFor([&] {
    closed = closed || !loris.Send("x") || loris.WaitClosed(absl::ZeroDuration());
    return closed;
  }));
  const auto event = fleet.WaitEvent(v1::EVENT_TYPE_CONNECTION_REJECTED, "default/0");
  ASSERT_TRUE(event.ok()) << event.status();
  EXPECT_THAT(event->ShortDebugString(), HasSubstr(loris.name()));
  EXPECT_TRUE(quiet.Send("still here\n"));
  EXPECT_TRUE(fleet.WaitStored("default", 2));
  EXPECT_EQ(Rejected(fleet), 1u);
}

TEST(ProducersTest, AnIdleConnectionIsClosedOnlyWhenAskedFor) {
  Fleet fleet;
  v1::ServerSpec spec = SmallSpec();
  spec.mutable_idle_timeout()->set_nanos(300'000'000);
  const uint16_t port = fleet.MustStart("default", spec);
  Producer producer(port);
  ASSERT_TRUE(producer.Send("hello\n"));
  EXPECT_TRUE(producer.WaitClosed(absl::Seconds(10)));
  EXPECT_TRUE(fleet.WaitStored("default", 1));
}

TEST(ProducersTest, AResetInTheMiddleOfAFrameLosesOnlyThatFrame) {
  Fleet fleet;
  const uint16_t port = fleet.MustStart("default", SmallSpec(1, v1::FRAMING_LENGTH));
  Producer bystander(port);
  ASSERT_TRUE(bystander.Send(LengthFrame("bystander 1")));
  for (int i = 0; i < 20; ++i) {
    Producer producer(port);
    ASSERT_TRUE(producer.Send(LengthFrame(absl::StrCat("whole ", i))));
    ASSERT_TRUE(fleet.WaitStored("default", 2 + i));
    ASSERT_TRUE(producer.Send(LengthFrame("never complete").substr(0, 1 + i % 17)));
    producer.Reset();
  }
  ASSERT_TRUE(bystander.Send(LengthFrame("bystander 2")));
  ASSERT_TRUE(fleet.WaitStored("default", 22));
  const Ledger stored = ReadAll(fleet.channel(), "default");
  EXPECT_EQ(CountOf(stored), 22u);
  EXPECT_TRUE(CheckDense(stored).empty());
}

TEST(ProducersTest, ConnectionsBeyondTheLimitAreClosedAndCounted) {
  Fleet fleet;
  v1::ServerSpec spec = SmallSpec();
  spec.set_max_connections(3);
  const uint16_t port = fleet.MustStart("default", spec);
  std::vector<std::unique_ptr<Producer>> producers;
  for (int i = 0; i < 3; ++i) {
    producers.push_back(std::make_unique<Producer>(port));
    ASSERT_TRUE(producers.back()->Send("in\n"));
  }
  ASSERT_TRUE(fleet.WaitStored("default", 3));
  Producer extra(port);
  EXPECT_TRUE(extra.WaitClosed(absl::Seconds(10)));
  EXPECT_TRUE(WaitFor([&] { return Rejected(fleet) == 1; }));

  producers.pop_back();  // there is room again
  EXPECT_TRUE(WaitFor([&] {
    const auto server = fleet.GetServer("default");
    return server.ok() && server->workers(0).stats().connections() == 2;
  }));
  Producer next(port);
  ASSERT_TRUE(next.Send("in\n"));
  EXPECT_TRUE(fleet.WaitStored("default", 4));
}

TEST(ProducersTest, ConnectionsOfOnePeerAreLimitedByThemselves) {
  Fleet fleet;
  v1::ServerSpec spec = SmallSpec();
  spec.set_max_connections_per_peer(1);
  const uint16_t port = fleet.MustStart("default", spec);
  Producer first(port);
  ASSERT_TRUE(first.Send("in\n"));
  ASSERT_TRUE(fleet.WaitStored("default", 1));
  Producer second(port);
  EXPECT_TRUE(second.WaitClosed(absl::Seconds(10)));
  EXPECT_TRUE(first.Send("in\n"));
  EXPECT_TRUE(fleet.WaitStored("default", 2));
}

TEST(ProducersTest, AHalfClosedProducerStillGetsEverythingStored) {
  Fleet fleet;
  const uint16_t port = fleet.MustStart("default", SmallSpec());
  std::string lines;
  for (int i = 0; i < 50'000; ++i) absl::StrAppend(&lines, "p ", i, "\n");
  Producer producer(port);
  ASSERT_TRUE(producer.Send(lines));
  producer.Finish();
  EXPECT_TRUE(producer.WaitClosed(absl::Seconds(20)));
  const Ledger stored = ReadAll(fleet.channel(), "default");
  EXPECT_EQ(CountOf(stored), 50'000u);
  EXPECT_TRUE(CheckSequences(stored, /*consecutive=*/true).empty());
}

TEST(ProducersTest, APayloadOfTheLargestSizePasses) {
  Fleet fleet;
  v1::ServerSpec spec = SmallSpec();
  spec.set_max_payload_bytes(8 << 20);
  spec.set_retain_bytes(256 << 20);
  const uint16_t port = fleet.MustStart("default", spec);
  const std::string big(8 << 20, 'b');
  Producer producer(port);
  ASSERT_TRUE(producer.Send(absl::StrCat("small\n", big, "\nafter\n")));
  ASSERT_TRUE(fleet.WaitStored("default", 3));
  const std::vector<std::string> payloads = SortedPayloads(ReadAll(fleet.channel(), "default"));
  ASSERT_EQ(payloads.size(), 3u);
  EXPECT_EQ(payloads[0], "after");
  EXPECT_TRUE(payloads[1] == big) << payloads[1].size();
  EXPECT_EQ(payloads[2], "small");
}

}  // namespace
}  // namespace center::itest
