// The unfinished frame of a connection, and the account of how much memory such frames take.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

namespace center::ingest {

// Bytes in use against a limit. Written by the ingest thread, read by any.
class BufferBudget {
 public:
  explicit BufferBudget(uint64_t limit_bytes) : limit_bytes_(limit_bytes) {}

  void Add(uint64_t bytes) { Set(used_bytes() + bytes); }
  void Subtract(uint64_t bytes) { Set(used_bytes() - bytes); }
  uint64_t used_bytes() const { return used_bytes_.load(std::memory_order_relaxed); }
  bool exceeded() const { return used_bytes() > limit_bytes_; }

 private:
  void Set(uint64_t bytes) { used_bytes_.store(bytes, std::memory_order_relaxed); }

  const uint64_t limit_bytes_;
  std::atomic<uint64_t> used_bytes_{0};
};

// A byte buffer that is charged to a budget for as long as it holds memory; move-only. An empty one
// holds none.
class Carry {
 public:
  explicit Carry(BufferBudget* budget) : budget_(budget) {}
  Carry(Carry&& other) noexcept
      : budget_(other.budget_),
        data_(std::move(other.data_)),
        size_(std::exchange(other.size_, 0)),
        capacity_(std::exchange(other.capacity_, 0)) {}
  // REQUIRES: the same budget.
  Carry& operator=(Carry&& other) noexcept {
    if (this == &other) return *this;
    Clear();
    data_ = std::move(other.data_);
    size_ = std::exchange(other.size_, 0);
    capacity_ = std::exchange(other.capacity_, 0);
    return *this;
  }
  ~Carry() { Clear(); }

  char* data() { return data_.get(); }
  size_t size() const { return size_; }
  size_t capacity() const { return capacity_; }

  // Replaces the content by bytes that are not in this buffer. Nothing: gives the memory back.
  void Assign(const char* bytes, size_t size);
  // Appends, growing by doubling.
  void Append(const char* bytes, size_t size);
  // Makes room for `capacity` bytes in all and keeps the content.
  void Reserve(size_t capacity);
  // Says how much of the reserved memory has been filled from outside. REQUIRES: <= capacity().
  void SetSize(size_t size) { size_ = static_cast<uint32_t>(size); }
  void Clear();

 private:
  BufferBudget* const budget_;
  std::unique_ptr<char[]> data_;
  uint32_t size_ = 0;
  uint32_t capacity_ = 0;
};

}  // namespace center::ingest
