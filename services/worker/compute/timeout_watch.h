// Finds out that an input takes too long, from outside: it looks at the current input again and
// again, and so costs the thread that runs it nothing. A time-out is never early, and late by at
// most the time between two looks.
#pragma once

#include <algorithm>
#include <cstdint>

#include "absl/time/time.h"
#include "services/common/clock.h"

namespace center::compute {

class TimeoutWatch {
 public:
  // Looks: `run` has been at `input` at `now`. True, once per input: for longer than `timeout`.
  bool Look(uint64_t run, uint64_t input, SteadyTime now, absl::Duration timeout) {
    if (run != run_ || input != input_) {
      run_ = run;
      input_ = input;
      since_ = now;
      told_ = false;
    }
    if (told_ || absl::FromChrono(now - since_) < timeout) return false;
    told_ = true;
    return true;
  }

  // How long to wait before looking again.
  static absl::Duration Pause(absl::Duration timeout) {
    return std::clamp(timeout / 16, absl::Milliseconds(1), absl::Milliseconds(100));
  }

 private:
  uint64_t run_ = 0;  // none
  uint64_t input_ = 0;
  SteadyTime since_;
  bool told_ = false;
};

}  // namespace center::compute
