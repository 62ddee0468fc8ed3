#include "services/coordinator/jobs/input_queue.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"

namespace center::jobs {

InputQueue InputQueue::Range(int64_t first, uint64_t count) {
  InputQueue queue;
  queue.is_range_ = true;
  queue.range_first_ = first;
  queue.arrived_ = count;
  queue.complete_ = true;
  return queue;
}

void InputQueue::Append(std::shared_ptr<const RecordBlock> block) {
  const uint64_t count = block->count();
  if (count == 0) return;
  buffered_bytes_ += block->memory_bytes();
  buffered_count_ += count;
  blocks_.emplace(arrived_, Held{std::move(block), count});
  arrived_ += count;
}

std::map<uint64_t, InputQueue::Held>::const_iterator InputQueue::Find(uint64_t index) const {
  auto after = blocks_.upper_bound(index);
  if (after == blocks_.begin()) return blocks_.end();
  --after;
  return index < after->first + after->second.block->count() ? after : blocks_.end();
}

ChunkInputs InputQueue::Take(uint64_t first, uint64_t bytes_max, uint64_t* count) const {
  ChunkInputs inputs;
  if (is_range_) {
    inputs.is_range = true;
    inputs.range_first = range_first_ + static_cast<int64_t>(first);
    return inputs;
  }
  uint64_t taken = 0;
  uint64_t bytes = 0;
  for (auto at = Find(first); at != blocks_.end() && taken < *count; ++at) {
    if (at->first > first + taken) break;
    const std::shared_ptr<const RecordBlock>& block = at->second.block;
    InputSlice slice{.block = block, .first = first + taken - at->first};
    const uint64_t wanted = std::min(block->count() - slice.first, *count - taken);
    if (bytes + block->Bytes(slice.first, wanted).size() <= bytes_max) {
      slice.count = wanted;
    } else {
      // The largest number of records that fits, found by halving.
      uint64_t fits = 0;
      for (uint64_t least = 0, most = wanted; least <= most;) {
        const uint64_t middle = least + (most - least) / 2;
        if (bytes + block->Bytes(slice.first, middle).size() <= bytes_max) {
          fits = middle;
          least = middle + 1;
        } else {
          most = middle - 1;  // never below 0: no record at all always fits
        }
      }
      slice.count = std::max<uint64_t>(fits, taken == 0 ? 1 : 0);
    }
    if (slice.count == 0) break;
    bytes += block->Bytes(slice.first, slice.count).size();
    taken += slice.count;
    const bool cut = slice.count < wanted;
    inputs.slices.push_back(std::move(slice));
    if (cut) break;
  }
  *count = taken;
  return inputs;
}

void InputQueue::Finish(uint64_t first, uint64_t count) {
  if (is_range_) return;
  for (uint64_t at = first; at < first + count;) {
    const auto found = Find(at);
    if (found == blocks_.end()) return;
    const uint64_t end = std::min(found->first + found->second.block->count(), first + count);
    const auto held = blocks_.find(found->first);
    held->second.unfinished -= std::min(held->second.unfinished, end - at);
    buffered_count_ -= std::min(buffered_count_, end - at);
    if (held->second.unfinished == 0) {
      buffered_bytes_ -= held->second.block->memory_bytes();
      blocks_.erase(held);
    }
    at = end;
  }
}

std::string InputQueue::Preview(uint64_t index, size_t bytes_max) const {
  if (is_range_) return absl::StrCat(range_first_ + static_cast<int64_t>(index));
  const auto found = Find(index);
  if (found == blocks_.end()) return "";
  return std::string(found->second.block->Get(index - found->first).substr(0, bytes_max));
}

}  // namespace center::jobs
