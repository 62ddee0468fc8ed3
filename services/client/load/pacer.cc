#include "services/client/load/pacer.h"

#include <chrono>
#include <cmath>

namespace center::client {

SteadyTime Pacer::TimeOf(uint64_t index) const {
  const std::chrono::duration<double, std::nano> offset(static_cast<double>(index) / per_second_ *
                                                        1e9);
  return start_ + std::chrono::duration_cast<SteadyDuration>(offset);
}

uint64_t Pacer::Due(SteadyTime now) {
  if (now < start_) return 0;
  if (now - NextTime() > kCatchUpMax) {
    // The schedule starts again where it may still be caught up with.
    start_ = now - kCatchUpMax;
    taken_ = 0;
  }
  const double elapsed = std::chrono::duration<double>(now - start_).count();
  // One more than the product says: two roundings may differ, and NextTime, for which is waited,
  // decides.
  auto due = static_cast<uint64_t>(std::floor(elapsed * per_second_)) + 2;
  while (due > taken_ && TimeOf(due - 1) > now) --due;
  return due > taken_ ? due - taken_ : 0;
}

}  // namespace center::client
