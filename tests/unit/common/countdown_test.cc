#include "services/common/countdown.h"

#include <chrono>
#include <limits>

#include "gtest/gtest.h"

namespace center {
namespace {

TEST(CountdownTest, EndsAtMinusN) {
  EXPECT_EQ(Countdown(1), -1);
  EXPECT_EQ(Countdown(10'000), -10'000);
}

TEST(CountdownTest, HasNothingToCountFromZeroOrLess) {
  EXPECT_EQ(Countdown(0), 0);
  EXPECT_EQ(Countdown(-3), -3);
  EXPECT_EQ(Countdown(std::numeric_limits<int64_t>::min()), std::numeric_limits<int64_t>::min());
}

TEST(CountdownTest, SlicesArriveWhereTheWholeDoes) {
  int64_t i = 1'000;
  while (i > -1'000) i = CountDown(i, i - 300 > -1'000 ? i - 300 : -1'000);
  EXPECT_EQ(i, Countdown(1'000));
}

// A countdown that the compiler had removed, or turned into a subtraction, would take no time: at
// 20 steps a nanosecond, 10 million take half a millisecond. No machine does that one at a time.
TEST(CountdownTest, TakesEveryStep) {
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(Countdown(5'000'000), -5'000'000);
  EXPECT_GT(std::chrono::steady_clock::now() - start, std::chrono::microseconds(500));
}

}  // namespace
}  // namespace center
