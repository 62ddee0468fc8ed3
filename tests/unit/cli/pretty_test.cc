// Payloads for people: indented JSON, visible text, hex dumps; and nothing that a terminal obeys.
#include "cli/pretty.h"

#include <algorithm>

#include "cli/views.h"
#include "cli/visible_text.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace center::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

const Style kPlain(false);
const Style kColored(true);

BatchHeader Header() {
  BatchHeader header;
  header.worker = "default/0";
  header.peer = "10.1.2.3:4567";
  header.receive_time_ns = 1'700'000'000'123'000'000;
  return header;
}

std::string Pretty(absl::string_view payload) {
  return PrettyPayload(Header(), 7, payload, kPlain);
}
// Without the header line.
std::string Body(absl::string_view payload) {
  const std::string text = Pretty(payload);
  return text.substr(text.find('\n') + 1);
}

TEST(IndentJsonTest, ObjectsAndListsOpenALevel) {
  EXPECT_EQ(IndentJson(R"({"a":1,"b":[true,null,{"c":"x"}]})", kPlain),
            "{\n"
            "  \"a\": 1,\n"
            "  \"b\": [\n"
            "    true,\n"
            "    null,\n"
            "    {\n"
            "      \"c\": \"x\"\n"
            "    }\n"
            "  ]\n"
            "}");
}

TEST(IndentJsonTest, SpacesOfTheInputDoNotMatter) {
  EXPECT_EQ(IndentJson(" {\n\t\"a\" :\r [ 1 , 2 ] } ", kPlain),
            IndentJson(R"({"a":[1,2]})", kPlain));
}

TEST(IndentJsonTest, EmptyOnesStayOnOneLine) {
  EXPECT_EQ(IndentJson(R"({"a":{ },"b":[ ]})", kPlain), "{\n  \"a\": {},\n  \"b\": []\n}");
  EXPECT_EQ(IndentJson("{}", kPlain), "{}");
}

TEST(IndentJsonTest, NumbersStringsAndOrderStayAsTheyWere) {
  EXPECT_EQ(IndentJson(R"({"z":1.50,"a":12345678901234567890,"z":"{[,:]}\"\\"})", kPlain),
            "{\n  \"z\": 1.50,\n  \"a\": 12345678901234567890,\n  \"z\": \"{[,:]}\\\"\\\\\"\n}");
}

TEST(IndentJsonTest, KeysAndStringsHaveTheirColours) {
  EXPECT_EQ(IndentJson(R"({"k":"v"})", kColored),
            "{\n  \x1b[36m\"k\"\x1b[0m: \x1b[32m\"v\"\x1b[0m\n}");
}

TEST(IndentJsonTest, TextThatEndsTooEarlyDoesNotReadBehindIt) {
  for (const char* text : {"\"", "{\"a", "{\"a\\", "[", "{\"a\":", ""}) {
    EXPECT_LE(IndentJson(text, kPlain).size(), 16u) << text;
  }
}

TEST(VisibleTextTest, LettersTabsAndLineFeedsStay) {
  EXPECT_EQ(VisibleText("Grüße\t世界 🙂\nnext"), "Grüße\t世界 🙂\nnext");
  EXPECT_EQ(VisibleLine("a\tb\nc"), "a\\tb\\nc");
}

TEST(VisibleTextTest, ControlCharactersAreShown) {
  EXPECT_EQ(VisibleText(absl::string_view("\0\a\b\r\x1b[31m\x7f", 10)),
            "\\x00\\x07\\x08\\r\\x1b[31m\\x7f");
}

TEST(VisibleTextTest, ControlCharactersOfEightBitsAreShown) {
  EXPECT_EQ(VisibleText("\xc2\x9b\x32J"), "\\u009b2J") << "CSI as one character";
  EXPECT_EQ(VisibleText("\xc2\x85\xc2\x80"), "\\u0085\\u0080");
  EXPECT_EQ(VisibleText("\xc2\xa0"), "\xc2\xa0") << "a no-break space is harmless";
}

TEST(VisibleTextTest, MarksThatReverseOrHideAreShown) {
  EXPECT_EQ(VisibleText("\u202e\u2066\u200b\u200f\u2028\ufeff"),
            "\\u202e\\u2066\\u200b\\u200f\\u2028\\ufeff");
}

