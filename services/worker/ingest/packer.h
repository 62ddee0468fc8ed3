// The writing half of an in-place scan: payloads move to the front of the buffer they came in.
#pragma once

#include <cstring>

#include "services/worker/ingest/framer.h"

namespace center::ingest {

// Invariant: what has been packed ends at or before the frame that is being read, so that no
// unread byte is ever overwritten.
class Packer {
 public:
  Packer(char* buffer, const ScanLimits& limits)
      : begin_(buffer),
        out_(buffer),
        size_out_(limits.sizes.data()),
        size_end_(limits.sizes.data() + limits.sizes.size()),
        data_limit_(limits.data_bytes) {}

  // Adds a payload; false, and nothing happens, when a limit is reached.
  bool Add(const char* payload, size_t size) {
    if (size_out_ == size_end_) return false;
    const size_t packed = static_cast<size_t>(out_ - begin_);
    if (packed + size > data_limit_ && packed != 0) return false;
    if (out_ != payload) std::memmove(out_, payload, size);
    out_ += size;
    *size_out_++ = static_cast<uint32_t>(size);
    return true;
  }

  // Fills in what was packed.
  void Finish(const ScanLimits& limits, ScanResult* result) const {
    result->data_bytes = static_cast<size_t>(out_ - begin_);
    result->count = static_cast<size_t>(size_out_ - limits.sizes.data());
  }

 private:
  char* const begin_;
  char* out_;
  uint32_t* size_out_;
  uint32_t* const size_end_;
  const size_t data_limit_;
};

}  // namespace center::ingest
