#include "services/coordinator/jobs/interval_set.h"

#include <algorithm>
#include <iterator>

namespace center::jobs {

uint64_t IntervalSet::Add(uint64_t first, uint64_t count) {
  if (count == 0) return 0;
  uint64_t begin = first;
  uint64_t end = first + count;
  uint64_t present = 0;
  auto at = ends_.upper_bound(begin);
  if (at != ends_.begin() && std::prev(at)->second >= begin) --at;
  while (at != ends_.end() && at->first <= end) {
    const uint64_t from = std::max(at->first, first);
    const uint64_t to = std::min(at->second, first + count);
    if (to > from) present += to - from;
    begin = std::min(begin, at->first);
    end = std::max(end, at->second);
    at = ends_.erase(at);
  }
  ends_[begin] = end;
  size_ += count - present;
  return count - present;
}

uint64_t IntervalSet::NextGap(uint64_t value) const {
  const auto after = ends_.upper_bound(value);
  if (after == ends_.begin()) return value;
  return std::max(value, std::prev(after)->second);
}

uint64_t IntervalSet::NextMember(uint64_t value) const {
  if (Contains(value)) return value;
  const auto after = ends_.upper_bound(value);
  return after == ends_.end() ? UINT64_MAX : after->first;
}

}  // namespace center::jobs
