#include "services/common/clock.h"

#include "gtest/gtest.h"

namespace center {
namespace {

TEST(ClockTest, SteadyTimeNeverGoesBackAndWallTimeIsToday) {
  Clock& clock = RealClock();
  SteadyTime last = clock.Steady();
  for (int i = 0; i < 1000; ++i) {
    const SteadyTime now = clock.Steady();
    ASSERT_GE(now, last);
    last = now;
  }
  EXPECT_GT(clock.Wall(), absl::FromUnixSeconds(1'600'000'000));
  EXPECT_EQ(&clock, &RealClock());
}

}  // namespace
}  // namespace center
