// However a stream is split into reads, the payloads and the error are the same.
#include <random>
#include <string>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "services/worker/ingest/framer.h"
#include "tests/unit/ingest/framer_feed.h"

namespace center::ingest {
namespace {

using namespace std::string_literals;

struct Stream {
  const char* name;
  Framing framing;
  std::string bytes;
};

constexpr uint32_t kMaxPayloadBytes = 20;

std::string Length(absl::string_view payload) {
  return absl::StrCat("\0\0\0"s, std::string(1, static_cast<char>(payload.size())), payload);
}

std::string Octet(absl::string_view payload) { return absl::StrCat(payload.size(), " ", payload); }

const Stream kStreams[] = {
    {"Lines", Framing::kLine, "one\ntwo\r\n\n\r\n\r\r\nwith \r inside\n0123456789012345678\r\nend"},
    {"LinesFull", Framing::kLine, "01234567890123456789\r\n01234567890123456789\nx\r"},
    {"LineTooLong", Framing::kLine, "fine\r\n012345678901234567890123\nnever"},
    {"LineTooLongByOne", Framing::kLine, "fine\n012345678901234567890\r\nnever"},
    {"LineTooLongUnended", Framing::kLine, "fine\n01234567890123456789\r0"},
    {"Lengths", Framing::kLength, Length("a\nb") + Length("") + Length("01234567890123456789")},
    {"LengthTooLarge", Framing::kLength, Length("ok") + "\0\0\1\0abc"s},
    {"LengthTruncated", Framing::kLength, Length("ok") + "\0\0\0\5abc"s},
    {"LengthTruncatedHeader", Framing::kLength, Length("ok") + "\0\0\0"s},
    {"Octets", Framing::kOctet, Octet("a\nb") + Octet("1 2 3 ") + Octet("01234567890123456789")},
    {"OctetTooLarge", Framing::kOctet, Octet("ok") + "21 x"},
    {"OctetMalformed", Framing::kOctet, Octet("ok") + "1x3 abc"},
    {"OctetTooManyDigits", Framing::kOctet, Octet("ok") + "123456789012 abc"},
    {"OctetTruncated", Framing::kOctet, Octet("ok") + "9 abc"},
};

class SplitTest : public ::testing::TestWithParam<Stream> {};

INSTANTIATE_TEST_SUITE_P(All, SplitTest, ::testing::ValuesIn(kStreams),
                         [](const auto& param) { return param.param.name; });

TEST_P(SplitTest, OneSplitAtEveryPosition) {
  const Stream& stream = GetParam();
  const Fed whole = FeedAll(stream.framing, stream.bytes, kMaxPayloadBytes);
  for (size_t i = 0; i <= stream.bytes.size(); ++i) {
    Feeder feeder(stream.framing, kMaxPayloadBytes);
    feeder.Read(stream.bytes.substr(0, i));
    feeder.Read(stream.bytes.substr(i));
    feeder.End();
    EXPECT_EQ(feeder.fed().payloads, whole.payloads) << "split at " << i;
    EXPECT_EQ(feeder.fed().error, whole.error) << "split at " << i;
    EXPECT_EQ(feeder.fed().error_position, whole.error_position) << "split at " << i;
  }
}

TEST_P(SplitTest, TwoSplitsAtEveryPairOfPositions) {
  const Stream& stream = GetParam();
  const Fed whole = FeedAll(stream.framing, stream.bytes, kMaxPayloadBytes);
  for (size_t i = 0; i <= stream.bytes.size(); ++i) {
    for (size_t j = i; j <= stream.bytes.size(); ++j) {
      Feeder feeder(stream.framing, kMaxPayloadBytes);
      feeder.Read(stream.bytes.substr(0, i));
      feeder.Read(stream.bytes.substr(i, j - i));
      feeder.Read(stream.bytes.substr(j));
      feeder.End();
      ASSERT_EQ(feeder.fed().payloads, whole.payloads) << i << " " << j;
      ASSERT_EQ(feeder.fed().error, whole.error) << i << " " << j;
    }
  }
}

TEST_P(SplitTest, ByteByByteWithTheSmallestLimits) {
  const Stream& stream = GetParam();
  const Fed whole = FeedAll(stream.framing, stream.bytes, kMaxPayloadBytes);
  Feeder feeder(stream.framing, kMaxPayloadBytes, /*sizes_max=*/1, /*data_bytes_max=*/1);
  for (const char& byte : stream.bytes) feeder.Read({&byte, 1});
  feeder.End();
  EXPECT_EQ(feeder.fed().payloads, whole.payloads);
  EXPECT_EQ(feeder.fed().error, whole.error);
}

// Random payloads, random reads: the stream comes apart into exactly what was put in.
class RandomStreamTest : public ::testing::TestWithParam<std::tuple<Framing, int>> {};

INSTANTIATE_TEST_SUITE_P(All, RandomStreamTest,
                         ::testing::Combine(::testing::Values(Framing::kLine, Framing::kLength,
                                                              Framing::kOctet),
                                            ::testing::Range(0, 20)));

TEST_P(RandomStreamTest, GivesBackWhatWasSent) {
  const auto [framing, seed] = GetParam();
  std::mt19937 random(static_cast<uint32_t>(seed));
  std::vector<std::string> sent;
  std::string stream;
  for (int i = 0; i < 200; ++i) {
    std::string payload(random() % (kMaxPayloadBytes + 1), '\0');
    for (char& c : payload) c = static_cast<char>('!' + random() % 90);
    if (framing == Framing::kOctet && payload.empty()) payload = "x";
    if (framing == Framing::kLine) stream += payload + (random() % 2 == 0 ? "\n" : "\r\n");
    if (framing == Framing::kLength) stream += Length(payload);
    if (framing == Framing::kOctet) stream += Octet(payload);
    sent.push_back(std::move(payload));
  }
  Feeder feeder(framing, kMaxPayloadBytes, 1 + random() % 7, 1 + random() % 100);
  for (size_t at = 0; at < stream.size();) {
    const size_t n = std::min<size_t>(stream.size() - at, 1 + random() % 64);
    feeder.Read(absl::string_view(stream).substr(at, n));
    at += n;
  }
  feeder.End();
  EXPECT_EQ(feeder.fed().error, "");
  EXPECT_EQ(feeder.fed().payloads, sent);
}

}  // namespace
}  // namespace center::ingest
