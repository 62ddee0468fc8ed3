// Inputs that arrived together: byte strings, packed as they came.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace center::jobs {

// Immutable, so that chunks on their way to workers share it with the queue. Any record is found
// at once: a chunk is tried again from anywhere.
class RecordBlock {
 public:
  struct Packed {
    std::span<const uint32_t> sizes;  // of each record; empty: `count` records of `uniform_size`
    uint32_t uniform_size = 0;
    uint64_t count = 0;
    std::string data;
  };
  // The largest data: offsets into it have 32 bits.
  static constexpr uint64_t kDataBytesMax = 1u << 31;

  // InvalidArgument when the sizes do not add up to the data.
  static absl::StatusOr<std::shared_ptr<const RecordBlock>> Make(Packed packed);

  // The first records of a block. REQUIRES: it has as many.
  static std::shared_ptr<const RecordBlock> Front(const RecordBlock& block, uint64_t count);

  uint64_t count() const { return count_; }
  bool uniform() const { return ends_.empty(); }
  uint32_t uniform_size() const { return uniform_size_; }
  // REQUIRES for the three: within the block.
  uint64_t OffsetOf(uint64_t index) const {
    if (index == 0) return 0;
    return uniform() ? index * uniform_size_ : ends_[index - 1];
  }
  absl::string_view Get(uint64_t index) const { return Bytes(index, 1); }
  absl::string_view Bytes(uint64_t first, uint64_t count) const {
    const uint64_t begin = OffsetOf(first);
    return absl::string_view(data_).substr(begin, OffsetOf(first + count) - begin);
  }
  const std::string& data() const { return data_; }
  uint64_t memory_bytes() const { return data_.size() + ends_.size() * sizeof(uint32_t); }

 private:
  RecordBlock() = default;

  uint64_t count_ = 0;
  uint32_t uniform_size_ = 0;
  std::vector<uint32_t> ends_;  // the offset after each record
  std::string data_;
};

// Consecutive records of one block.
struct InputSlice {
  std::shared_ptr<const RecordBlock> block;
  uint64_t first = 0;  // in the block
  uint64_t count = 0;
};

}  // namespace center::jobs
