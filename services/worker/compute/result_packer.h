// Packs results back to back, as Records in job.proto has them: while all have the same size, that
// size and a count are all there is to say about them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace center::compute {

struct PackedRecords {
  std::vector<uint32_t> sizes;  // empty when all have uniform_size
  std::string data;
  uint32_t uniform_size = 0;
  uint64_t count = 0;  // of the records

  bool uniform() const { return sizes.empty(); }
  size_t bytes() const { return data.size() + sizes.size() * sizeof(uint32_t); }
};

class ResultPacker {
 public:
  // Adds to the record that is being made.
  void Append(absl::string_view bytes) { packed_.data.append(bytes.data(), bytes.size()); }
  // Ends it.
  void End() {
    // What is appended is bounded by kResultBytesMax.
    const auto size = static_cast<uint32_t>(packed_.data.size() - begin_);
    begin_ = packed_.data.size();
    if (packed_.count == 0) packed_.uniform_size = size;
    if (size != packed_.uniform_size || !packed_.sizes.empty()) AddSize(size);
    ++packed_.count;
  }
  // Forgets what was appended since the last End.
  void Discard() { packed_.data.resize(begin_); }

  size_t open_bytes() const { return packed_.data.size() - begin_; }
  size_t bytes() const { return packed_.bytes(); }
  PackedRecords Take();

 private:
  void AddSize(uint32_t size);

  PackedRecords packed_;
  size_t begin_ = 0;  // of the record that is being made
};

}  // namespace center::compute
