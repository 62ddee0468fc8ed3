// What a client sends: numbered payloads, framed, as the teaching example that Center grew from
// sent them: `JSON|{"proto_cnt": 1}`, `STRING|2`, ….
#pragma once

#include <cstdint>
#include <string>

#include "services/common/framing.h"

namespace center::client {

struct PayloadOptions {
  // Of every json + text payloads in a row, the first `json` are JSON. REQUIRES: not both 0.
  uint32_t json = 1;
  uint32_t text = 1;
  // Shorter payloads are padded to this: JSON by spaces behind the object, text by spaces.
  uint64_t payload_bytes = 0;
};

// Numbers payloads from 1. One thread.
class Payloads {
 public:
  explicit Payloads(const PayloadOptions& options) : options_(options) {}

  // Appends the next payload, framed so.
  void AppendNext(Framing framing, std::string* out);
  // How many there were.
  uint64_t count() const { return count_; }

 private:
  // Adds one to the number, in digits: cheaper by far than writing it anew.
  void CountUp();
  void AppendPayload(std::string* out);

  const PayloadOptions options_;
  uint64_t count_ = 0;
  uint64_t place_ = 0;        // in the mix
  std::string digits_ = "0";  // of count_
  std::string payload_;       // kept for its memory
};

}  // namespace center::client
