#include "services/worker/ingest/framer.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/framing.h"
#include "tests/unit/ingest/framer_feed.h"

namespace center::ingest {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using namespace std::string_literals;

TEST(FramingTest, NamesParseBack) {
  for (const Framing framing :
       {Framing::kLine, Framing::kLength, Framing::kOctet, Framing::kChunk}) {
    const auto parsed = ParseFraming(FramingName(framing));
    ASSERT_TRUE(parsed.ok());
    EXPECT_EQ(*parsed, framing);
  }
  EXPECT_THAT(std::string(ParseFraming("lines").status().message()),
              HasSubstr("'lines': use line, length, octet or chunk"));
}

TEST(LineFramerTest, LfEndsAPayloadAndOneCrIsDropped) {
  const Fed fed = FeedAll(Framing::kLine, "a\nbc\r\nd\r\r\n\r\n\n");
  EXPECT_THAT(fed.payloads, ElementsAre("a", "bc", "d\r", "", ""));
  EXPECT_EQ(fed.code, absl::StatusCode::kOk);
}

TEST(LineFramerTest, CrInsideALineStays) {
  EXPECT_THAT(FeedAll(Framing::kLine, "a\rb\n\0c\n"s).payloads, ElementsAre("a\rb", "\0c"s));
}

TEST(LineFramerTest, UnterminatedLastLineIsAPayload) {
  EXPECT_THAT(FeedAll(Framing::kLine, "a\nlast").payloads, ElementsAre("a", "last"));
  EXPECT_THAT(FeedAll(Framing::kLine, "a\nlast\r").payloads, ElementsAre("a", "last"));
  EXPECT_THAT(FeedAll(Framing::kLine, "").payloads, IsEmpty());
}

TEST(LineFramerTest, LineOfExactlyTheLimitPassesWithEveryEnding) {
  EXPECT_THAT(FeedAll(Framing::kLine, "abcd\nabcd\r\nabcd", 4).payloads,
              ElementsAre("abcd", "abcd", "abcd"));
  Feeder feeder(Framing::kLine, 4);
  feeder.Read("abcd\r");  // may be the CR of CR LF
  EXPECT_EQ(feeder.fed().code, absl::StatusCode::kOk);
  feeder.Read("\n");
  EXPECT_THAT(feeder.fed().payloads, ElementsAre("abcd"));
}

TEST(LineFramerTest, TooLongLineIsAnErrorAtItsStartEvenBeforeItEnds) {
  for (const char* stream : {"ok\nabcde\nx\n", "ok\nabcde", "ok\nabcd\rx"}) {
    const Fed fed = FeedAll(Framing::kLine, stream, 4);
    EXPECT_THAT(fed.payloads, ElementsAre("ok")) << stream;
    EXPECT_EQ(fed.code, absl::StatusCode::kResourceExhausted) << stream;
    EXPECT_EQ(fed.error_position, 3u) << stream;
    EXPECT_THAT(fed.error, HasSubstr("position 3 is longer than 4 bytes")) << stream;
  }
}

TEST(LengthFramerTest, ReadsPayloadsOfAnyBytes) {
  const Fed fed = FeedAll(Framing::kLength, "\0\0\0\3a\nb\0\0\0\0\0\0\0\1\0"s);
  EXPECT_THAT(fed.payloads, ElementsAre("a\nb", "", "\0"s));
  EXPECT_EQ(fed.code, absl::StatusCode::kOk);
}

TEST(LengthFramerTest, LengthBeyondTheLimitIsAnErrorAtTheHeader) {
  const Fed fed = FeedAll(Framing::kLength, "\0\0\0\1x\xff\xff\xff\xff"s, 4);
  EXPECT_THAT(fed.payloads, ElementsAre("x"));
  EXPECT_EQ(fed.code, absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(fed.error_position, 5u);
}

TEST(LengthFramerTest, EndInsideAFrameIsDataLoss) {
  const Fed in_header = FeedAll(Framing::kLength, "\0\0\0\1x\0\0"s);
  EXPECT_EQ(in_header.code, absl::StatusCode::kDataLoss);
  EXPECT_THAT(in_header.error, HasSubstr("inside a frame header, 2 bytes after position 5"));
  const Fed in_payload = FeedAll(Framing::kLength, "\0\0\0\3ab"s);
  EXPECT_EQ(in_payload.code, absl::StatusCode::kDataLoss);
  EXPECT_THAT(in_payload.error, HasSubstr("position 0: 6 of its 7 bytes came"));
  EXPECT_THAT(in_payload.payloads, IsEmpty());
}

TEST(LengthFramerTest, KnowsHowLongTheUnfinishedFrameIs) {
  Feeder feeder(Framing::kLength, 1000);
  feeder.Read("\0\0\0"s);
  EXPECT_EQ(feeder.framer().unfinished_frame_bytes(), 0u);
  feeder.Read("\x64"s);
  EXPECT_EQ(feeder.framer().unfinished_frame_bytes(), 104u);
  feeder.Read(std::string(100, 'x'));
  EXPECT_EQ(feeder.framer().unfinished_frame_bytes(), 0u);
}

TEST(OctetFramerTest, ReadsCountedFrames) {
  const Fed fed = FeedAll(Framing::kOctet, "3 a\nb10 <13>1 - - 1 x");
  EXPECT_THAT(fed.payloads, ElementsAre("a\nb", "<13>1 - - ", "x"));
  EXPECT_EQ(fed.code, absl::StatusCode::kOk);
}

TEST(OctetFramerTest, MalformedLengthsSayWhereAndWhat) {
  struct Case {
    const char* stream;
    uint64_t position;
    const char* message;
  };
  for (const Case& c : {Case{"1 x<13>", 3, "a digit from 1 to 9 at position 3, not '<'"},
                        Case{"0 ", 0, "a digit from 1 to 9 at position 0, not '0'"},
                        Case{" 1 x", 0, "not ' '"}, Case{"1 x\n1 y", 3, "not '\\n'"},
                        Case{"12x", 2, "a digit or a space at position 2, not 'x'"},
                        Case{"12345678901 ", 10, "a space at position 10, not '1'"}}) {
    const Fed fed = FeedAll(Framing::kOctet, c.stream);
    EXPECT_EQ(fed.code, absl::StatusCode::kInvalidArgument) << c.stream;
    EXPECT_EQ(fed.error_position, c.position) << c.stream;
    EXPECT_THAT(fed.error, HasSubstr(c.message)) << c.stream;
  }
}

TEST(OctetFramerTest, LengthBeyondTheLimitIsAnErrorAtTheFrame) {
  const Fed fed = FeedAll(Framing::kOctet, "1 x1001 y", 1000);
  EXPECT_EQ(fed.code, absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(fed.error_position, 3u);
  EXPECT_EQ(FeedAll(Framing::kOctet, "9999999999 ").code, absl::StatusCode::kResourceExhausted);
}

TEST(OctetFramerTest, EndInsideAFrameIsDataLoss) {
  EXPECT_EQ(FeedAll(Framing::kOctet, "12").code, absl::StatusCode::kDataLoss);
  EXPECT_EQ(FeedAll(Framing::kOctet, "5 abc").code, absl::StatusCode::kDataLoss);
}

TEST(ChunkFramerTest, EachReadIsAPayloadTrimmedAndEmptyOnesAreDropped) {
  Feeder feeder(Framing::kChunk, 1 << 20);
  for (const char* read : {"STRING|2", " \r\n\t\v\f", "\nJSON|{\"proto_cnt\": 1} \n", "a b"}) {
    feeder.Read(read);
  }
  feeder.End();
  EXPECT_THAT(feeder.fed().payloads, ElementsAre("STRING|2", "JSON|{\"proto_cnt\": 1}", "a b"));
  EXPECT_THAT(feeder.fed().rest, IsEmpty());
}

TEST(ChunkFramerTest, LongReadsAreCutEvery4096Bytes) {
  const Fed fed = FeedAll(Framing::kChunk, std::string(10'000, 'x'), 1 << 20);
  ASSERT_THAT(fed.payloads, SizeIs(3));
  EXPECT_THAT(fed.payloads[0], SizeIs(4096));
  EXPECT_THAT(fed.payloads[2], SizeIs(10'000 - 8192));
}

TEST(FramerTest, StopsAtTheLimitOfPayloadsAndGoesOn) {
  Feeder feeder(Framing::kLine, 100, /*sizes_max=*/2);
  feeder.Read("a\nb\nc\nd\ne\nrest");
  EXPECT_THAT(feeder.fed().payloads, ElementsAre("a", "b", "c", "d", "e"));
  EXPECT_EQ(feeder.fed().rest, "rest");
  EXPECT_EQ(feeder.scans(), 3);
}

TEST(FramerTest, StopsAtTheLimitOfBytesButDeliversALargerPayloadAlone) {
  Feeder feeder(Framing::kLine, 100, 1024, /*data_bytes_max=*/4);
  feeder.Read("ab\ncd\nlarger\ne\n");
  EXPECT_THAT(feeder.fed().payloads, ElementsAre("ab", "cd", "larger", "e"));
  EXPECT_EQ(feeder.scans(), 3);
}

}  // namespace
}  // namespace center::ingest
