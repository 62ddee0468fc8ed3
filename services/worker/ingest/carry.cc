#include "services/worker/ingest/carry.h"

#include <algorithm>
#include <cstring>

namespace center::ingest {
namespace {

// Unfinished lines differ a little from read to read: rounding lets most of them reuse the buffer.
constexpr size_t kGranuleBytes = 256;

size_t RoundUp(size_t bytes) { return (bytes + kGranuleBytes - 1) / kGranuleBytes * kGranuleBytes; }

}  // namespace

void Carry::Assign(const char* bytes, size_t size) {
  const size_t wanted = RoundUp(size);
  // A much larger buffer than needed is not kept: many connections may each hold one.
  if (size == 0 || wanted > capacity_ || wanted * 4 < capacity_) Clear();
  if (size == 0) return;
  if (capacity_ == 0) Reserve(wanted);
  std::memcpy(data_.get(), bytes, size);
  SetSize(size);
}

void Carry::Append(const char* bytes, size_t size) {
  if (size_ + size > capacity_) Reserve(RoundUp(std::max<size_t>(size_ + size, 2 * capacity_)));
  std::memcpy(data_.get() + size_, bytes, size);
  SetSize(size_ + size);
}

void Carry::Reserve(size_t capacity) {
  if (capacity <= capacity_) return;
  auto grown = std::make_unique_for_overwrite<char[]>(capacity);
  if (size_ > 0) std::memcpy(grown.get(), data_.get(), size_);
  data_ = std::move(grown);
  budget_->Add(capacity - capacity_);
  capacity_ = static_cast<uint32_t>(capacity);
}

void Carry::Clear() {
  budget_->Subtract(capacity_);
  data_.reset();
  size_ = 0;
  capacity_ = 0;
}

}  // namespace center::ingest
