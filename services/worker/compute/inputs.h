// The inputs of a chunk: consecutive numbers, or byte strings packed back to back. Checked when
// they are made, so that nobody who reads them has to.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace center::compute {

// More inputs are refused: a chunk aims at 20 ms, and no task takes less than a nanosecond.
inline constexpr uint64_t kChunkInputsMax = uint64_t{1} << 24;

class Inputs {
 public:
  // What Records in job.proto says.
  struct Packed {
    absl::Span<const uint32_t> sizes;
    absl::string_view data;
    uint32_t uniform_size = 0;
    uint64_t count = 0;
  };

  // None.
  Inputs() = default;
  // InvalidArgument when there are too many, or a number does not fit.
  static absl::StatusOr<Inputs> Range(int64_t first, uint64_t count);
  // `owner` keeps what `packed` points to. InvalidArgument when sizes and data do not agree.
  static absl::StatusOr<Inputs> Records(const Packed& packed, std::shared_ptr<const void> owner);

  uint64_t count() const { return count_; }
  bool is_range() const { return is_range_; }
  // The memory that they hold.
  size_t bytes() const { return packed_.data.size() + packed_.sizes.size() * sizeof(uint32_t); }

 private:
  friend class InputCursor;
  bool is_range_ = false;
  int64_t first_ = 0;
  uint64_t count_ = 0;
  Packed packed_;
  std::shared_ptr<const void> owner_;
};

// A number's decimal text, made anew only when more than its last digit changes.
class DecimalText {
 public:
  void Set(int64_t number);
  // To the next number.
  void Advance() {
    if (!negative_ && text_[kCapacity - 1] != '9') {
      ++text_[kCapacity - 1];
      ++number_;
    } else {
      Set(number_ + 1);
    }
  }
  absl::string_view text() const { return {text_.data() + begin_, kCapacity - begin_}; }

 private:
  static constexpr size_t kCapacity = 24;
  std::array<char, kCapacity> text_{};  // right-aligned
  size_t begin_ = kCapacity;
  bool negative_ = false;
  int64_t number_ = 0;
};

// Goes through inputs from the first on. They outlive it.
class InputCursor {
 public:
  explicit InputCursor(const Inputs& inputs);

  // To the next input (at first: the first). False: there is none. Here, to be inlined: it is most
  // of what a trivial input costs.
  bool Advance() {
    const uint64_t next = position_ + 1;  // kBefore becomes 0
    if (next >= inputs_.count_) return false;
    position_ = next;
    if (inputs_.is_range_) {
      if (next == 0) {
        text_.Set(inputs_.first_);
      } else {
        text_.Advance();
      }
      bytes_ = text_.text();
      return true;
    }
    const size_t size =
        inputs_.packed_.sizes.empty() ? inputs_.packed_.uniform_size : inputs_.packed_.sizes[next];
    bytes_ = absl::string_view(at_, size);
    at_ += size;
    return true;
  }

  uint64_t position() const { return position_; }  // of the current input
  absl::string_view bytes() const { return bytes_; }
  int64_t number() const { return inputs_.first_ + static_cast<int64_t>(position_); }

 private:
  static constexpr uint64_t kBefore = UINT64_MAX;

  const Inputs& inputs_;
  uint64_t position_ = kBefore;
  const char* at_;  // behind the current record
  absl::string_view bytes_;
  DecimalText text_;
};

}  // namespace center::compute
