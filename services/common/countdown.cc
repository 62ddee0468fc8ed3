#include "services/common/countdown.h"

namespace center {

int64_t CountDown(int64_t from, int64_t to) {
  int64_t i = from;
  while (i > to) {
    --i;
    // The compiler must believe that each value is looked at; it costs no instruction.
    asm volatile("" : "+r"(i));
  }
  return i;
}

int64_t Countdown(int64_t n) { return n > 0 ? CountDown(n, -n) : n; }

}  // namespace center
