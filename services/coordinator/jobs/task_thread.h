// A thread that runs what it is given, in order.
#pragma once

#include <functional>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace center::jobs {

// Thread-safe. Destroying it runs what was given before.
class TaskThread {
 public:
  // `after_batch` is called on the thread when all that was waiting has been run.
  explicit TaskThread(std::function<void()> after_batch = nullptr);
  ~TaskThread();
  TaskThread(const TaskThread&) = delete;
  TaskThread& operator=(const TaskThread&) = delete;

  void Post(std::function<void()> task);

 private:
  void Run();

  const std::function<void()> after_batch_;
  absl::Mutex mutex_;
  std::vector<std::function<void()>> tasks_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;  // last: it uses the members above
};

}  // namespace center::jobs