TEST(VisibleTextTest, WhatIsNoUtf8IsShownByteByByte) {
  EXPECT_EQ(VisibleText("a\xff\xfe"), "a\\xff\\xfe");
  EXPECT_EQ(VisibleText("\xc3"), "\\xc3") << "cut off";
  EXPECT_EQ(VisibleText("\xc0\x9b"), "\\xc0\\x9b") << "overlong";
  EXPECT_EQ(VisibleText("\xe0\x82\x9b"), "\\xe0\\x82\\x9b") << "overlong";
  EXPECT_EQ(VisibleText("\xed\xa0\x80"), "\\xed\\xa0\\x80") << "a surrogate";
  EXPECT_EQ(VisibleText("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80") << "beyond Unicode";
  EXPECT_EQ(VisibleText("\x9b\x32J"), "\\x9b2J") << "CSI as one byte";
}

TEST(HexDumpTest, ShowsOffsetsBytesAndAscii) {
  EXPECT_EQ(HexDump("0123456789abcdef\xff", 512),
            "00000000  30 31 32 33 34 35 36 37  38 39 61 62 63 64 65 66  |0123456789abcdef|\n"
            "00000010  ff                                                |.|\n");
  EXPECT_EQ(HexDump("", 512), "");
}

TEST(HexDumpTest, SaysWhatIsLeftOut) {
  const std::string dump = HexDump(std::string(100, 'x'), 32);
  EXPECT_EQ(std::count(dump.begin(), dump.end(), '\n'), 3);
  EXPECT_THAT(dump, HasSubstr("... and 68 more bytes (-o raw prints all)\n"));
}

TEST(PrettyPayloadTest, TheHeaderSaysWhenWhereAndWhat) {
  const std::string when = LocalTime(absl::FromUnixNanos(Header().receive_time_ns));
  EXPECT_EQ(Pretty("hello"),
            "-- " + when + "  default/0 #7  10.1.2.3:4567  text, 5 bytes\nhello\n");
  EXPECT_THAT(Pretty("x"), HasSubstr("text, 1 byte\n"));
  EXPECT_THAT(Pretty(""), HasSubstr("text, 0 bytes\n\n"));
}

TEST(PrettyPayloadTest, JsonIsIndentedWithAndWithoutItsPrefix) {
  EXPECT_EQ(Body(R"(JSON|{"a":1})"), "{\n  \"a\": 1\n}\n");
  EXPECT_EQ(Body(R"({"a":1})"), "{\n  \"a\": 1\n}\n");
  EXPECT_THAT(Pretty(R"(JSON|{"a":1})"), HasSubstr("json, 12 bytes"));
}

TEST(PrettyPayloadTest, BrokenJsonIsText) {
  EXPECT_EQ(Body("JSON|{\"a\":"), "JSON|{\"a\":\n");
  EXPECT_EQ(Body("{not json}"), "{not json}\n");
}

TEST(PrettyPayloadTest, BinaryIsAHexDump) {
  EXPECT_THAT(Body("\xff\xfe\x01"), StartsWith("00000000  ff fe 01 "));
  EXPECT_THAT(Body("\xff\xfe\x01"), HasSubstr("|...|\n"));
}

// Bytes that a terminal could act on: everything but line feeds and tabs below 0x20, DEL, and C1
// as one byte or as UTF-8.
bool IsObeyed(absl::string_view text) {
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if ((byte < 0x20 && byte != '\n' && byte != '\t') || byte == 0x7f) return true;
    const bool c1 =
        byte == 0xC2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xA0;
    if (c1) return true;
  }
  return false;
}

TEST(PrettyPayloadTest, NoByteOfAPayloadReachesTheTerminalAsACommand) {
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    const std::string raw(1, c);
    for (const std::string& payload :
         {raw, "text " + raw + "[2J", "JSON|{\"k\": \"" + raw + "\"}", "[\"" + raw + "\"]",
          "{" + raw + "}", "\xc2" + raw + "32J", "\xff" + raw}) {
      EXPECT_FALSE(IsObeyed(Pretty(payload))) << byte << ": " << VisibleText(Pretty(payload));
    }
  }
  EXPECT_TRUE(IsObeyed("\x1b[2J")) << "the check can fail";
  EXPECT_TRUE(IsObeyed("\xc2\x9b"));
}

TEST(PrettyPayloadTest, OnlyOurOwnColoursAreLeftWhenColoursAreOn) {
  const std::string text = PrettyPayload(Header(), 7, "\x1b[31mred\x1b[0m", kColored);
  EXPECT_THAT(text, HasSubstr("\\x1b[31mred\\x1b[0m\n"));
  EXPECT_THAT(text, Not(HasSubstr("\x1b[31m")));
}

}  // namespace
}  // namespace center::cli
