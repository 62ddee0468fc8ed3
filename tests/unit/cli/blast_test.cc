// Producers that send as fast as a server takes it: every count is exact.
#include "cli/blast.h"

#include <algorithm>
#include <thread>

#include "tests/unit/cli/tcp_sink.h"
#include "tests/unit/cli/testing.h"

namespace center::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

uint64_t Lines(const std::string& text) {
  return static_cast<uint64_t>(std::count(text.begin(), text.end(), '\n'));
}

BlastOptions Options(const TcpSink& sink) {
  BlastOptions options;
  options.target = sink.target();
  options.connections = 4;
  options.threads = 2;
  options.payload_bytes = 100;
  options.duration = absl::InfiniteDuration();
  return options;
}

TEST(BlastBufferTest, HoldsWholeFramesOfTheWantedSize) {
  const std::string buffer = BlastBuffer(v1::FRAMING_LINE, 100, 1000);
  EXPECT_EQ(buffer.size() % 101, 0u);
  EXPECT_GE(buffer.size(), 1000u);
  EXPECT_EQ(Lines(buffer) * 101, buffer.size());
  EXPECT_EQ(FrameBytes(v1::FRAMING_LINE, 100), 101u);
  EXPECT_EQ(FrameBytes(v1::FRAMING_LENGTH, 100), 104u);
  EXPECT_EQ(FrameBytes(v1::FRAMING_OCTET, 100), 104u);
  EXPECT_EQ(FrameBytes(v1::FRAMING_OCTET, 99), 102u);
}

TEST(BlastTest, SendsExactlyTheCountOverAllConnections) {
  const TcpSink sink;
  BlastOptions options = Options(sink);
  options.count = 100'003;  // does not divide evenly
  const auto result = Blast(options);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->payloads, 100'003u);
  EXPECT_GT(result->seconds, 0);
  EXPECT_THAT(sink.received(), SizeIs(4));
  uint64_t lines = 0;
  for (const std::string& received : sink.received()) {
    EXPECT_EQ(received.size() % 101, 0u) << "a connection ended inside a payload";
    EXPECT_NEAR(static_cast<double>(Lines(received)), 25'000, 1);
    lines += Lines(received);
  }
  EXPECT_EQ(lines, 100'003u) << "everything was read when it returns";
}

TEST(BlastTest, FewerPayloadsThanConnectionsOpenNoEmptyOnes) {
  const TcpSink sink;
  BlastOptions options = Options(sink);
  options.connections = 10;
  options.threads = 16;
  options.count = 3;
  const auto result = Blast(options);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->payloads, 3u);
  EXPECT_THAT(sink.received(), SizeIs(3));
}

TEST(BlastTest, ADurationEndsAtAPayloadsEnd) {
  const TcpSink sink(TcpSink::Manner::kReadAll, "a banner that nobody reads\n");
  BlastOptions options = Options(sink);
  options.payload_bytes = 70'001;  // not a divisor of any buffer
  options.duration = absl::Milliseconds(30);
  const auto result = Blast(options);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_GT(result->payloads, 0u);
  EXPECT_EQ(Lines(sink.all_received()), result->payloads);
  EXPECT_EQ(sink.bytes(), result->payloads * 70'002);
}

TEST(BlastTest, StopEndsItAtAPayloadsEnd) {
  const TcpSink sink;
  BlastOptions options = Options(sink);
  std::atomic<bool> stop{false};
  options.stop = &stop;
  std::thread stopper([&] {
    EXPECT_TRUE(Eventually([&] { return sink.bytes() > 0; }));
    stop = true;
  });
  const auto result = Blast(options);
  stopper.join();
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(sink.bytes(), result->payloads * 101);
}

TEST(BlastTest, AServerThatBreaksAConnectionIsAnError) {
  const TcpSink sink(TcpSink::Manner::kReset);
  BlastOptions options = Options(sink);
  const auto result = Blast(options);
  ASSERT_FALSE(result.ok());
  EXPECT_THAT(result.status().ToString(), HasSubstr(sink.address()));
}

TEST(BlastTest, AServerThatStopsReadingIsGivenUp) {
  const TcpSink sink(TcpSink::Manner::kReadNothing);
  BlastOptions options = Options(sink);
  options.duration = absl::Milliseconds(10);
  options.drain_timeout = absl::Milliseconds(30);
  const auto result = Blast(options);
  EXPECT_TRUE(absl::IsDeadlineExceeded(result.status())) << result.status();
  EXPECT_THAT(result.status().ToString(), HasSubstr("did not read everything"));
}

TEST(BlastTest, NobodyListeningIsNotRunning) {
  BlastOptions options;
  options.target = TcpSink().target();
  EXPECT_EQ(ExitCodeOf(Blast(options).status()), kExitNotRunning);
}

TEST(BlastTest, OtherFramingsArriveAsTheyAre) {
  const TcpSink sink;
  BlastOptions options = Options(sink);
  options.connections = 1;
  options.framing = v1::FRAMING_OCTET;
  options.payload_bytes = 5;
  options.count = 3;
  ASSERT_TRUE(Blast(options).ok());
  EXPECT_EQ(sink.all_received(), "5 the q5 the q5 the q");
}

}  // namespace
}  // namespace center::cli
