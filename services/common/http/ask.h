// Asking the thread that owns something, from a thread that may wait.
#pragma once

#include <functional>
#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"

namespace center::http {

// What `question` answers when it is run by `post`; nullopt when it was not run within `timeout`.
// It may still be run later: then nobody looks at its answer, so it must not use what may be gone.
template <typename T>
absl::optional<T> Ask(const std::function<void(std::function<void()>)>& post,
                      std::function<T()> question, absl::Duration timeout) {
  struct Slot {
    absl::Mutex mutex;
    absl::optional<T> answer ABSL_GUARDED_BY(mutex);
  };
  auto slot = std::make_shared<Slot>();
  post([slot, question = std::move(question)] {
    T answer = question();
    absl::MutexLock lock(&slot->mutex);
    slot->answer = std::move(answer);
  });
  absl::MutexLock lock(&slot->mutex);
  const auto answered = [&slot]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(slot->mutex) {
    return slot->answer.has_value();
  };
  slot->mutex.AwaitWithTimeout(absl::Condition(&answered), timeout);
  return std::move(slot->answer);
}

}  // namespace center::http
