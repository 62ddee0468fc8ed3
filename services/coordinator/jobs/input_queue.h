// The inputs of one job: whole numbers, which are never expanded, or records as they arrive.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "services/coordinator/jobs/record_block.h"

namespace center::jobs {

// What a chunk gives to its task.
struct ChunkInputs {
  bool is_range = false;
  int64_t range_first = 0;         // of a range
  std::vector<InputSlice> slices;  // of records
};

// Records are kept until they are finished, so that a chunk can be tried again; a block goes when
// its last record is done, wherever it stands.
class InputQueue {
 public:
  // Of records, of which none has arrived.
  InputQueue() = default;
  static InputQueue Range(int64_t first, uint64_t count);

  // Records that follow those that arrived before.
  void Append(std::shared_ptr<const RecordBlock> block);
  // Counts `count` records as arrived that need not be given to anybody: they are finished.
  void Skip(uint64_t count) { arrived_ += count; }
  void Complete() { complete_ = true; }

  uint64_t arrived() const { return arrived_; }
  bool complete() const { return complete_; }
  // Of records that are not finished.
  uint64_t buffered_bytes() const { return buffered_bytes_; }
  uint64_t buffered_count() const { return buffered_count_; }

  // At most `count` inputs from `first` on, fewer when they would have more than `bytes_max`, but
  // at least one; sets `count` to their number.
  // REQUIRES: they have arrived and none of them is finished.
  ChunkInputs Take(uint64_t first, uint64_t bytes_max, uint64_t* count) const;
  // These are finished. REQUIRES: once for each.
  void Finish(uint64_t first, uint64_t count);
  // The beginning of an input as text or bytes, at most `bytes_max`; empty when it is not there.
  std::string Preview(uint64_t index, size_t bytes_max) const;

 private:
  struct Held {
    std::shared_ptr<const RecordBlock> block;
    uint64_t unfinished;
  };
  std::map<uint64_t, Held>::const_iterator Find(uint64_t index) const;

  bool is_range_ = false;
  int64_t range_first_ = 0;
  uint64_t arrived_ = 0;
  bool complete_ = false;
  std::map<uint64_t, Held> blocks_;  // by the index of the first record
  uint64_t buffered_bytes_ = 0;
  uint64_t buffered_count_ = 0;
};

}  // namespace center::jobs
