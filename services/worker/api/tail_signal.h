// How the journal's writer tells that there is more, at almost no cost: an atomic when nobody
// waits, and one write to an eventfd for all who wait.
#pragma once

#include <atomic>
#include <memory>

#include "absl/status/statusor.h"
#include "services/common/fd.h"

namespace center::worker {

// Any thread may call anything, but Sleep belongs to one thread.
class TailSignal {
 public:
  static absl::StatusOr<std::unique_ptr<TailSignal>> Create();

  // After something became visible.
  void Published() {
    if (waiting_.fetch_add(0, std::memory_order_seq_cst) > 0) Wake();
  }
  // A waiter counts itself first and looks at what is visible then. Of "I wait" and "there is
  // more", the later one sees the earlier, because both are read-modify-write operations of one
  // atomic.
  void AddWaiter() { waiting_.fetch_add(1, std::memory_order_seq_cst); }
  void RemoveWaiter() { waiting_.fetch_sub(1, std::memory_order_seq_cst); }

  // Ends the present Sleep, or the next.
  void Wake();
  void Sleep(int timeout_ms);

 private:
  explicit TailSignal(ScopedFd fd) : fd_(std::move(fd)) {}

  const ScopedFd fd_;
  std::atomic<size_t> waiting_{0};
  std::atomic<bool> signalled_{false};  // fd_ was written to, and not read since
};

}  // namespace center::worker
