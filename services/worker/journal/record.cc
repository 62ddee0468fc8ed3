#include "services/worker/journal/record.h"

#include <bit>
#include <cstring>
#include <limits>

#include "services/common/crc32c.h"

namespace center::journal {
namespace {

static_assert(std::endian::native == std::endian::little,
              "the journal is written as it lies in memory");

// Positions of the fields; FORMAT.md shows them as a table.
constexpr size_t kVersionAt = 4;
constexpr size_t kHeaderBytesAt = 5;
constexpr size_t kLengthAt = 8;
constexpr size_t kCountAt = 12;
constexpr size_t kBaseOffsetAt = 16;
constexpr size_t kTimeAt = 24;
constexpr size_t kMaxTimeAt = 32;
constexpr size_t kPayloadCrcAt = 40;
constexpr size_t kHeaderCrcAt = 44;

template <typename T>
void Put(char* out, size_t at, T value) {
  std::memcpy(out + at, &value, sizeof value);
}

template <typename T>
T Get(absl::string_view bytes, size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

}  // namespace

void EncodeHeader(const RecordHeader& header, char* out) {
  std::memcpy(out, kMagic.data(), kMagic.size());
  Put<uint8_t>(out, kVersionAt, kFormatVersion);
  Put<uint8_t>(out, kHeaderBytesAt, kHeaderBytes);
  Put<uint16_t>(out, 6, 0);
  Put(out, kLengthAt, header.length);
  Put(out, kCountAt, header.count);
  Put(out, kBaseOffsetAt, header.base_offset);
  Put(out, kTimeAt, header.time_ns);
  Put(out, kMaxTimeAt, header.max_time_ns);
  Put(out, kPayloadCrcAt, header.payload_crc);
  Put(out, kHeaderCrcAt, Crc32c({out, kHeaderCrcAt}));
}

absl::optional<RecordHeader> DecodeHeader(absl::string_view bytes) {
  if (bytes.size() < kHeaderBytes || bytes.substr(0, kMagic.size()) != kMagic) return absl::nullopt;
  if (Get<uint8_t>(bytes, kVersionAt) != kFormatVersion ||
      Get<uint8_t>(bytes, kHeaderBytesAt) != kHeaderBytes ||
      Get<uint32_t>(bytes, kHeaderCrcAt) != Crc32c(bytes.substr(0, kHeaderCrcAt))) {
    return absl::nullopt;
  }
  RecordHeader header;
  header.length = Get<uint32_t>(bytes, kLengthAt);
  header.count = Get<uint32_t>(bytes, kCountAt);
  header.base_offset = Get<uint64_t>(bytes, kBaseOffsetAt);
  header.time_ns = Get<int64_t>(bytes, kTimeAt);
  header.max_time_ns = Get<int64_t>(bytes, kMaxTimeAt);
  header.payload_crc = Get<uint32_t>(bytes, kPayloadCrcAt);
  const bool sane = header.count >= 1 && header.count <= header.length &&
                    header.base_offset <= std::numeric_limits<uint64_t>::max() - header.count;
  if (!sane) return absl::nullopt;
  return header;
}

bool IsNewerVersion(absl::string_view bytes) {
  if (bytes.size() < kHeaderBytes || bytes.substr(0, kMagic.size()) != kMagic) return false;
  if (Get<uint8_t>(bytes, kVersionAt) <= kFormatVersion) return false;
  // In every version the header's checksum is its last four bytes.
  const size_t size = Get<uint8_t>(bytes, kHeaderBytesAt);
  if (size < kHeaderBytes || size > bytes.size()) return false;
  return Get<uint32_t>(bytes, size - 4) == Crc32c(bytes.substr(0, size - 4));
}

}  // namespace center::journal
