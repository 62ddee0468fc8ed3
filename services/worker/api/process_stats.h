// What this process uses of the machine.
#pragma once

#include <cstdint>

#include "absl/time/time.h"

namespace center::worker {

struct ProcessStats {
  uint64_t resident_bytes = 0;
  absl::Duration cpu_time;  // user and system
};

// Zeros for what the kernel does not tell.
ProcessStats ReadProcessStats();

}  // namespace center::worker
