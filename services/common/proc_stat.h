// What /proc/<pid>/stat says of a process.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"

namespace center {

struct ProcStat {
  char state = '?';          // 'Z': dead, not reaped yet
  int64_t parent = 0;        // process id
  uint64_t start_ticks = 0;  // when it was started, after the boot: differs where a pid is reused
};

// NotFound when there is no such process.
absl::StatusOr<ProcStat> ReadProcStat(int64_t pid);

}  // namespace center
