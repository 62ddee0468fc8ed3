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

// Each that asks for a signal gets it. Destroyed: a signal that no other asks for has its default
// action again. Made and destroyed by one thread at a time, and destroyed when none of its signals
// can arrive any more, or the process ends.
class SignalPipe {
 public:
  static constexpr int kPipesMax = 16;  // in a process

  struct Arrival {
    int signal = 0;
    SignalSender sender;
  };

  // Handles these signals from now on. InvalidArgument for one that cannot be handled,
  // ResourceExhausted when there are kPipesMax.
  static absl::StatusOr<std::unique_ptr<SignalPipe>> Open(const std::vector<int>& signals);
  ~SignalPipe();
  SignalPipe(const SignalPipe&) = delete;
  SignalPipe& operator=(const SignalPipe&) = delete;

  // To wait for: readable when a signal has arrived.
  int fd() const { return read_end_.get(); }
  // The next one that has arrived, if any; never blocks.
  absl::optional<Arrival> Read();

 private:
  SignalPipe(int place, ScopedFd read_end, ScopedFd write_end);

  const int place_;  // in the handler's table
  const ScopedFd read_end_;
  const ScopedFd write_end_;
};

}  // namespace center
