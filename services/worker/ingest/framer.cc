#include "services/worker/ingest/framer.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "services/worker/ingest/packer.h"

namespace center::ingest {

ScanResult Framer::Scan(char* buffer, size_t size, const ScanLimits& limits) {
  ScanResult result;
  switch (framing_) {
    case Framing::kLine:
      result = ScanLines(buffer, size, limits);
      break;
    case Framing::kLength:
      result = ScanLengths(buffer, size, limits);
      break;
    case Framing::kOctet:
      result = ScanOctets(buffer, size, limits);
      break;
    case Framing::kChunk:
      result = ScanChunks(buffer, size, limits);
      break;
  }
  position_ += result.consumed;
  return result;
}

ScanResult Framer::Finish(char* buffer, size_t size, const ScanLimits& limits) {
  ScanResult result;
  if (size == 0) return result;
  if (framing_ == Framing::kLine) {
    // A scan has seen these bytes: there is no LF, and they are not too many.
    Packer packer(buffer, limits);
    packer.Add(buffer, buffer[size - 1] == '\r' ? size - 1 : size);
    packer.Finish(limits, &result);
    result.consumed = size;
    position_ += size;
    return result;
  }
  result.error_position = position_;
  result.error = absl::DataLossError(
      frame_bytes_ == 0 ? absl::StrCat("the stream ended inside a frame header, ", size,
                                       " bytes after position ", position_)
                        : absl::StrCat("the stream ended inside the frame at position ", position_,
                                       ": ", size, " of its ", frame_bytes_, " bytes came"));
  return result;
}

absl::Status Framer::TooLarge(uint64_t frame_position) const {
  return absl::ResourceExhaustedError(absl::StrCat("the payload of the frame at position ",
                                                   frame_position, " is longer than ",
                                                   max_payload_bytes_, " bytes"));
}

ScanResult Framer::ScanChunks(char* buffer, size_t size, const ScanLimits& limits) {
  const auto is_space = [](char c) { return c == ' ' || (c >= '\t' && c <= '\r'); };
  const size_t chunk_bytes = std::min<size_t>(kChunkBytesMax, max_payload_bytes_);
  ScanResult result;
  Packer packer(buffer, limits);
  size_t at = 0;
  while (at < size && !result.limited) {
    const size_t chunk_end = at + std::min(chunk_bytes, size - at);
    size_t begin = at;
    size_t end = chunk_end;
    while (begin < end && is_space(buffer[begin])) ++begin;
    while (end > begin && is_space(buffer[end - 1])) --end;
    if (begin < end && !packer.Add(buffer + begin, end - begin)) {
      result.limited = true;
    } else {
      at = chunk_end;
    }
  }
  packer.Finish(limits, &result);
  result.consumed = at;
  return result;
}

}  // namespace center::ingest
