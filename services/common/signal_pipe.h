// Signals as something to read, with who has sent them: the handler writes to a pipe, and the event
// loop waits for its read end. Unlike a blocked mask and a signalfd, nothing of it passes on to
// programs that this process starts.
#pragma once

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/optional.h"
#include "services/common/fd.h"
#include "services/common/signal_sender.h"

namespace center {

// One at a time in a process. Destroyed: the signals have their default action again.
class SignalPipe {
 public:
  struct Arrival {
    int signal = 0;
    SignalSender sender;
  };

  // Handles these signals from now on. InvalidArgument for one that cannot be handled,
  // FailedPrecondition when there is a SignalPipe already.
  static absl::StatusOr<std::unique_ptr<SignalPipe>> Open(const std::vector<int>& signals);
  ~SignalPipe();
  SignalPipe(const SignalPipe&) = delete;
  SignalPipe& operator=(const SignalPipe&) = delete;

  // To wait for: readable when a signal has arrived.
  int fd() const { return read_end_.get(); }
  // The next one that has arrived, if any; never blocks.
  absl::optional<Arrival> Read();

 private:
  SignalPipe(ScopedFd read_end, ScopedFd write_end);

  const ScopedFd read_end_;
  const ScopedFd write_end_;
  std::vector<int> signals_;
};

}  // namespace center
