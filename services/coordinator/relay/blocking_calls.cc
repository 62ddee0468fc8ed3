#include "services/coordinator/relay/blocking_calls.h"

#include <utility>

namespace center::relay {

BlockingCalls::BlockingCalls() : thread_([this] { Run(); }) {}

BlockingCalls::~BlockingCalls() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  thread_.join();
}

bool BlockingCalls::Post(std::function<void()> call) {
  absl::MutexLock lock(&mutex_);
  if (waiting_.size() >= kWaitingMax) return false;
  waiting_.push_back(std::move(call));
  return true;
}

void BlockingCalls::Run() {
  for (;;) {
    std::function<void()> call;
    {
      absl::MutexLock lock(&mutex_);
      const auto has_work = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
        return stopping_ || !waiting_.empty();
      };
      mutex_.Await(absl::Condition(&has_work));
      if (waiting_.empty()) return;
      call = std::move(waiting_.front());
      waiting_.pop_front();
    }
    call();
  }
}

}  // namespace center::relay
