#include "services/coordinator/supervision/output_capture.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace center::supervision {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr auto kOut = OutputCapture::Stream::kStdout;
constexpr auto kErr = OutputCapture::Stream::kStderr;

class OutputCaptureTest : public testing::Test {
 protected:
  SteadyTime now{std::chrono::hours(1)};
  std::vector<std::string> lines;
  OutputCapture capture{[this](absl::string_view line) { lines.emplace_back(line); }};
};

TEST_F(OutputCaptureTest, LinesComeWholeHoweverTheyAreCut) {
  for (const char byte : std::string("one\ntwo\r\n\nthree")) {
    capture.Feed(kOut, absl::string_view(&byte, 1), now);
  }
  EXPECT_THAT(lines, ElementsAre("one", "two", ""));
  capture.Finish(now);
  EXPECT_THAT(lines, ElementsAre("one", "two", "", "three"));
  capture.Finish(now);
  EXPECT_EQ(lines.size(), 4u);
}

TEST_F(OutputCaptureTest, StreamsDoNotMix) {
  capture.Feed(kOut, "out", now);
  capture.Feed(kErr, "err", now);
  capture.Feed(kOut, "put\n", now);
  capture.Feed(kErr, "or\n", now);
  EXPECT_THAT(lines, ElementsAre("output", "error"));
  EXPECT_EQ(capture.StderrTail(), "error\n");
}

TEST_F(OutputCaptureTest, LongLineComesInPieces) {
  capture.Feed(kOut, std::string(2 * kOutputLineBytesMax + 1, 'x') + "\ny\n", now);
  ASSERT_EQ(lines.size(), 4u);
  EXPECT_EQ(lines[0].size(), kOutputLineBytesMax);
  EXPECT_EQ(lines[1].size(), kOutputLineBytesMax);
  EXPECT_EQ(lines[2], "x");
  EXPECT_EQ(lines[3], "y");
}

TEST_F(OutputCaptureTest, LineOfExactlyTheLimitIsOneLine) {
  capture.Feed(kOut, std::string(kOutputLineBytesMax, 'x') + "\n", now);
  EXPECT_EQ(lines.size(), 1u);
}

TEST_F(OutputCaptureTest, FloodIsDroppedAndCounted) {
  for (int i = 0; i < 1000; ++i) capture.Feed(kOut, "flood\n", now);
  EXPECT_EQ(lines.size(), kOutputLinesPerSecondMax);
  now += std::chrono::seconds(1);
  capture.Feed(kOut, "calm\n", now);
  ASSERT_EQ(lines.size(), kOutputLinesPerSecondMax + 2);
  EXPECT_EQ(lines[kOutputLinesPerSecondMax], "(800 lines dropped: more than 200 per second)");
  EXPECT_EQ(lines.back(), "calm");
}

TEST_F(OutputCaptureTest, DroppedLinesAreCountedAtTheEnd) {
  for (uint32_t i = 0; i <= kOutputLinesPerSecondMax; ++i) capture.Feed(kErr, "x\n", now);
  capture.Finish(now);
  EXPECT_EQ(lines.back(), "(1 line dropped: more than 200 per second)");
}

TEST_F(OutputCaptureTest, StderrTailIsTheLastLines) {
  EXPECT_THAT(capture.StderrTail(), IsEmpty());
  std::string all;
  for (int i = 0; i < 10'000; ++i) {
    const std::string line = absl::StrCat("line ", i, "\n");
    capture.Feed(kErr, line, now);
    all += line;
  }
  const std::string tail = capture.StderrTail();
  EXPECT_LE(tail.size(), kStderrTailBytesMax);
  EXPECT_GT(tail.size(), kStderrTailBytesMax - 20);
  EXPECT_THAT(tail, testing::StartsWith("line "));
  EXPECT_EQ(tail, all.substr(all.size() - tail.size()));
}

TEST_F(OutputCaptureTest, StderrTailOfOneEndlessLineIsItsEnd) {
  capture.Feed(kErr, std::string(100'000, 'x') + "end", now);
  EXPECT_EQ(capture.StderrTail(), std::string(kStderrTailBytesMax - 3, 'x') + "end");
}

TEST_F(OutputCaptureTest, StderrTailIsText) {
  capture.Feed(
      kErr, absl::string_view("caf\xC3\xA9 \xFF\xC3 \xED\xA0\x80 \x1B[1m\0\t\n\xF0\x9F", 22), now);
  EXPECT_EQ(capture.StderrTail(), "caf\xC3\xA9 ?? ??? ?[1m?\t\n??");
}

}  // namespace
}  // namespace center::supervision
