// posix_spawn for what this process starts: nothing inherited but three descriptors, signals as
// they are by default, a process group of its own.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/common/fd.h"

namespace center::compute {

struct Pipe {
  ScopedFd read_end;
  ScopedFd write_end;
};
absl::StatusOr<Pipe> MakePipe();

struct SpawnOptions {
  const std::vector<std::string>& argv;  // the program is looked for on PATH
  const std::vector<std::string>& env;   // beside this process's own
  int stdin_fd;
  int stdout_fd;
  int stderr_fd;
  bool new_session = false;  // beyond the reach of whoever ends this process's group
};
// The child's process id, which is its group's as well. Errors name the program.
absl::StatusOr<pid_t> Spawn(const SpawnOptions& options);

}  // namespace center::compute
