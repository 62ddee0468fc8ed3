#include "services/common/rpc/library_settings.h"

#include <sys/resource.h>

#include <cstdlib>
#include <cstring>

#include "absl/synchronization/mutex.h"
#include "gtest/gtest.h"

namespace center::rpc {
namespace {

int64_t PageFaults() {
  rusage usage{};
  EXPECT_EQ(::getrusage(RUSAGE_THREAD, &usage), 0);
  return usage.ru_minflt;
}

// Takes memory as a stream's buffers do, frees it, and returns how many pages the kernel had to
// find for it.
int64_t FaultsOfTakingAgain(size_t bytes, int times) {
  const int64_t before = PageFaults();
  for (int i = 0; i < times; ++i) {
    void* block = std::malloc(bytes);
    EXPECT_NE(block, nullptr);
    std::memset(block, i, bytes);
    // The compiler may not see that nobody reads it.
    asm volatile("" : : "r"(block) : "memory");
    std::free(block);
  }
  return PageFaults() - before;
}

TEST(LibrarySettingsTest, WhatIsFreedAndTakenAgainIsNotFetchedFromTheKernelEachTime) {
  ApplyLibrarySettings();
  const size_t bytes = kMappedFromBytes / 2;
  FaultsOfTakingAgain(bytes, 1);
  // Once would be 256 faults.
  EXPECT_LT(FaultsOfTakingAgain(bytes, 100), 256);
}

TEST(LibrarySettingsTest, AHugeBlockIsGivenBackAtOnce) {
  ApplyLibrarySettings();
  const size_t bytes = 2 * kMappedFromBytes;
  EXPECT_GE(FaultsOfTakingAgain(bytes, 10), static_cast<int64_t>(10 * bytes / 4096 / 512));
}

TEST(LibrarySettingsTest, MutexesKeepNoGraph) {
  ApplyLibrarySettings();
  absl::Mutex first;
  absl::Mutex second;
  {
    absl::MutexLock one(&first);
    absl::MutexLock two(&second);
  }
  // With the graph this ends the process, wherever Abseil was built without NDEBUG.
  absl::MutexLock two(&second);
  absl::MutexLock one(&first);
}

}  // namespace
}  // namespace center::rpc
