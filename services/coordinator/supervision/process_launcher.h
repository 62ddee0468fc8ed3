// Starting programs and learning how they end.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/fd.h"

namespace asio {
class io_context;
}

namespace center::supervision {

struct LaunchSpec {
  std::string program;             // path; also argv[0]
  std::vector<std::string> args;   // argv[1…]
  std::vector<std::string> env;    // KEY=VALUE, on top of our own environment
  std::vector<int> inherited_fds;  // become 3, 4, … in this order; they stay ours
  std::string log_name;            // what its output is logged under: "default/0"
  // It also gets the read ends of its own stdout and stderr, after the inherited descriptors: held
  // open by itself, its output neither breaks nor is lost to a later coordinator when we are gone.
  bool keeps_output = false;
};

// A process that somebody else has launched.
struct AdoptSpec {
  int64_t pid = 0;
  ScopedFd pidfd;  // which is known to mean the right process
  std::string log_name;
};

struct ProcessExit {
  int64_t pid = 0;
  // False: it is gone, and the kernel tells only its parent how; exit_code and signal mean nothing.
  bool known = true;
  int exit_code = 0;  // meaningful when signal is 0
  int signal = 0;     // that killed it; 0: it exited
  bool core_dumped = false;
  std::string stderr_tail;  // the end of its stderr (kStderrTailBytesMax), as valid UTF-8
  absl::Time time;          // of its death
};

// Implemented by PosixLauncher, and by a fake in tests.
class ProcessLauncher {
 public:
  using ExitCallback = std::function<void(ProcessExit)>;

  virtual ~ProcessLauncher() = default;
  // Returns the new process' id. `on_exit` is called once, on the control thread, and never from
  // within Launch. An error says why no process was started; then on_exit is never called.
  virtual absl::StatusOr<int64_t> Launch(const LaunchSpec& spec, ExitCallback on_exit) = 0;
  // Looks after a process that lives already, as if it had been launched here, but for its output,
  // which comes with AttachOutput. An error: on_exit is never called.
  virtual absl::Status Adopt(AdoptSpec spec, ExitCallback on_exit) = 0;
  // Reads the output of an adopted process from these pipes. NotFound; AlreadyExists when it does.
  virtual absl::Status AttachOutput(int64_t pid, ScopedFd stdout_fd, ScopedFd stderr_fd) = 0;
  // NotFound when no such process of ours is alive: a pid that the kernel has given to somebody
  // else is never hit. SIGKILL goes to its whole process group.
  virtual absl::Status Signal(int64_t pid, int signal) = 0;
};

// posix_spawn and pidfds: no fork (gRPC does not survive it), no SIGCHLD handler, no waiting
// threads, no zombies.
//
// A child gets: /dev/null as stdin; stdout and stderr as pipes that are logged line by line (see
// output_capture.h); exactly the inherited descriptors, nothing else; its own process group, so
// that a Ctrl-C at our terminal is not its; default signal actions and an empty signal mask. Of our
// environment it does not get what was meant for us alone (LISTEN_*, NOTIFY_SOCKET, WATCHDOG_*).
// When it dies, what is left of its process group is killed before its pid is given back.
//
// A process that was adopted is watched and signalled through its pidfd, which never means another
// one. Where it is no child of ours, nobody tells how it ended (ProcessExit::known).
//
// The exit is reported when both pipes are at their end, or 200 ms after the death if a descendant
// that left the group still holds them.
//
// All calls and callbacks on the thread that runs `context`, which must outlive the launcher. When
// the launcher is destroyed, living children live on and nothing is reported any more.
class PosixLauncher final : public ProcessLauncher {
 public:
  explicit PosixLauncher(asio::io_context& context);
  ~PosixLauncher() override;
  PosixLauncher(const PosixLauncher&) = delete;
  PosixLauncher& operator=(const PosixLauncher&) = delete;

  absl::StatusOr<int64_t> Launch(const LaunchSpec& spec, ExitCallback on_exit) override;
  absl::Status Adopt(AdoptSpec spec, ExitCallback on_exit) override;
  absl::Status AttachOutput(int64_t pid, ScopedFd stdout_fd, ScopedFd stderr_fd) override;
  absl::Status Signal(int64_t pid, int signal) override;
  // Whether it looks after this process: it will reap it, if it is our child.
  bool LooksAfter(int64_t pid) const;

 private:
  class Child;
  struct Shared;
  std::shared_ptr<Shared> shared_;
};

}  // namespace center::supervision
