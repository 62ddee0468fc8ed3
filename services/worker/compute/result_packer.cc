#include "services/worker/compute/result_packer.h"

#include <utility>

#include "services/worker/compute/chunk.h"

namespace center::compute {

void ResultPacker::AddSize(uint32_t size) {
  // The first that differs: those before it need their sizes, too.
  if (packed_.sizes.empty()) {
    packed_.sizes.assign(packed_.count, packed_.uniform_size);
  }
  packed_.sizes.push_back(size);
}

PackedRecords ResultPacker::Take() {
  Discard();
  if (!packed_.sizes.empty()) packed_.uniform_size = 0;
  begin_ = 0;
  return std::exchange(packed_, {});
}

size_t ChunkResult::bytes() const {
  size_t bytes = results.bytes();
  for (const Failure& failure : failures) {
    bytes += sizeof(Failure) + failure.message.size() + failure.input.size();
  }
  return bytes;
}

}  // namespace center::compute
