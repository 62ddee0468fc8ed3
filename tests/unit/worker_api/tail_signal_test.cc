#include "services/worker/api/tail_signal.h"

#include <atomic>
#include <chrono>
#include <thread>

#include "gtest/gtest.h"

namespace center::worker {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr int kLongMs = 60'000;
constexpr int kShortMs = 30;

bool SleepsToTheEnd(TailSignal& signal) {
  const auto start = SteadyClock::now();
  signal.Sleep(kShortMs);
  return SteadyClock::now() - start >= std::chrono::milliseconds(kShortMs);
}

bool WakesEarly(TailSignal& signal) {
  const auto start = SteadyClock::now();
  signal.Sleep(kLongMs);
  return SteadyClock::now() - start < std::chrono::milliseconds(kLongMs / 2);
}

TEST(TailSignalTest, NothingPublishedIsSleptThrough) {
  const auto signal = *TailSignal::Create();
  EXPECT_TRUE(SleepsToTheEnd(*signal));
}

TEST(TailSignalTest, AWakeBeforeTheSleepEndsItOnce) {
  const auto signal = *TailSignal::Create();
  signal->Wake();
  signal->Wake();
  EXPECT_TRUE(WakesEarly(*signal));
  EXPECT_TRUE(SleepsToTheEnd(*signal)) << "two wakes were one";
  signal->Wake();
  EXPECT_TRUE(WakesEarly(*signal)) << "and it can be woken again";
}

TEST(TailSignalTest, PublishingWakesOnlyWhenSomebodyWaits) {
  const auto signal = *TailSignal::Create();
  signal->Published();
  EXPECT_TRUE(SleepsToTheEnd(*signal));
  signal->AddWaiter();
  signal->Published();
  EXPECT_TRUE(WakesEarly(*signal));
  signal->RemoveWaiter();
  signal->Published();
  EXPECT_TRUE(SleepsToTheEnd(*signal));
}

TEST(TailSignalTest, NothingPublishedIsEverMissed) {
  constexpr uint64_t kEnd = 30'000;
  const auto signal = *TailSignal::Create();
  std::atomic<uint64_t> published{0};
  std::atomic<bool> missed{false};
  std::thread reader([&] {
    uint64_t seen = 0;
    while (seen < kEnd && !missed) {
      signal->AddWaiter();
      // A lost wake-up is a sleep to the end.
      if (published == seen && !WakesEarly(*signal)) missed = true;
      signal->RemoveWaiter();
      seen = published;
    }
  });
  for (uint64_t i = 1; i <= kEnd; ++i) {
    published = i;
    signal->Published();
    if (i % 16 == 0) std::this_thread::yield();
  }
  reader.join();
  EXPECT_FALSE(missed);
}

}  // namespace
}  // namespace center::worker
