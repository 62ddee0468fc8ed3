#include "services/client/load/pacer.h"

#include <chrono>

#include "gtest/gtest.h"

namespace center::client {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr SteadyTime kStart{hours(1)};

TEST(PacerTest, TheFirstIsDueAtOnceAndTheOthersOneAfterTheOther) {
  Pacer pacer(2, kStart);
  EXPECT_EQ(pacer.Due(kStart - milliseconds(1)), 0u);
  EXPECT_EQ(pacer.Due(kStart), 1u);
  pacer.Take(1);
  EXPECT_EQ(pacer.Due(kStart), 0u);
  EXPECT_EQ(pacer.NextTime(), kStart + milliseconds(500));
  EXPECT_EQ(pacer.Due(kStart + milliseconds(499)), 0u);
  EXPECT_EQ(pacer.Due(kStart + milliseconds(500)), 1u);
}

TEST(PacerTest, DoesNotDriftOverDays) {
  Pacer pacer(3, kStart);
  SteadyTime now = kStart;
  uint64_t sent = 0;
  // Woken a little late each time, as timers are.
  while (now < kStart + hours(48)) {
    const uint64_t due = pacer.Due(now);
    pacer.Take(due);
    sent += due;
    now = pacer.NextTime() + microseconds(300);
  }
  EXPECT_EQ(sent, 3u * 48 * 3600);
}

TEST(PacerTest, WhatIsWaitedForIsDue) {
  // Rates whose intervals are no whole nanoseconds: a wait that ends too early would spin.
  for (const double rate : {0.1, 3.0, 7.0, 999.7, 123456.7, 1e6 / 3}) {
    Pacer pacer(rate, kStart);
    for (int i = 0; i < 1000; ++i) {
      const SteadyTime next = pacer.NextTime();
      ASSERT_GE(pacer.Due(next), 1u) << rate << " " << i;
      pacer.Take(1);
    }
  }
}

TEST(PacerTest, CatchesUpWithASecondAtMost) {
  Pacer pacer(1000, kStart);
  EXPECT_EQ(pacer.Due(kStart + milliseconds(900)), 901u);
  EXPECT_EQ(pacer.Due(kStart + hours(1)), 1001u);
  pacer.Take(1001);
  EXPECT_EQ(pacer.Due(kStart + hours(1)), 0u);
  EXPECT_EQ(pacer.Due(kStart + hours(1) + milliseconds(10)), 10u);
}

}  // namespace
}  // namespace center::client
