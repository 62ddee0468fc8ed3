// Descriptors that the parent handed down, by systemd's convention: LISTEN_FDS of them from 3 on,
// named by LISTEN_FDNAMES ("listen:scoreboard:stdout:stderr"). See sd_listen_fds(3).
#pragma once

#include "absl/status/statusor.h"
#include "services/common/fd.h"

namespace center::worker {

struct InheritedFds {
  ScopedFd listener;    // a listening stream socket
  ScopedFd scoreboard;  // a Scoreboard's memory
  // The read ends of the pipes that are our own stdout and stderr: kept for a later coordinator.
  ScopedFd stdout_pipe;
  ScopedFd stderr_pipe;
};

// Takes them and removes the variables from the environment; they are CLOEXEC afterwards. Nothing
// when there are no variables, or LISTEN_PID names another process. A listening socket needs no
// special name, so that a systemd socket unit works as it is. InvalidArgument when the variables
// make no sense or two sockets listen; FailedPrecondition when a descriptor is not what its name
// says. REQUIRES: called once, before other threads exist.
absl::StatusOr<InheritedFds> TakeInheritedFds();

}  // namespace center::worker
