// Starting and ending a daemon: what `coordinator start` and `stop` do to a process.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/fd.h"

namespace center::cli {

struct DaemonSpec {
  std::string program;            // absolute path
  std::vector<std::string> args;  // without the program's name
  std::string log_path;           // stdout and stderr are appended here
  std::string folder = {};        // where it runs; empty: where we do
  // A session of its own, for what goes on after us. Otherwise only a process group, so that Ctrl-C
  // does not reach it: the kernel may share processors out by session, and what is measured beside
  // us must be in ours.
  bool own_session = true;
};

// A process that was started or found; a pidfd, so that a reused pid is never mistaken for it.
class DaemonProcess {
 public:
  // Starts it, stdin from /dev/null, with no descriptor of ours.
  static absl::StatusOr<DaemonProcess> Start(const DaemonSpec& spec);
  // Takes hold of a running process. NotFound when there is none.
  static absl::StatusOr<DaemonProcess> Find(int64_t pid);

  int64_t pid() const { return pid_; }
  absl::Status Terminate();
  absl::Status Signal(int signal);
  // True when it has ended within `timeout`.
  bool WaitForEnd(absl::Duration timeout);

 private:
  DaemonProcess(int64_t pid, ScopedFd pidfd) : pid_(pid), pidfd_(std::move(pidfd)) {}

  int64_t pid_;
  ScopedFd pidfd_;
};

// The last lines of a file, at most `max_bytes`; empty when it cannot be read.
std::string FileTail(const std::string& path, int64_t from, size_t max_bytes);

}  // namespace center::cli
