// `octet`: RFC 6587 section 3.4.1, octet counting: MSG-LEN SP SYSLOG-MSG, where MSG-LEN is decimal
// without leading zeros (so an empty payload cannot be written).
#include "absl/strings/str_cat.h"
#include "services/common/log.h"
#include "services/worker/ingest/framer.h"
#include "services/worker/ingest/packer.h"

namespace center::ingest {
namespace {

struct Header {
  enum class Kind { kComplete, kUnfinished, kMalformed };
  Kind kind = Kind::kUnfinished;
  size_t bytes = 0;     // kComplete: digits and the space; kMalformed: those before the bad byte
  uint64_t length = 0;  // kComplete
};

Header ReadHeader(const char* p, size_t size) {
  Header header;
  for (; header.bytes < size; ++header.bytes) {
    const char c = p[header.bytes];
    if (c == ' ' && header.bytes > 0) {
      ++header.bytes;
      header.kind = Header::Kind::kComplete;
      return header;
    }
    const bool digit = c >= '0' && c <= '9' && header.bytes < kOctetDigitsMax;
    if (!digit || (c == '0' && header.bytes == 0)) {
      header.kind = Header::Kind::kMalformed;
      return header;
    }
    header.length = header.length * 10 + static_cast<uint64_t>(c - '0');
  }
  return header;
}

absl::Status Malformed(char c, size_t digits, uint64_t position) {
  absl::string_view expected = "a digit or a space";
  if (digits == 0) expected = "a digit from 1 to 9";
  if (digits == kOctetDigitsMax) expected = "a space";
  return absl::InvalidArgumentError(absl::StrCat("expected the length of an octet-counted frame, ",
                                                 expected, " at position ", position, ", not '",
                                                 Printable(absl::string_view(&c, 1)), "'"));
}

}  // namespace

ScanResult Framer::ScanOctets(char* buffer, size_t size, const ScanLimits& limits) {
  ScanResult result;
  Packer packer(buffer, limits);
  frame_bytes_ = 0;
  size_t at = 0;
  while (at < size) {
    const Header header = ReadHeader(buffer + at, size - at);
    if (header.kind == Header::Kind::kUnfinished) break;
    if (header.kind == Header::Kind::kMalformed) {
      result.error_position = position_ + at + header.bytes;
      result.error = Malformed(buffer[at + header.bytes], header.bytes, result.error_position);
      break;
    }
    if (header.length > max_payload_bytes_) {
      result.error_position = position_ + at;
      result.error = TooLarge(result.error_position);
      break;
    }
    const uint64_t frame_bytes = header.bytes + header.length;
    if (size - at < frame_bytes) {
      frame_bytes_ = frame_bytes;
      break;
    }
    if (!packer.Add(buffer + at + header.bytes, header.length)) {
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
