// One thread for calls that may wait for a disk, so that gRPC's few callback threads never do.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace center::relay {

// Runs what is posted in order, one call at a time. Destroying it runs what was accepted.
class BlockingCalls {
 public:
  // More calls than this cannot wait at once.
  static constexpr size_t kWaitingMax = 1000;

  BlockingCalls();
  ~BlockingCalls();
  BlockingCalls(const BlockingCalls&) = delete;
  BlockingCalls& operator=(const BlockingCalls&) = delete;

  // False when too many wait: the call was not accepted and will not run.
  [[nodiscard]] bool Post(std::function<void()> call);

 private:
  void Run();

  absl::Mutex mutex_;
  std::deque<std::function<void()>> waiting_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;  // last: it uses the members above
};

}  // namespace center::relay
