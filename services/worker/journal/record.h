// The record header on disk (FORMAT.md): encoding and decoding, nothing else. Pure functions.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "absl/types/optional.h"

namespace center::journal {

inline constexpr size_t kHeaderBytes = 48;
inline constexpr uint8_t kFormatVersion = 1;
// The first four bytes of every record. The high bits keep it from being UTF-8 text.
inline constexpr absl::string_view kMagic("\xCEJ\xF1\xA7", 4);

struct RecordHeader {
  uint32_t length = 0;       // bytes behind the header
  uint32_t count = 0;        // offsets it takes
  uint64_t base_offset = 0;  // the first of them
  int64_t time_ns = 0;       // when its payloads were received
  int64_t max_time_ns = 0;   // the largest time_ns in the journal up to and with this record
  uint32_t payload_crc = 0;  // CRC32C of the `length` bytes

  uint64_t end_offset() const { return base_offset + count; }
  uint64_t record_bytes() const { return kHeaderBytes + uint64_t{length}; }
};

// Writes kHeaderBytes to `out`, with magic, version and the header's own checksum.
void EncodeHeader(const RecordHeader& header, char* out);

// The header at the beginning of `bytes`; nullopt when they are too few, hold no header of this
// version, or its checksum or its numbers are wrong. What it returns satisfies
// 1 <= count <= length, and end_offset() does not overflow.
absl::optional<RecordHeader> DecodeHeader(absl::string_view bytes);

// Whether `bytes` begin with an intact header of a later version of Center: not damage, and not
// to be touched by this one.
bool IsNewerVersion(absl::string_view bytes);

}  // namespace center::journal
