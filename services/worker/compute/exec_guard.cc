#include "services/worker/compute/exec_guard.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <set>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "services/common/fd.h"
#include "services/common/log.h"
#include "services/common/scoreboard.h"
#include "services/worker/compute/spawn.h"

namespace center::compute {
namespace {

// After a sweep through all processes.
constexpr absl::Duration kSweepPauses[] = {absl::Milliseconds(20), absl::Milliseconds(200),
                                           absl::Seconds(1), absl::ZeroDuration()};

// Sweeps at a time: while processes are found, but one that the kernel cannot end yet is found
// again and again.
constexpr int kSweepsMax = 50;

// "A=1\0B=2\0" has the entry "B=2".
bool HasEntry(absl::string_view environment, absl::string_view entry) {
  const std::vector<absl::string_view> entries = absl::StrSplit(environment, '\0');
  return std::find(entries.begin(), entries.end(), entry) != entries.end();
}

// Kills all that have the marker. False: there was none.
bool KillMarked(absl::string_view marker) {
  bool found = false;
  std::error_code error;
  for (std::filesystem::directory_iterator at("/proc", error), end; !error && at != end;
       at.increment(error)) {
    pid_t pid = 0;
    if (!absl::SimpleAtoi(at->path().filename().string(), &pid) || pid == ::getpid()) continue;
    // Others' cannot be read, and a zombie's is empty.
    const auto environment = ReadSmallFile(absl::StrCat("/proc/", pid, "/environ"));
    if (!environment.ok() || !HasEntry(*environment, marker)) continue;
    found = ::kill(pid, SIGKILL) == 0 || found;
  }
  return found;
}

}  // namespace

ExecGuard& ExecGuard::Instance() {
  // Never destroyed: its pipe is to end with the process, not before.
  static auto* const guard = new ExecGuard();
  return *guard;
}

void ExecGuard::SetProgram(absl::string_view program) {
  absl::MutexLock lock(&mutex_);
  program_ = std::string(program);
}

std::string ExecGuard::Marker() {
  absl::MutexLock lock(&mutex_);
  if (!pipe_.valid() && !program_.empty()) Start();
  return pipe_.valid() ? marker_ : "";
}

void ExecGuard::Tell(pid_t number) {
  absl::MutexLock lock(&mutex_);
  if (!pipe_.valid()) return;
  // Four bytes go into a pipe whole or not at all.
  while (::write(pipe_.get(), &number, sizeof number) < 0) {
    if (errno == EINTR) continue;
    spdlog::warn("the guard of programs started by exec is gone; the next program gets a new one");
    pipe_.Reset();
    return;
  }
}

void ExecGuard::Start() {
  auto pipe = MakePipe();
  const ScopedFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!pipe.ok() || !null.valid()) return;
  marker_ = absl::StrCat("CENTER_EXEC_OF=", ::getpid(), ".", Scoreboard::MonotonicMs());
  const std::vector<std::string> argv = {program_, kArgument, marker_};
  const auto pid = Spawn({.argv = argv,
                          .env = {},
                          .stdin_fd = pipe->read_end.get(),
                          .stdout_fd = null.get(),
                          .stderr_fd = null.get(),
                          .new_session = true});
  if (!pid.ok()) {
    spdlog::warn("programs started by exec outlive this process if it is killed: {}", pid.status());
    program_.clear();  // the next attempt would fare no better
    return;
  }
  pipe_ = std::move(pipe->write_end);
}

int ExecGuard::Main(absl::string_view marker) {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) ::signal(signal, SIG_IGN);
  ::prctl(PR_SET_NAME, "center-guard");
  std::set<pid_t> groups;
  pid_t number = 0;
  for (;;) {
    const ssize_t got = ::read(STDIN_FILENO, &number, sizeof number);
    if (got < 0 && errno == EINTR) continue;
    if (got != sizeof number) break;
    if (number > 0) groups.insert(number);
    if (number < 0) groups.erase(-number);
  }
  for (const pid_t group : groups) ::kill(-group, SIGKILL);
  // Again, and later again: one that is just being started shows its marker in a moment.
  for (const absl::Duration pause : kSweepPauses) {
    for (int sweep = 0; sweep < kSweepsMax && KillMarked(marker); ++sweep) {
    }
    absl::SleepFor(pause);
  }
  return 0;
}

}  // namespace center::compute
