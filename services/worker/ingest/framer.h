// Cuts a stream into payloads: pure, incremental parsers without IO.
//
// A framer works in place. It is shown a buffer that begins with what the last scan left over, and
// moves the payloads it finds together at the front, without their delimiters or headers:
//
//   before:  a a a \n b b \r \n c c          sizes: -
//   after:   a a a b b . . . c c             sizes: 3 2      data_bytes = 5, consumed = 8
//
// The bytes from `consumed` on are an unfinished frame and are untouched: show them again in front
// of what comes next. However a stream is split over scans, the payloads and the error are the
// same; `chunk`, where each scan's bytes are by definition a read of their own, is the exception.
//
// A framer is a small value, one per connection. After an error it must not be used again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "absl/status/status.h"
#include "services/common/framing.h"

namespace center::ingest {

// `chunk` cuts longer reads into pieces of this size, as a read loop with such a buffer would.
inline constexpr size_t kChunkBytesMax = 4096;
// RFC 6587 sets no limit; ten digits are more than any 32-bit length needs.
inline constexpr size_t kOctetDigitsMax = 10;
inline constexpr size_t kLengthHeaderBytes = 4;

struct ScanResult {
  size_t consumed = 0;    // bytes of the buffer that are done with
  size_t data_bytes = 0;  // payload bytes, back to back at the front of the buffer
  size_t count = 0;       // payloads; their sizes are in the caller's array
  // A limit of the call was reached, and there may be more payloads: scan what is left again.
  bool limited = false;
  // What is wrong after these payloads: ResourceExhausted (payload too large), InvalidArgument
  // (malformed header) or DataLoss (the stream ended inside a frame). Says where.
  absl::Status error;
  uint64_t error_position = 0;  // in the stream; set with `error`
};

// What one scan may deliver, beyond which it stops: room for sizes, and payload bytes (a single
// larger payload is delivered alone).
struct ScanLimits {
  std::span<uint32_t> sizes;  // not empty
  size_t data_bytes = 0;
};

class Framer {
 public:
  // REQUIRES: 1 <= max_payload_bytes <= 2^32 - 1 - 16.
  Framer(Framing framing, uint32_t max_payload_bytes)
      : max_payload_bytes_(max_payload_bytes), framing_(framing) {}

  // Takes what is complete in the first `size` bytes of `buffer`.
  ScanResult Scan(char* buffer, size_t size, const ScanLimits& limits);
  // Decides about what is left over when the stream has ended in good order: an unterminated last
  // line is a payload; elsewhere an unfinished frame is DataLoss. Nothing left: nothing happens.
  ScanResult Finish(char* buffer, size_t size, const ScanLimits& limits);

  // The whole length, header included, of the frame that the last scan left unfinished; 0 when it
  // cannot be known yet.
  uint64_t unfinished_frame_bytes() const { return frame_bytes_; }
  // Bytes of the stream that have been consumed.
  uint64_t position() const { return position_; }

 private:
  ScanResult ScanLines(char* buffer, size_t size, const ScanLimits& limits);
  ScanResult ScanLengths(char* buffer, size_t size, const ScanLimits& limits);
  ScanResult ScanOctets(char* buffer, size_t size, const ScanLimits& limits);
  ScanResult ScanChunks(char* buffer, size_t size, const ScanLimits& limits);

  absl::Status TooLarge(uint64_t frame_position) const;

  uint64_t position_ = 0;     // of the stream, at the start of the next buffer
  uint64_t frame_bytes_ = 0;  // see unfinished_frame_bytes
  uint32_t searched_ = 0;     // `line`: leading bytes known to hold no LF
  const uint32_t max_payload_bytes_;
  const Framing framing_;
};

}  // namespace center::ingest
