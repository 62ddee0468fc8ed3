#include "services/worker/compute/inputs.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"

namespace center::compute {
namespace {

absl::Status TooMany(uint64_t count) {
  return absl::InvalidArgumentError(
      absl::StrCat("a chunk of ", count, " inputs; the limit is ", kChunkInputsMax));
}

}  // namespace

absl::StatusOr<Inputs> Inputs::Range(int64_t first, uint64_t count) {
  if (count > kChunkInputsMax) return TooMany(count);
  // What is left above `first`; computed without overflow, whatever its sign.
  const uint64_t above =
      static_cast<uint64_t>(std::numeric_limits<int64_t>::max()) - static_cast<uint64_t>(first);
  if (count > 0 && count - 1 > above) {
    return absl::InvalidArgumentError(
        absl::StrCat("a range of ", count, " numbers from ", first, " exceeds 64 bits"));
  }
  Inputs inputs;
  inputs.is_range_ = true;
  inputs.first_ = first;
  inputs.count_ = count;
  return inputs;
}

absl::StatusOr<Inputs> Inputs::Records(const Packed& packed, std::shared_ptr<const void> owner) {
  const uint64_t count = packed.count > 0 ? packed.count : packed.sizes.size();
  if (count > kChunkInputsMax) return TooMany(count);
  if (packed.count > 0 && !packed.sizes.empty()) {
    return absl::InvalidArgumentError("records with both sizes and a count");
  }
  if (packed.count == 0 && packed.uniform_size > 0) {
    return absl::InvalidArgumentError("records with a uniform size, but no count");
  }
  uint64_t total = packed.count * packed.uniform_size;  // below 2^56
  for (const uint32_t size : packed.sizes) total += size;
  if (total != packed.data.size()) {
    return absl::InvalidArgumentError(absl::StrCat("records of ", total, " bytes together, but ",
                                                   packed.data.size(), " bytes of data"));
  }
  Inputs inputs;
  inputs.count_ = count;
  inputs.packed_ = packed;
  inputs.owner_ = std::move(owner);
  return inputs;
}

void DecimalText::Set(int64_t number) {
  number_ = number;
  negative_ = number < 0;
  std::array<char, kCapacity> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  begin_ = kCapacity - static_cast<size_t>(end - digits.data());
  std::copy(digits.data(), end, text_.data() + begin_);
}

InputCursor::InputCursor(const Inputs& inputs) : inputs_(inputs), at_(inputs.packed_.data.data()) {}

}  // namespace center::compute
