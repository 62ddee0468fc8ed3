// The three ways that need no other process.
#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/notification.h"
#include "cli/coroutines.h"
#include "cli/experiment.h"
#include "services/common/countdown.h"

namespace center::cli {
namespace {

// At a time: each takes memory while it waits.
constexpr uint64_t kCoroutinesMax = 1'000'000;

bool Stopped(const Countdowns& work) {
  return work.stopped != nullptr && work.stopped->load(std::memory_order_relaxed);
}

// Waits for its turn as a coroutine waits for a socket, then counts.
Coroutine CountInTurn(Turns& turns, const Countdowns& work, int64_t& sum) {
  co_await turns.Next();
  if (!Stopped(work)) sum += Countdown(work.from);
}

}  // namespace

int64_t CountSequentially(const Countdowns& work) {
  int64_t sum = 0;
  for (uint64_t i = 0; i < work.tasks && !Stopped(work); ++i) sum += Countdown(work.from);
  return sum;
}

int64_t CountAsync(const Countdowns& work) {
  Turns turns;
  int64_t sum = 0;
  for (uint64_t i = 0; i < work.tasks; ++i) {
    CountInTurn(turns, work, sum);
    if ((i + 1) % kCoroutinesMax == 0) turns.Run();
  }
  turns.Run();
  return sum;
}

int64_t CountInThreads(const Countdowns& work, uint32_t threads, double* seconds) {
  std::atomic<uint64_t> next{0};
  std::atomic<int64_t> sum{0};
  absl::BlockingCounter started(static_cast<int>(threads));
  absl::Notification go;
  std::vector<std::thread> pool;
  pool.reserve(threads);
  for (uint32_t i = 0; i < threads; ++i) {
    pool.emplace_back([&] {
      started.DecrementCount();
      go.WaitForNotification();
      int64_t mine = 0;
      while (next.fetch_add(1, std::memory_order_relaxed) < work.tasks && !Stopped(work)) {
        mine += Countdown(work.from);
      }
      sum.fetch_add(mine, std::memory_order_relaxed);
    });
  }
  started.Wait();
  const auto start = std::chrono::steady_clock::now();
  go.Notify();
  for (std::thread& thread : pool) thread.join();
  *seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return sum;
}

}  // namespace center::cli
