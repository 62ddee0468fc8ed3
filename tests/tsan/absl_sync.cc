// absl::Mutex and absl::Notification: who takes a mutex has seen what was done by those who
// released it (readers count as writers do), and who was notified what was done before.
#include <sanitizer/tsan_interface.h>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "tests/tsan/next.h"

namespace {

// A condition is evaluated inside the library, by its waiter or by whoever releases the mutex; both
// hold it, and neither has said so to ThreadSanitizer by then. Who releases it may never have seen
// what the waiter did before it waited, this object's making included: hence the address of its
// own, and the constructor for void*, all of which is in the library and not instrumented.
class HeldCondition {
 public:
  HeldCondition(absl::Mutex* mutex, const absl::Condition& condition)
      : mutex_(mutex),
        condition_(condition),
        held_(&HeldCondition::Eval, static_cast<void*>(this)) {
    __tsan_release(this);
  }
  const absl::Condition& held() const { return held_; }

 private:
  static bool Eval(void* condition) {
    __tsan_acquire(condition);
    auto* const self = static_cast<HeldCondition*>(condition);
    __tsan_acquire(self->mutex_);
    const bool result = self->condition_.Eval();
    __tsan_release(self->mutex_);
    return result;
  }
  absl::Mutex* const mutex_;
  const absl::Condition& condition_;
  const absl::Condition held_;
};

}  // namespace

namespace absl {
ABSL_NAMESPACE_BEGIN

void Mutex::Lock() {
  static auto* const next = center::tsan::Next<void(Mutex*)>();
  next(this);
  __tsan_acquire(this);
}

void Mutex::Unlock() {
  static auto* const next = center::tsan::Next<void(Mutex*)>();
  __tsan_release(this);
  next(this);
}

bool Mutex::TryLock() {
  static auto* const next = center::tsan::Next<bool(Mutex*)>();
  const bool locked = next(this);
  if (locked) __tsan_acquire(this);
  return locked;
}

void Mutex::ReaderLock() {
  static auto* const next = center::tsan::Next<void(Mutex*)>();
  next(this);
  __tsan_acquire(this);
}

void Mutex::ReaderUnlock() {
  static auto* const next = center::tsan::Next<void(Mutex*)>();
  __tsan_release(this);
  next(this);
}

bool Mutex::ReaderTryLock() {
  static auto* const next = center::tsan::Next<bool(Mutex*)>();
  const bool locked = next(this);
  if (locked) __tsan_acquire(this);
  return locked;
}

void Mutex::Await(const Condition& condition) {
  static auto* const next = center::tsan::Next<void(Mutex*, const Condition&)>();
  __tsan_release(this);
  next(this, HeldCondition(this, condition).held());
  __tsan_acquire(this);
}

bool Mutex::AwaitWithTimeout(const Condition& condition, Duration timeout) {
  static auto* const next = center::tsan::Next<bool(Mutex*, const Condition&, Duration)>();
  __tsan_release(this);
  const bool result = next(this, HeldCondition(this, condition).held(), timeout);
  __tsan_acquire(this);
  return result;
}

bool Mutex::AwaitWithDeadline(const Condition& condition, Time deadline) {
  static auto* const next = center::tsan::Next<bool(Mutex*, const Condition&, Time)>();
  __tsan_release(this);
  const bool result = next(this, HeldCondition(this, condition).held(), deadline);
  __tsan_acquire(this);
  return result;
}

void Mutex::LockWhen(const Condition& condition) {
  static auto* const next = center::tsan::Next<void(Mutex*, const Condition&)>();
  next(this, HeldCondition(this, condition).held());
  __tsan_acquire(this);
}

bool Mutex::LockWhenWithTimeout(const Condition& condition, Duration timeout) {
  static auto* const next = center::tsan::Next<bool(Mutex*, const Condition&, Duration)>();
  const bool result = next(this, HeldCondition(this, condition).held(), timeout);
  __tsan_acquire(this);
  return result;
}

bool Mutex::LockWhenWithDeadline(const Condition& condition, Time deadline) {
  static auto* const next = center::tsan::Next<bool(Mutex*, const Condition&, Time)>();
  const bool result = next(this, HeldCondition(this, condition).held(), deadline);
  __tsan_acquire(this);
  return result;
}

void Mutex::ReaderLockWhen(const Condition& condition) {
  static auto* const next = center::tsan::Next<void(Mutex*, const Condition&)>();
  next(this, HeldCondition(this, condition).held());
  __tsan_acquire(this);
}

bool Mutex::ReaderLockWhenWithTimeout(const Condition& condition, Duration timeout) {
  static auto* const next = center::tsan::Next<bool(Mutex*, const Condition&, Duration)>();
  const bool result = next(this, HeldCondition(this, condition).held(), timeout);
  __tsan_acquire(this);
  return result;
}

bool Mutex::ReaderLockWhenWithDeadline(const Condition& condition, Time deadline) {
  static auto* const next = center::tsan::Next<bool(Mutex*, const Condition&, Time)>();
  const bool result = next(this, HeldCondition(this, condition).held(), deadline);
  __tsan_acquire(this);
  return result;
}

void CondVar::Wait(Mutex* mutex) {
  static auto* const next = center::tsan::Next<void(CondVar*, Mutex*)>();
  __tsan_release(mutex);
  next(this, mutex);
  __tsan_acquire(mutex);
}

bool CondVar::WaitWithTimeout(Mutex* mutex, Duration timeout) {
  static auto* const next = center::tsan::Next<bool(CondVar*, Mutex*, Duration)>();
  __tsan_release(mutex);
  const bool result = next(this, mutex, timeout);
  __tsan_acquire(mutex);
  return result;
}

bool CondVar::WaitWithDeadline(Mutex* mutex, Time deadline) {
  static auto* const next = center::tsan::Next<bool(CondVar*, Mutex*, Time)>();
  __tsan_release(mutex);
  const bool result = next(this, mutex, deadline);
  __tsan_acquire(mutex);
  return result;
}

// Waiting looks at this atomic before it takes the mutex, and HasBeenNotified() at nothing else.
void Notification::Notify() {
  static auto* const next = center::tsan::Next<void(Notification*)>();
  __tsan_release(&notified_yet_);
  next(this);
}

void Notification::WaitForNotification() const {
  static auto* const next = center::tsan::Next<void(const Notification*)>();
  next(this);
  __tsan_acquire(const_cast<std::atomic<bool>*>(&notified_yet_));
}

bool Notification::WaitForNotificationWithTimeout(Duration timeout) const {
  static auto* const next = center::tsan::Next<bool(const Notification*, Duration)>();
  const bool result = next(this, timeout);
  if (result) __tsan_acquire(const_cast<std::atomic<bool>*>(&notified_yet_));
  return result;
}

bool Notification::WaitForNotificationWithDeadline(Time deadline) const {
  static auto* const next = center::tsan::Next<bool(const Notification*, Time)>();
  const bool result = next(this, deadline);
  if (result) __tsan_acquire(const_cast<std::atomic<bool>*>(&notified_yet_));
  return result;
}

ABSL_NAMESPACE_END
}  // namespace absl
