// Ctrl-C as a callback.
#pragma once

#include <functional>
#include <thread>

#include "services/common/fd.h"

namespace center::cli {

// While it lives, SIGINT and SIGTERM do not end the process but call `on_signal` with how many came
// so far (1, 2, …), on a thread of its own. Create it before the first gRPC channel, so that gRPC's
// threads inherit the blocked signals. One at a time.
class SignalWatcher {
 public:
  explicit SignalWatcher(std::function<void(int count)> on_signal);
  SignalWatcher(const SignalWatcher&) = delete;
  SignalWatcher& operator=(const SignalWatcher&) = delete;
  ~SignalWatcher();

 private:
  void Run();

  const std::function<void(int)> on_signal_;
  ScopedFd signals_;
  ScopedFd stop_;
  std::thread thread_;
};

}  // namespace center::cli
