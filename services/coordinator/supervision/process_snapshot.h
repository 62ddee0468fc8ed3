// Where the threads of another process are: their registers and the near end of their stacks,
// copied while the process stands still, which takes about a millisecond. What they mean is found
// out afterwards (unwinder.h), when it goes on.
//
// A process that was stopped (SIGSTOP) stays so; a healthy one goes on as if nothing had been: no
// signal is sent to it, and the kernel lets it go when we die meanwhile.
#pragma once

#include <sys/user.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/common/clock.h"

namespace center::supervision {

#if defined(__x86_64__)
using Registers = user_regs_struct;
#elif defined(__aarch64__)
using Registers = user_regs_struct;
#else
#error "the registers of this machine are not known here"
#endif

struct ThreadSnapshot {
  int64_t tid = 0;
  std::string name;
  bool stopped = false;  // false: it did not stop in time, and nothing else is known
  Registers registers{};
  uint64_t stack_begin = 0;  // address of the first byte of `stack`
  std::string stack;         // from a little below the stack pointer on
};

struct ProcessSnapshot {
  std::vector<ThreadSnapshot> threads;  // the main one first
  bool was_stopped = false;             // by SIGSTOP or the like, before we came
  SteadyDuration stopped_for{};
};

// Errors: NotFound (no such process, or a zombie), PermissionDenied (the system forbids it; the
// message says what does).
absl::StatusOr<ProcessSnapshot> TakeSnapshot(int64_t pid);

}  // namespace center::supervision
