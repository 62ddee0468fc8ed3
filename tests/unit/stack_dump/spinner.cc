// A process with threads at places that a test knows: one spins, two wait for each other, the main
// one sleeps. Its functions have external names, so that they are not inlined away.
#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <thread>

std::atomic<int> ready{0};
std::atomic<bool> stop{false};
std::mutex first;
std::mutex second;

void Name(const char* name) { pthread_setname_np(pthread_self(), name); }

__attribute__((noinline)) void SpinForEver() {
  Name("spinner");
  ++ready;
  while (!stop.load(std::memory_order_relaxed)) {
  }
}

__attribute__((noinline)) void LockBoth(std::mutex& mine, std::mutex& others) {
  mine.lock();
  ++ready;
  while (ready.load() < 3) {
  }
  others.lock();  // never
}

__attribute__((noinline)) int WaitForSignals() {
  std::puts("ready");
  std::fflush(stdout);
  const int woken = ::pause();
  return woken + ready.load();
}

int main() {
  std::thread spinner(SpinForEver);
  std::thread one([] {
    Name("philosopher-1");
    LockBoth(first, second);
  });
  std::thread two([] {
    Name("philosopher-2");
    LockBoth(second, first);
  });
  while (ready.load() < 3) {
  }
  ::_exit(WaitForSignals());
}
