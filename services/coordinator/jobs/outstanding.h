// How much time is left in the chunks that are out.
#pragma once

#include <algorithm>
#include <cstdint>

#include "absl/types/optional.h"
#include "services/common/clock.h"

namespace center::jobs {

// Kept as sums: a job on a thousand workers has thousands of them out, and is asked with each new
// one.
class Outstanding {
 public:
  // One that is foreseen to take so long was sent, ...
  void Add(SteadyDuration foreseen) { foreseen_ += foreseen; }
  // ... its turn came, ...
  void Start(SteadyTime now) {
    if (running_ == 0) origin_ = now;
    ++running_;
    started_ns_ += static_cast<double>((now - origin_).count());
  }
  // ... and it came back, or was lost.
  void Remove(SteadyDuration foreseen, absl::optional<SteadyTime> started) {
    foreseen_ -= foreseen;
    if (!started.has_value()) return;
    --running_;
    started_ns_ =
        running_ == 0 ? 0 : started_ns_ - static_cast<double>((*started - origin_).count());
  }

  double LeftNs(SteadyTime now) const {
    const double passed = running_ == 0 ? 0
                                        : static_cast<double>(running_) *
                                                  static_cast<double>((now - origin_).count()) -
                                              started_ns_;
    return std::max(0.0, static_cast<double>(foreseen_.count()) - passed);
  }

 private:
  SteadyDuration foreseen_{};
  int64_t running_ = 0;
  SteadyTime origin_;
  double started_ns_ = 0;  // of those that run, after origin_
};

}  // namespace center::jobs
