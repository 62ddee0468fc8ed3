// oneTBB's parallel_for_each over the experiment's tasks: the least that sharing them out can cost.
//
//   tbb_countdown TASKS FROM THREADS ROUNDS    prints the seconds of each round, the pool already
//   started
#include <tbb/global_control.h>
#include <tbb/parallel_for_each.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "services/common/countdown.h"

int main(int argc, char** argv) {
  if (argc != 5) {
    std::fprintf(stderr, "usage: tbb_countdown TASKS FROM THREADS ROUNDS\n");
    return 2;
  }
  const auto tasks = static_cast<size_t>(std::atoll(argv[1]));
  const int64_t from = std::atoll(argv[2]);
  const auto threads = static_cast<size_t>(std::atoll(argv[3]));
  const int rounds = std::atoi(argv[4]);
  const tbb::global_control limit(tbb::global_control::max_allowed_parallelism, threads);
  const std::vector<int64_t> work(tasks, from);
  for (int round = -1; round < rounds; ++round) {  // the first starts the threads
    std::atomic<int64_t> sum{0};
    const auto start = std::chrono::steady_clock::now();
    tbb::parallel_for_each(work.begin(), work.end(), [&](int64_t n) {
      sum.fetch_add(center::Countdown(n), std::memory_order_relaxed);
    });
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
    if (sum != -static_cast<int64_t>(tasks) * from) {
      std::fprintf(stderr, "wrong result: %lld\n", static_cast<long long>(sum.load()));
      return 1;
    }
    if (round >= 0) std::printf("%.6f\n", elapsed.count());
  }
  return 0;
}
