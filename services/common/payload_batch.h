// The wire form of center.v1.PayloadBatch (proto/center/v1/payload.proto), written and read by
// hand.
//
// A batch is serialised exactly once, when it is received, and the same bytes are stored, streamed,
// relayed and parsed. Doing it here rather than with generated code lets the payload bytes stay
// where recv(2) put them: only the few bytes in front of them are made. The encoding is protobuf's
// (https://protobuf.dev/programming-guides/encoding/), fields in ascending order, so that any
// protobuf library reads it; a test holds it against the generated class.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace center {

struct BatchHeader {
  absl::string_view worker;   // "<server>/<slot>"
  uint64_t first_offset = 0;  // of the first payload
  int64_t receive_time_ns = 0;
  absl::string_view peer;  // "ip:port"
};

// Appends to `out` everything of a PayloadBatch that stands before the payload bytes: fields 1 to 5
// and the tag and length of field 6. The batch is `*out` followed by `data_bytes` bytes: the
// payloads, back to back. REQUIRES: the sizes add up to data_bytes.
void AppendBatchPrefix(const BatchHeader& header, std::span<const uint32_t> sizes,
                       uint64_t data_bytes, std::string* out);

// A parsed batch that points into the bytes it was parsed from.
class BatchView {
 public:
  // InvalidArgument when `bytes` is no PayloadBatch, or its sizes do not add up to its data.
  // Unknown fields are skipped. Never reads outside `bytes`, whatever they hold.
  static absl::StatusOr<BatchView> Parse(absl::string_view bytes);

  const BatchHeader& header() const { return header_; }
  uint32_t count() const { return count_; }
  absl::string_view data() const { return data_; }

  // Calls visit(index, payload) for each payload in order.
  template <typename Visitor>
  void ForEach(Visitor&& visit) const {
    absl::string_view sizes = sizes_;
    size_t at = 0;
    for (uint32_t i = 0; i < count_; ++i) {
      const uint64_t size = NextSize(&sizes);
      visit(i, data_.substr(at, size));
      at += size;
    }
  }

 private:
  // The next varint of a run that Parse has checked.
  static uint64_t NextSize(absl::string_view* sizes);

  BatchHeader header_;
  absl::string_view sizes_;  // field 5, packed varints
  absl::string_view data_;
  uint32_t count_ = 0;
};

// Protobuf varints, for those who build messages around batches. AppendVarint writes 1 to 10 bytes.
void AppendVarint(uint64_t value, std::string* out);
size_t VarintSize(uint64_t value);

}  // namespace center
