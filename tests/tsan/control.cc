// The control of the ThreadSanitizer build: of two counters the one that no mutex guards must be
// reported, and the other one must not; nor must a wait for a condition that is first looked at by
// the thread that releases the mutex.
#include <stdio.h>

#include <atomic>
#include <memory>
#include <thread>

#include "absl/synchronization/mutex.h"

namespace {

struct Counters {
  absl::Mutex mutex;
  alignas(64) int guarded = 0;
  alignas(64) int unguarded = 0;
};

[[gnu::noinline]] void CountUnguarded(Counters* counters) { ++counters->unguarded; }

[[gnu::noinline]] void CountGuarded(Counters* counters) {
  absl::MutexLock lock(&counters->mutex);
  ++counters->guarded;
}

void CountBoth(Counters* counters) {
  CountUnguarded(counters);
  CountGuarded(counters);
}

[[gnu::noinline]] void WaitUntilReady(absl::Mutex* mutex, bool* ready, std::atomic<bool>* waits) {
  waits->store(true, std::memory_order_relaxed);
  mutex->LockWhen(absl::Condition(ready));
  mutex->Unlock();
}

// Relaxed, and yields: nothing but the mutex may order the two threads. Most of the waits are in
// the mutex's queue by the time it is released; one is enough.
void WaitForWhatAnotherHolds() {
  for (int i = 0; i < 100; ++i) {
    absl::Mutex mutex;
    bool ready = false;
    std::atomic<bool> waits = false;
    mutex.Lock();
    std::thread waiter(WaitUntilReady, &mutex, &ready, &waits);
    while (!waits.load(std::memory_order_relaxed)) std::this_thread::yield();
    for (int turn = 0; turn < 100; ++turn) std::this_thread::yield();
    ready = true;
    mutex.Unlock();
    waiter.join();
  }
}

}  // namespace

int main() {
  const auto counters = std::make_unique<Counters>();
  std::thread other(CountBoth, counters.get());
  CountBoth(counters.get());
  other.join();
  WaitForWhatAnotherHolds();
  printf("%d %d\n", counters->guarded, counters->unguarded);
  return 0;
}
