#include "services/worker/journal/record.h"

#include <cstring>
#include <limits>
#include <string>

#include "absl/strings/escaping.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/crc32c.h"

namespace center::journal {
namespace {

constexpr uint64_t kOffsetMax = std::numeric_limits<uint64_t>::max();

RecordHeader SampleHeader() {
  RecordHeader header;
  header.length = 0x01020304;
  header.count = 0x00050607;
  header.base_offset = 0x1112131415161718;
  header.time_ns = 0x2122232425262728;
  header.max_time_ns = 0x3132333435363738;
  header.payload_crc = 0x41424344;
  return header;
}

std::string Encode(const RecordHeader& header) {
  std::string bytes(kHeaderBytes, '?');
  EncodeHeader(header, bytes.data());
  return bytes;
}

// Makes the header's checksum right again after a change to one of its fields.
void Reseal(std::string* bytes) {
  const uint32_t crc = Crc32c(absl::string_view(*bytes).substr(0, bytes->size() - 4));
  std::memcpy(bytes->data() + bytes->size() - 4, &crc, sizeof crc);
}

TEST(RecordHeaderTest, EveryFieldStandsWhereTheFormatSays) {
  const std::string bytes = Encode(SampleHeader());
  EXPECT_EQ(absl::BytesToHexString(bytes.substr(0, 44)),
            "ce4af1a7"          // magic
            "01"                // version
            "30"                // bytes of the header
            "0000"              // reserved
            "04030201"          // length
            "07060500"          // count
            "1817161514131211"  // base offset
            "2827262524232221"  // time
            "3837363534333231"  // largest time
            "44434241");        // CRC32C of the payload
  uint32_t crc = 0;
  std::memcpy(&crc, bytes.data() + 44, sizeof crc);
  EXPECT_EQ(crc, Crc32c(absl::string_view(bytes).substr(0, 44)));
}

TEST(RecordHeaderTest, DecodingGivesBackEveryField) {
  const RecordHeader header = SampleHeader();
  const auto decoded = DecodeHeader(Encode(header));
  ASSERT_TRUE(decoded.has_value());
  EXPECT_EQ(decoded->length, header.length);
  EXPECT_EQ(decoded->count, header.count);
  EXPECT_EQ(decoded->base_offset, header.base_offset);
  EXPECT_EQ(decoded->time_ns, header.time_ns);
  EXPECT_EQ(decoded->max_time_ns, header.max_time_ns);
  EXPECT_EQ(decoded->payload_crc, header.payload_crc);
}

TEST(RecordHeaderTest, ExtremeValuesSurvive) {
  RecordHeader header;
  header.length = header.count = std::numeric_limits<uint32_t>::max();
  header.base_offset = kOffsetMax - header.count;
  header.time_ns = std::numeric_limits<int64_t>::min();
  header.max_time_ns = std::numeric_limits<int64_t>::max();
  header.payload_crc = std::numeric_limits<uint32_t>::max();
  const auto decoded = DecodeHeader(Encode(header));
  ASSERT_TRUE(decoded.has_value());
  EXPECT_EQ(decoded->end_offset(), kOffsetMax);
  EXPECT_EQ(decoded->record_bytes(), kHeaderBytes + uint64_t{0xffffffff});
  EXPECT_EQ(decoded->time_ns, std::numeric_limits<int64_t>::min());
  EXPECT_EQ(decoded->max_time_ns, std::numeric_limits<int64_t>::max());
}

TEST(RecordHeaderTest, EverySingleBitFlipIsNoticed) {
  const std::string intact = Encode(SampleHeader());
  for (size_t bit = 0; bit < 8 * kHeaderBytes; ++bit) {
    std::string bytes = intact;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
    EXPECT_FALSE(DecodeHeader(bytes).has_value()) << "bit " << bit;
    EXPECT_FALSE(IsNewerVersion(bytes)) << "bit " << bit;
  }
}

TEST(RecordHeaderTest, TooFewBytesAreNoHeader) {
  const std::string intact = Encode(SampleHeader());
  for (size_t size = 0; size < kHeaderBytes; ++size) {
    EXPECT_FALSE(DecodeHeader(absl::string_view(intact).substr(0, size)).has_value()) << size;
    EXPECT_FALSE(IsNewerVersion(absl::string_view(intact).substr(0, size))) << size;
  }
  EXPECT_TRUE(DecodeHeader(intact + "what follows").has_value());
}

TEST(RecordHeaderTest, ARecordWithoutOffsetsIsRejected) {
  RecordHeader header = SampleHeader();
  header.count = 0;
  EXPECT_FALSE(DecodeHeader(Encode(header)).has_value());
  header.count = 1;
  EXPECT_TRUE(DecodeHeader(Encode(header)).has_value());
}

TEST(RecordHeaderTest, MoreOffsetsThanBytesAreRejected) {
  RecordHeader header = SampleHeader();
  header.count = header.length + 1;
  EXPECT_FALSE(DecodeHeader(Encode(header)).has_value());
  header.count = header.length;
  EXPECT_TRUE(DecodeHeader(Encode(header)).has_value());
}

TEST(RecordHeaderTest, OffsetsThatOverflowAreRejected) {
  RecordHeader header = SampleHeader();
  header.base_offset = kOffsetMax - header.count + 1;
  EXPECT_FALSE(DecodeHeader(Encode(header)).has_value());
}

TEST(RecordHeaderTest, AnotherHeaderSizeIsRejectedEvenWithARightChecksum) {
  std::string bytes = Encode(SampleHeader());
  bytes[5] = 47;
  Reseal(&bytes);
  EXPECT_FALSE(DecodeHeader(bytes).has_value());
}

TEST(RecordHeaderTest, ALaterVersionIsToldFromDamage) {
  std::string bytes = Encode(SampleHeader());
  bytes[4] = kFormatVersion + 1;
  EXPECT_FALSE(IsNewerVersion(bytes)) << "its checksum is wrong";
  Reseal(&bytes);
  EXPECT_TRUE(IsNewerVersion(bytes));
  EXPECT_FALSE(DecodeHeader(bytes).has_value());

  bytes[0] = static_cast<char>(bytes[0] ^ 1);
  Reseal(&bytes);
  EXPECT_FALSE(IsNewerVersion(bytes)) << "its magic is wrong";
}

TEST(RecordHeaderTest, ALaterVersionMayHaveALargerHeader) {
  std::string bytes = Encode(SampleHeader()) + std::string(16, 'n');
  bytes[4] = kFormatVersion + 1;
  bytes[5] = static_cast<char>(bytes.size());
  Reseal(&bytes);
  EXPECT_TRUE(IsNewerVersion(bytes));
  EXPECT_FALSE(IsNewerVersion(absl::string_view(bytes).substr(0, kHeaderBytes)));
}

TEST(RecordHeaderTest, ThisVersionIsNotNewer) {
  EXPECT_FALSE(IsNewerVersion(Encode(SampleHeader())));
}

}  // namespace
}  // namespace center::journal
