// A set of whole numbers, kept as merged intervals: what of a job is finished.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>

namespace center::jobs {

// Memory is that of the gaps, not of the numbers: a job that finishes from front to back has one
// interval.
class IntervalSet {
 public:
  // Adds [first, first + count). Returns how many of them were new.
  uint64_t Add(uint64_t first, uint64_t count);

  bool Contains(uint64_t value) const { return NextGap(value) != value; }
  // The least number from `value` on that is not in the set.
  uint64_t NextGap(uint64_t value) const;
  // The least number from `value` on that is in the set; UINT64_MAX: none.
  uint64_t NextMember(uint64_t value) const;
  uint64_t size() const { return size_; }
  size_t intervals() const { return ends_.size(); }

 private:
  std::map<uint64_t, uint64_t> ends_;  // first -> after the last
  uint64_t size_ = 0;
};

}  // namespace center::jobs
