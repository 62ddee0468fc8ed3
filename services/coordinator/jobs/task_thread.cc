#include "services/coordinator/jobs/task_thread.h"

#include <utility>

namespace center::jobs {

TaskThread::TaskThread(std::function<void()> after_batch)
    : after_batch_(std::move(after_batch)), thread_([this] { Run(); }) {}

TaskThread::~TaskThread() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  thread_.join();
}

void TaskThread::Post(std::function<void()> task) {
  absl::MutexLock lock(&mutex_);
  tasks_.push_back(std::move(task));
}

void TaskThread::Run() {
  for (;;) {
    std::vector<std::function<void()>> batch;
    {
      absl::MutexLock lock(&mutex_);
      const auto has_work = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
        return stopping_ || !tasks_.empty();
      };
      mutex_.Await(absl::Condition(&has_work));
      if (tasks_.empty()) return;
      batch.swap(tasks_);
    }
    for (const std::function<void()>& task : batch) task();
    if (after_batch_ != nullptr) after_batch_();
  }
}

}  // namespace center::jobs
