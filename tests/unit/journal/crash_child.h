// What the process that is killed and the test that kills it agree on.
#pragma once

#include <string>

#include "services/worker/journal/journal.h"

namespace center::journal {

// The child's subscription needs the last so many of the offsets that it has acknowledged.
inline constexpr uint64_t kCrashChildKeeps = 500;

inline Options CrashChildOptions(const std::string& directory, Durability durability) {
  Options options;
  options.dir = directory;
  options.segment_bytes = 64 << 10;
  options.retain_bytes = 256 << 10;
  options.durability = durability;
  options.min_free_bytes = 0;
  // With kWritten, background syncs are to meet kills, too.
  options.sync_interval = absl::Milliseconds(5);
  return options;
}

}  // namespace center::journal
