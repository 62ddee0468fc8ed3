// Any claim about packed records: Inputs::Records must refuse it or give exactly the bytes that it
// was given, without reading outside and without allocating what is only claimed.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "services/worker/compute/inputs.h"

namespace {

template <typename T>
T Take(const uint8_t*& data, size_t& size) {
  T value{};
  const size_t bytes = size < sizeof value ? size : sizeof value;
  std::memcpy(&value, data, bytes);
  data += bytes;
  size -= bytes;
  return value;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto uniform_size = Take<uint32_t>(data, size);
  const auto count = Take<uint64_t>(data, size);
  std::vector<uint32_t> sizes(Take<uint8_t>(data, size) % 16);
  for (uint32_t& one : sizes) {
    // Mostly small, so that some of them add up.
    one = Take<uint8_t>(data, size);
    if (one == 255) one = Take<uint32_t>(data, size);
  }
  // A copy of exactly this size: a sanitizer sees any access beyond it.
  const std::vector<char> bytes(data, data + size);
  const center::compute::Inputs::Packed packed{.sizes = sizes,
                                               .data = {bytes.data(), bytes.size()},
                                               .uniform_size = uniform_size,
                                               .count = count};
  const auto inputs = center::compute::Inputs::Records(packed, nullptr);
  if (!inputs.ok()) return 0;
  if (inputs->count() > center::compute::kChunkInputsMax) std::abort();
  // Empty records are many in no bytes at all: their first ones tell as much as all of them.
  constexpr uint64_t kLooked = 1 << 16;
  center::compute::InputCursor cursor(*inputs);
  const char* at = bytes.data();
  uint64_t seen = 0;
  while (seen < kLooked && cursor.Advance()) {
    if (cursor.position() != seen++ || cursor.bytes().data() != at) std::abort();
    at += cursor.bytes().size();
    if (!cursor.bytes().empty() && cursor.bytes().back() != at[-1]) std::abort();
  }
  if (seen < kLooked && (seen != inputs->count() || at != bytes.data() + bytes.size())) {
    std::abort();
  }
  return 0;
}
