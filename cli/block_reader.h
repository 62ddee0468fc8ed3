// Hands out a file or stream in blocks of whole lines, to several threads.
#pragma once

#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"

namespace center::cli {

// Thread-safe. Reads what is there without waiting for a full block, so that a slow producer's
// lines go on at once.
class BlockReader {
 public:
  static constexpr size_t kBlockBytes = 256 << 10;
  static constexpr size_t kLineBytesMax = 64 << 20;

  // `lines`: blocks end after a line feed, and one is added to an unfinished last line.
  BlockReader(int fd, bool lines) : fd_(fd), lines_(lines) {}

  // Puts the next block into *block; empty: the end. Returns how many lines it holds (0 without
  // `lines`). ResourceExhausted for a line longer than kLineBytesMax.
  absl::StatusOr<uint64_t> Next(std::string* block) ABSL_LOCKS_EXCLUDED(mutex_);
  // The blocks to come are empty.
  void Stop() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  const int fd_;
  const bool lines_;
  absl::Mutex mutex_;
  std::string rest_ ABSL_GUARDED_BY(mutex_);  // an unfinished line
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace center::cli
