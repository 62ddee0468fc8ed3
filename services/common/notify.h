// systemd's notify protocol (sd_notify(3)), without its library: one datagram of text to the unix
// socket that $NOTIFY_SOCKET names. Anything else that starts us and sets the variable is served
// just so.
#pragma once

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"

namespace center {

class Notifier {
 public:
  // Tells nobody anything.
  Notifier() = default;
  // `address` is a path, or '@' and a name in the abstract namespace.
  explicit Notifier(std::string address) : address_(std::move(address)) {}
  // As $NOTIFY_SOCKET says.
  static Notifier FromEnvironment();

  bool active() const { return !address_.empty(); }

  // The service is up; `status` is for people. Names this process, in case another one was started.
  absl::Status Ready(absl::string_view status) const;
  absl::Status Status(absl::string_view status) const;
  // Settings are being read again; Ready follows. Carries the time of CLOCK_MONOTONIC, which tells
  // this reload from an earlier one.
  absl::Status Reloading() const;
  absl::Status Stopping(absl::string_view status) const;
  absl::Status Watchdog() const;

 private:
  absl::Status Send(const std::string& text) const;

  std::string address_;
};

// How often Watchdog wants to be called: half of $WATCHDOG_USEC, or nothing when it is not set,
// makes no sense, or is meant for another process ($WATCHDOG_PID).
absl::optional<absl::Duration> WatchdogInterval();

}  // namespace center
