#include "services/coordinator/jobs/record_block.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace center::jobs {

absl::StatusOr<std::shared_ptr<const RecordBlock>> RecordBlock::Make(Packed packed) {
  if (packed.data.size() > kDataBytesMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("has ", packed.data.size(), " bytes, more than ", kDataBytesMax));
  }
  std::shared_ptr<RecordBlock> block(new RecordBlock());  // not make_shared: it is private
  uint64_t bytes = 0;
  if (packed.sizes.empty()) {
    block->count_ = packed.count;
    block->uniform_size_ = packed.uniform_size;
    if (packed.uniform_size != 0 && packed.count > kDataBytesMax / packed.uniform_size) {
      return absl::InvalidArgumentError("uniform_size and count are larger than the data");
    }
    bytes = packed.uniform_size * packed.count;
  } else {
    if (packed.count != 0) {
      return absl::InvalidArgumentError("has sizes and a count, of which only one may be set");
    }
    block->count_ = packed.sizes.size();
    block->ends_.reserve(packed.sizes.size());
    for (const uint32_t size : packed.sizes) {
      bytes += size;
      block->ends_.push_back(static_cast<uint32_t>(bytes));
    }
  }
  if (bytes != packed.data.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("its sizes add up to ", bytes, " bytes, and it has ", packed.data.size()));
  }
  block->data_ = std::move(packed.data);
  return std::shared_ptr<const RecordBlock>(std::move(block));
}

std::shared_ptr<const RecordBlock> RecordBlock::Front(const RecordBlock& block, uint64_t count) {
  std::shared_ptr<RecordBlock> front(new RecordBlock());
  front->count_ = count;
  front->uniform_size_ = block.uniform_size_;
  if (!block.uniform()) {
    front->ends_.assign(block.ends_.begin(),
                        block.ends_.begin() + static_cast<std::ptrdiff_t>(count));
  }
  front->data_ = std::string(block.Bytes(0, count));
  return front;
}

}  // namespace center::jobs
