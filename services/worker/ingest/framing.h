// How a stream of bytes is cut into payloads: declared by the server's spec, never guessed.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace center::ingest {

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

}  // namespace center::ingest
