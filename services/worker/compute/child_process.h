// Runs a program and waits for it: its input, its output, and the end of its whole process group.
//
// The child is a group of its own, so that what it starts ends with it: when it exits, is told to
// stop, or this process dies (see exec_guard.h). It inherits nothing but its three standard
// descriptors. Works while other threads do the same; never forks.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "services/common/fd.h"

namespace center::compute {

class ChildProcess {
 public:
  // What is kept of its stderr: the end.
  static constexpr size_t kStderrBytesMax = 2048;

  struct Options {
    std::vector<std::string> argv;  // the program is looked for on PATH
    std::vector<std::string> env;   // "NAME=VALUE", beside this process's own
    absl::string_view input;        // its stdin
    bool has_input = false;         // false: stdin is /dev/null
    // False: no more is wanted, and the child is ended.
    std::function<bool(absl::string_view)> on_output;
    std::function<bool()> stopping;  // asked every few milliseconds
  };
  struct End {
    int status = 0;        // as waitpid gives it
    bool stopped = false;  // it was ended because of `stopping` or `on_output`
    std::string stderr_tail;
  };

  // REQUIRES: SIGPIPE is ignored. An error when it cannot be started.
  static absl::StatusOr<End> Run(const Options& options);

 private:
  explicit ChildProcess(const Options& options) : options_(options) {}

  absl::Status Start();
  void PumpUntilExit();
  void Write();
  // Reads what there is; false at the end.
  bool ReadOutput();
  bool ReadStderr();
  void Signal(int signal) const;
  // TERM at first, KILL when that has not helped for a while.
  void Stop();
  End Reap();

  const Options& options_;
  pid_t pid_ = 0;
  ScopedFd pidfd_;
  ScopedFd stdin_;
  ScopedFd stdout_;
  ScopedFd stderr_;
  size_t written_ = 0;
  End end_;
  bool killed_ = false;
  int64_t stopped_ms_ = 0;  // when Stop was called first
};

// "exited with status 3", "killed by SIGSEGV".
std::string DescribeWaitStatus(int status);

}  // namespace center::compute
