// Who has sent a signal, as the kernel tells it to the handler.
#pragma once

#include <csignal>
#include <cstdint>
#include <string>

namespace center {

struct SignalSender {
  static constexpr size_t kCommandBytes = 16;  // TASK_COMM_LEN

  // 0: nobody that can be seen from here: the kernel, or a process outside of this container.
  int32_t pid = 0;
  uint32_t uid = 0;
  // Its name in /proc/<pid>/comm, ended by a zero; empty when it is gone already.
  char command[kCommandBytes] = {};
};

// Async-signal-safe. A signal that no process has sent (a fault, a Ctrl-C) has a sender with pid 0.
SignalSender SenderOf(const siginfo_t& info);

// "process 4711 (bash), uid 0"; "" for pid 0.
std::string DescribeSender(const SignalSender& sender);

}  // namespace center
