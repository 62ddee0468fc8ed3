// `length`: a 4-byte big-endian length before each payload. Zero is an empty payload.
#include "services/worker/ingest/framer.h"
#include "services/worker/ingest/packer.h"

namespace center::ingest {
namespace {

uint32_t ReadBigEndian32(const char* p) {
  const auto byte = [p](int i) { return static_cast<uint32_t>(static_cast<unsigned char>(p[i])); };
  return byte(0) << 24 | byte(1) << 16 | byte(2) << 8 | byte(3);
}

}  // namespace

ScanResult Framer::ScanLengths(char* buffer, size_t size, const ScanLimits& limits) {
  ScanResult result;
  Packer packer(buffer, limits);
  frame_bytes_ = 0;
  size_t at = 0;
  while (size - at >= kLengthHeaderBytes) {
    const uint32_t length = ReadBigEndian32(buffer + at);
    if (length > max_payload_bytes_) {
      result.error_position = position_ + at;
      result.error = TooLarge(result.error_position);
      break;
    }
    const uint64_t frame_bytes = kLengthHeaderBytes + uint64_t{length};
    if (size - at < frame_bytes) {
      frame_bytes_ = frame_bytes;
      break;
    }
    if (!packer.Add(buffer + at + kLengthHeaderBytes, length)) {
      result.limited = true;
      break;
    }
    at += frame_bytes;
  }
  packer.Finish(limits, &result);
  result.consumed = at;
  return result;
}

}  // namespace center::ingest
