// Following a stream across a restart of the coordinator.
#pragma once

#include "absl/status/status.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "cli/context.h"

namespace center::cli {

// Decides after each broken stream whether to call again, waits in between, and tells the person
// once that the line is down and once that it is up again. Used by one thread; Stop from any.
class Reconnector {
 public:
  explicit Reconnector(Context& context) : context_(context) {}

  // After a stream ended with `status`: true when it should be called again, having waited. The
  // first call of all must succeed: a coordinator that never answered is an error, not a pause.
  bool ShouldRetry(const absl::Status& status);
  // After anything was received.
  void OnProgress();
  void Stop() {
    if (!stopped_.HasBeenNotified()) stopped_.Notify();
  }
  // Waits; false when Stop was called.
  bool Pause(absl::Duration time) { return !stopped_.WaitForNotificationWithTimeout(time); }
  bool stopped() const { return stopped_.HasBeenNotified(); }

 private:
  Context& context_;
  absl::Notification stopped_;
  bool ever_up_ = false;
  bool down_ = false;
  absl::Duration pause_;
};

}  // namespace center::cli
