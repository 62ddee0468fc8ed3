// Time, injected. Wall time (for people and records) and steady time (for timeouts) are different
// calls and different types, so that neither can be used for the other.
#pragma once

#include <chrono>
#include <cstdint>

#include "absl/time/time.h"

namespace center {

using SteadyTime = std::chrono::steady_clock::time_point;
using SteadyDuration = std::chrono::steady_clock::duration;

class Clock {
 public:
  virtual ~Clock() = default;
  // Wall time in nanoseconds since the Unix epoch; may jump.
  virtual int64_t WallNanos() const = 0;
  // Never goes back; comparable within one process only.
  virtual SteadyTime Steady() const = 0;

  absl::Time Wall() const { return absl::FromUnixNanos(WallNanos()); }
};

// The machine's clock. Thread-safe; lives for the whole process.
Clock& RealClock();

}  // namespace center
