// centerctl started by centerctl: the shell runs every command as a process of its own, so that
// Ctrl-C ends the command and not the shell, and nothing that one command does is felt by the next.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/common/fd.h"

namespace center::cli {

// Starts /proc/self/exe with these arguments, our stdin, stdout and stderr, default signal actions,
// and `env` (KEY=VALUE) on top of our environment. With `out_fd`, its stdout and stderr go there
// its stdin is /dev/null, and it is in a process group of its own: a Ctrl-C at the terminal is not
// its.
struct ChildOptions {
  std::vector<std::string> args;
  std::vector<std::string> env;
  int out_fd = -1;
};
absl::StatusOr<pid_t> StartSelf(const ChildOptions& options);

// Waits for the process; its exit code, or 128 + the signal that ended it.
absl::StatusOr<int> WaitForExit(pid_t pid);

}  // namespace center::cli
