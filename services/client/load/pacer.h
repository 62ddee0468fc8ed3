// When payloads are due: pure arithmetic on times, so that no error adds up over days.
#pragma once

#include <cstdint>

#include "services/common/clock.h"

namespace center::client {

// Payloads a second. The k-th (from 0) is due at start + k / rate, computed from the start each
// time. Who falls behind (a blocked socket, a server that was away) catches up at most kCatchUpMax;
// what was due before that is not sent at all.
class Pacer {
 public:
  static constexpr SteadyDuration kCatchUpMax = std::chrono::seconds(1);
  static constexpr double kRateMax = 1e9;

  // REQUIRES: 0 < per_second <= kRateMax.
  Pacer(double per_second, SteadyTime start) : per_second_(per_second), start_(start) {}

  // How many are due at `now` that Take has not taken.
  uint64_t Due(SteadyTime now);
  // REQUIRES: count <= the last answer of Due.
  void Take(uint64_t count) { taken_ += count; }
  // When the next one that is not taken is due.
  SteadyTime NextTime() const { return TimeOf(taken_); }

 private:
  SteadyTime TimeOf(uint64_t index) const;

  double per_second_;
  SteadyTime start_;    // moves forward when payloads are given up
  uint64_t taken_ = 0;  // since start_
};

}  // namespace center::client
