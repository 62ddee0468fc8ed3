// What was posted to the control thread, run by the test's thread when it asks for it.
#pragma once

#include <deque>
#include <functional>
#include <utility>

#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace center::coordinator {

// How long a test waits for what must happen.
inline constexpr absl::Duration kPatience = absl::Seconds(30);

// Thread-safe.
class PostedTasks {
 public:
  std::function<void(std::function<void()>)> poster() {
    return [this](std::function<void()> task) {
      absl::MutexLock lock(&mutex_);
      tasks_.push_back(std::move(task));
    };
  }
  // Waits for a task and runs it; false when none came.
  bool RunOne() {
    std::function<void()> task;
    {
      absl::MutexLock lock(&mutex_);
      const auto posted = [this]()
                              ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return !tasks_.empty(); };
      if (!mutex_.AwaitWithTimeout(absl::Condition(&posted), kPatience)) return false;
      task = std::move(tasks_.front());
      tasks_.pop_front();
    }
    task();
    return true;
  }
  size_t size() const {
    absl::MutexLock lock(&mutex_);
    return tasks_.size();
  }

 private:
  mutable absl::Mutex mutex_;
  std::deque<std::function<void()>> tasks_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace center::coordinator
