// Linked into every program of a ThreadSanitizer build.
//
// The distribution's Abseil and gRPC are not instrumented, so ThreadSanitizer sees no
// synchronisation in absl::Mutex and would report every object that one guards. The definitions
// here take the place of Abseil's (in gRPC's calls, too, which is most of what orders its
// callbacks), call them, and tell ThreadSanitizer what they promise: who takes a mutex has seen
// what was done by those who released it. Readers count as writers do.
#include <dlfcn.h>
#include <sanitizer/tsan_interface.h>
#include <stdio.h>
#include <stdlib.h>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"

namespace {

// The library's definition of the function that calls this one. Aborts unless that function is
// visible to the libraries, for then they do not call it.
template <typename Function>
__attribute__((noinline)) Function* Next() {
  Dl_info caller;
  if (dladdr(__builtin_return_address(0), &caller) == 0 || caller.dli_sname == nullptr) {
    fprintf(stderr, "tsan_sync: an interposed function is not exported\n");
    abort();
  }
  void* const next = dlsym(RTLD_NEXT, caller.dli_sname);
  if (next == nullptr) {
    fprintf(stderr, "tsan_sync: %s\n", dlerror());
    abort();
  }
  return reinterpret_cast<Function*>(next);
}

// A condition is evaluated inside the library, by its waiter or by whoever releases the mutex; both
// hold it, and neither has said so to ThreadSanitizer by then.
class HeldCondition {
 public:
  HeldCondition(absl::Mutex* mutex, const absl::Condition& condition)
      : mutex_(mutex), condition_(condition), held_(&HeldCondition::Eval, this) {}
  const absl::Condition& held() const { return held_; }

 private:
  static bool Eval(HeldCondition* self) {
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
  static auto* const next = Next<void(Mutex*)>();
  next(this);
  __tsan_acquire(this);
}

void Mutex::Unlock() {
  static auto* const next = Next<void(Mutex*)>();
  __tsan_release(this);
  next(this);
}

bool Mutex::TryLock() {
  static auto* const next = Next<bool(Mutex*)>();
  const bool locked = next(this);
  if (locked) __tsan_acquire(this);
  return locked;
}

void Mutex::ReaderLock() {
  static auto* const next = Next<void(Mutex*)>();
  next(this);
  __tsan_acquire(this);
}

void Mutex::ReaderUnlock() {
  static auto* const next = Next<void(Mutex*)>();
  __tsan_release(this);
  next(this);
}

bool Mutex::ReaderTryLock() {
  static auto* const next = Next<bool(Mutex*)>();
  const bool locked = next(this);
  if (locked) __tsan_acquire(this);
  return locked;
}

void Mutex::Await(const Condition& condition) {
  static auto* const next = Next<void(Mutex*, const Condition&)>();
  __tsan_release(this);
  next(this, HeldCondition(this, condition).held());
  __tsan_acquire(this);
}

bool Mutex::AwaitWithTimeout(const Condition& condition, Duration timeout) {
  static auto* const next = Next<bool(Mutex*, const Condition&, Duration)>();
  __tsan_release(this);
  const bool result = next(this, HeldCondition(this, condition).held(), timeout);
  __tsan_acquire(this);
  return result;
}

bool Mutex::AwaitWithDeadline(const Condition& condition, Time deadline) {
  static auto* const next = Next<bool(Mutex*, const Condition&, Time)>();
  __tsan_release(this);
  const bool result = next(this, HeldCondition(this, condition).held(), deadline);
  __tsan_acquire(this);
  return result;
}

void Mutex::LockWhen(const Condition& condition) {
  static auto* const next = Next<void(Mutex*, const Condition&)>();
  next(this, HeldCondition(this, condition).held());
  __tsan_acquire(this);
}

bool Mutex::LockWhenWithTimeout(const Condition& condition, Duration timeout) {
  static auto* const next = Next<bool(Mutex*, const Condition&, Duration)>();
  const bool result = next(this, HeldCondition(this, condition).held(), timeout);
  __tsan_acquire(this);
  return result;
}

bool Mutex::LockWhenWithDeadline(const Condition& condition, Time deadline) {
  static auto* const next = Next<bool(Mutex*, const Condition&, Time)>();
  const bool result = next(this, HeldCondition(this, condition).held(), deadline);
  __tsan_acquire(this);
  return result;
}

void Mutex::ReaderLockWhen(const Condition& condition) {
  static auto* const next = Next<void(Mutex*, const Condition&)>();
  next(this, HeldCondition(this, condition).held());
  __tsan_acquire(this);
}

bool Mutex::ReaderLockWhenWithTimeout(const Condition& condition, Duration timeout) {
  static auto* const next = Next<bool(Mutex*, const Condition&, Duration)>();
  const bool result = next(this, HeldCondition(this, condition).held(), timeout);
  __tsan_acquire(this);
  return result;
}

bool Mutex::ReaderLockWhenWithDeadline(const Condition& condition, Time deadline) {
  static auto* const next = Next<bool(Mutex*, const Condition&, Time)>();
  const bool result = next(this, HeldCondition(this, condition).held(), deadline);
  __tsan_acquire(this);
  return result;
}

void CondVar::Wait(Mutex* mutex) {
  static auto* const next = Next<void(CondVar*, Mutex*)>();
  __tsan_release(mutex);
  next(this, mutex);
  __tsan_acquire(mutex);
}

bool CondVar::WaitWithTimeout(Mutex* mutex, Duration timeout) {
  static auto* const next = Next<bool(CondVar*, Mutex*, Duration)>();
  __tsan_release(mutex);
  const bool result = next(this, mutex, timeout);
  __tsan_acquire(mutex);
  return result;
}

bool CondVar::WaitWithDeadline(Mutex* mutex, Time deadline) {
  static auto* const next = Next<bool(CondVar*, Mutex*, Time)>();
  __tsan_release(mutex);
  const bool result = next(this, mutex, deadline);
  __tsan_acquire(mutex);
  return result;
}

// Waiting looks at this atomic before it takes the mutex, and HasBeenNotified() at nothing else.
void Notification::Notify() {
  static auto* const next = Next<void(Notification*)>();
  __tsan_release(&notified_yet_);
  next(this);
}

void Notification::WaitForNotification() const {
  static auto* const next = Next<void(const Notification*)>();
  next(this);
  __tsan_acquire(const_cast<std::atomic<bool>*>(&notified_yet_));
}

bool Notification::WaitForNotificationWithTimeout(Duration timeout) const {
  static auto* const next = Next<bool(const Notification*, Duration)>();
  const bool result = next(this, timeout);
  if (result) __tsan_acquire(const_cast<std::atomic<bool>*>(&notified_yet_));
  return result;
}

bool Notification::WaitForNotificationWithDeadline(Time deadline) const {
  static auto* const next = Next<bool(const Notification*, Time)>();
  const bool result = next(this, deadline);
  if (result) __tsan_acquire(const_cast<std::atomic<bool>*>(&notified_yet_));
  return result;
}

ABSL_NAMESPACE_END
}  // namespace absl
