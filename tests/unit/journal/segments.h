// Segment files made by hand, byte by byte as the format says, independent of the writer.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "services/common/crc32c.h"
#include "services/worker/journal/record.h"
#include "tests/unit/journal/testing.h"

namespace center::journal {

struct PlacedRecord {
  uint64_t position = 0;
  uint64_t bytes = 0;
  uint64_t base = 0;
  uint32_t count = 0;

  uint64_t end() const { return base + count; }
  uint64_t end_position() const { return position + bytes; }
};

struct BuiltSegment {
  std::string bytes;
  std::vector<PlacedRecord> records;
  uint64_t end_offset = 0;
};

// Appends a record; the header's length and payload checksum are those of `payload`.
inline void PutRecord(RecordHeader header, absl::string_view payload, std::string* out) {
  header.length = static_cast<uint32_t>(payload.size());
  header.payload_crc = Crc32c(payload);
  char bytes[kHeaderBytes];
  EncodeHeader(header, bytes);
  out->append(bytes, sizeof bytes);
  out->append(payload.data(), payload.size());
}

// What AppendGroup makes of these counts in a segment that begins with `base`.
inline BuiltSegment BuildSegment(uint64_t base, const std::vector<uint32_t>& counts) {
  BuiltSegment segment;
  segment.end_offset = base;
  for (const uint32_t count : counts) {
    RecordHeader header;
    header.count = count;
    header.base_offset = segment.end_offset;
    header.time_ns = header.max_time_ns = RecordTime(header.base_offset);
    const uint64_t position = segment.bytes.size();
    PutRecord(header, RecordBytes(header.base_offset, count), &segment.bytes);
    segment.records.push_back(
        {position, segment.bytes.size() - position, header.base_offset, count});
    segment.end_offset += count;
  }
  return segment;
}

}  // namespace center::journal
