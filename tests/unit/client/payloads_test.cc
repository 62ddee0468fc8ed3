#include "services/client/load/payloads.h"

#include "gtest/gtest.h"

namespace center::client {
namespace {

std::string First(const PayloadOptions& options, int count, Framing framing = Framing::kLine) {
  Payloads payloads(options);
  std::string out;
  for (int i = 0; i < count; ++i) payloads.AppendNext(framing, &out);
  EXPECT_EQ(payloads.count(), static_cast<uint64_t>(count));
  return out;
}

TEST(PayloadsTest, AreJsonAndTextInTurn) {
  EXPECT_EQ(First({}, 4), "JSON|{\"proto_cnt\": 1}\nSTRING|2\nJSON|{\"proto_cnt\": 3}\nSTRING|4\n");
}

TEST(PayloadsTest, TheMixSaysHowManyOfEach) {
  EXPECT_EQ(
      First({.json = 2, .text = 1}, 4),
      "JSON|{\"proto_cnt\": 1}\nJSON|{\"proto_cnt\": 2}\nSTRING|3\nJSON|{\"proto_cnt\": 4}\n");
  EXPECT_EQ(First({.json = 0, .text = 1}, 2), "STRING|1\nSTRING|2\n");
}

TEST(PayloadsTest, AreNumberedBeyondAnyWidth) {
  Payloads payloads({.json = 0});
  std::string expected;
  std::string got;
  for (int i = 1; i <= 10'001; ++i) {
    payloads.AppendNext(Framing::kLine, &got);
    expected += "STRING|" + std::to_string(i) + "\n";
  }
  EXPECT_EQ(got, expected);
}

TEST(PayloadsTest, ArePaddedButNeverCut) {
  EXPECT_EQ(First({.json = 0, .payload_bytes = 12}, 1), "STRING|1    \n");
  EXPECT_EQ(First({.json = 0, .payload_bytes = 3}, 1), "STRING|1\n");
}

TEST(PayloadsTest, AreFramedAsTheServerWantsThem) {
  EXPECT_EQ(First({.json = 0}, 2, Framing::kOctet), "8 STRING|18 STRING|2");
  EXPECT_EQ(First({.json = 0}, 1, Framing::kLength), std::string("\0\0\0\x08STRING|1", 12));
  EXPECT_EQ(First({.json = 0}, 2, Framing::kChunk), "STRING|1STRING|2");
}

}  // namespace
}  // namespace center::client
