// How a stream of bytes is cut into payloads: declared by the server's spec, never guessed. Shared
// by those who cut (the worker) and those who send (centerctl, center-client).
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace center {

enum class Framing : uint8_t {
  kLine,    // LF ends a payload; one CR before it is dropped
  kLength,  // a 4-byte big-endian length before each payload
  kOctet,   // RFC 6587 octet counting: a decimal length and a space before each payload
  kChunk,   // each read of up to 4096 bytes is a payload, white space around it trimmed
};

// "line", "length", "octet", "chunk".
absl::string_view FramingName(Framing framing);
// InvalidArgument, naming the text and what would be right, for anything else.
absl::StatusOr<Framing> ParseFraming(absl::string_view text);

// Appends `payload` to `out` as a sender must write it. kChunk cannot delimit: the payload as it
// is. REQUIRES: a payload that the framing can carry (kLine: no LF in it; kLength: below 4 GiB).
void AppendFrame(Framing framing, absl::string_view payload, std::string* out);

}  // namespace center
