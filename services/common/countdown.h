// The work of the ancestor's experiment: counting down. One function for the task of the workers
// and for what `centerctl experiment` compares it with.
#pragma once

#include <cstdint>

namespace center {

// Steps of one of the experiment's tasks are 2 × this: about 5 µs.
inline constexpr int64_t kExperimentCountdown = 10'000;

// Counts from `from` down to `to`, one at a time, and returns where it arrived: `to`, or `from`
// when that is not above it. No compiler removes a step. A long countdown may be done in slices.
int64_t CountDown(int64_t from, int64_t to);

// Counts from n down to -n and returns -n; n itself when it is not positive.
int64_t Countdown(int64_t n);

}  // namespace center
