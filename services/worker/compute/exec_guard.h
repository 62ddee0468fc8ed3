// Ends the programs that `exec` has started when this process dies, however it dies: also by
// SIGKILL, which leaves it no time for a word.
//
// A guard is this very program once more, started before the first program that it watches. It
// reads the numbers of process groups from a pipe; when the pipe ends, which the kernel sees to
// when this process is gone, it kills what is left of them, and every process whose environment has
// the marker that all these programs are given: one that was started in the moment before the
// death, or that has left its group. It lives in a session of its own, so that whoever kills the
// worker's group does not kill it.
//
// What it cannot do: end a program that has left its group and cleared its environment; or anything
// when somebody kills the guard first.
#pragma once

#include <sys/types.h>

#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "services/common/fd.h"

namespace center::compute {

// Thread-safe.
class ExecGuard {
 public:
  // The first argument with which the program is a guard.
  static constexpr char kArgument[] = "--exec-guard";

  // The process has one. Without a program (tests) it watches nothing.
  static ExecGuard& Instance();
  // The program to start as a guard: with kArgument and a marker it calls Main.
  void SetProgram(absl::string_view program);

  // What the environment of each program must have, "NAME=VALUE"; starts the guard if need be.
  // Empty when there is none.
  std::string Marker();
  void Watch(pid_t group) { Tell(group); }
  // REQUIRES: the group's leader has not been reaped yet.
  void Forget(pid_t group) { Tell(-group); }

  // The guard itself: reads stdin. The exit code.
  static int Main(absl::string_view marker);

 private:
  ExecGuard() = default;

  void Tell(pid_t number);
  void Start() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  absl::Mutex mutex_;
  std::string program_ ABSL_GUARDED_BY(mutex_);
  std::string marker_ ABSL_GUARDED_BY(mutex_);
  ScopedFd pipe_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace center::compute
