// Processes and folders that a test owns: nothing outlives it.
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "services/common/fd.h"

namespace center::itest {

// How much slower a build with sanitizers may be: every deadline is multiplied by it.
double Slowness();

// True as soon as `condition` is, false when it was not within `timeout` (times Slowness()).
bool WaitFor(const std::function<bool()>& condition, absl::Duration timeout = absl::Seconds(20));

// A folder under $TMPDIR, removed with everything in it.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::string& path() const { return path_; }
  std::string operator/(absl::string_view name) const;

 private:
  std::string path_;
};

std::string ReadWholeFile(const std::string& path);
void WriteWholeFile(const std::string& path, absl::string_view text);
// The last bytes of a file, from the beginning of a line.
std::string FileTail(const std::string& path, size_t max_bytes = 8192);

// One child process, its output in files. Destroyed: killed and reaped.
class Process {
 public:
  struct Options {
    std::string program;
    std::vector<std::string> args;
    std::vector<std::string> env;  // KEY=VALUE, on top of ours
    std::string stdin_path = "/dev/null";
    std::string stdout_path = "/dev/null";
    std::string stderr_path;  // empty: as stdout
  };
  // Fails the test when it cannot be started.
  explicit Process(const Options& options);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const { return pid_; }
  void Signal(int signal) const;
  // The wait status once it has ended; nullopt when it runs still after `timeout`.
  absl::optional<int> Wait(absl::Duration timeout);
  bool running();

 private:
  pid_t pid_ = -1;
  absl::optional<int> status_;
};

// What a program that ran to its end gave.
struct RunResult {
  int exit_code = -1;  // -1: a signal, or the deadline
  std::string out;
  std::string err;
};
RunResult RunToEnd(const std::string& program, const std::vector<std::string>& args,
                   absl::string_view input = "", absl::Duration timeout = absl::Seconds(60),
                   const std::vector<std::string>& env = {});

// Makes orphaned descendants our children, so that KillDescendants finds the workers of a
// coordinator that was killed. Call before the first process.
void AdoptOrphans();
// Kills every child of this process and those that they leave behind, until there is none.
void KillDescendants();

// SIGKILL to one process. False for what is no process id: kill(0) and kill(-1) would end the test
// run.
bool KillProcess(pid_t pid);

// /proc/<pid>/status "VmRSS:" in bytes; 0 when the process is gone.
uint64_t ResidentBytes(pid_t pid);

}  // namespace center::itest
