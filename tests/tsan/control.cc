// The control of the ThreadSanitizer build: of two counters the one that no mutex guards must be
// reported, and the other one must not.
#include <stdio.h>

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

}  // namespace

int main() {
  const auto counters = std::make_unique<Counters>();
  std::thread other(CountBoth, counters.get());
  CountBoth(counters.get());
  other.join();
  printf("%d %d\n", counters->guarded, counters->unguarded);
  return 0;
}
