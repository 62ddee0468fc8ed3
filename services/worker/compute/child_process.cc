#include "services/worker/compute/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/scoreboard.h"
#include "services/common/status_macros.h"
#include "services/worker/compute/exec_guard.h"
#include "services/worker/compute/spawn.h"

namespace center::compute {
namespace {

constexpr size_t kOutputReadBytes = 65536;
// How often `stopping` is asked while nothing happens.
constexpr int kStopPollMs = 10;
// Between TERM and KILL.
constexpr int64_t kTermGraceMs = 200;

absl::Status MakeNonblocking(int fd) {
  if (::fcntl(fd, F_SETFL, O_NONBLOCK) != 0) return ErrnoStatus(errno, "fcntl(O_NONBLOCK)");
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ChildProcess::End> ChildProcess::Run(const Options& options) {
  ChildProcess child(options);
  RETURN_IF_ERROR(child.Start());
  child.PumpUntilExit();
  return child.Reap();
}

absl::Status ChildProcess::Start() {
  ScopedFd child_stdin;
  if (options_.has_input) {
    ASSIGN_OR_RETURN(Pipe input, MakePipe());
    child_stdin = std::move(input.read_end);
    stdin_ = std::move(input.write_end);
    RETURN_IF_ERROR(MakeNonblocking(stdin_.get()));
  } else {
    child_stdin = ScopedFd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (!child_stdin.valid()) return ErrnoStatus(errno, "open /dev/null");
  }
  ASSIGN_OR_RETURN(Pipe output, MakePipe());
  ASSIGN_OR_RETURN(Pipe errors, MakePipe());
  stdout_ = std::move(output.read_end);
  stderr_ = std::move(errors.read_end);
  RETURN_IF_ERROR(MakeNonblocking(stdout_.get()));
  RETURN_IF_ERROR(MakeNonblocking(stderr_.get()));
  std::vector<std::string> env = options_.env;
  if (std::string marker = ExecGuard::Instance().Marker(); !marker.empty()) {
    env.push_back(std::move(marker));
  }
  ASSIGN_OR_RETURN(pid_, Spawn({.argv = options_.argv,
                                .env = env,
                                .stdin_fd = child_stdin.get(),
                                .stdout_fd = output.write_end.get(),
                                .stderr_fd = errors.write_end.get()}));
  ExecGuard::Instance().Watch(pid_);
  pidfd_ = ScopedFd(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
  if (pidfd_.valid()) return absl::OkStatus();
  const absl::Status status = ErrnoStatus(errno, "pidfd_open");
  Signal(SIGKILL);
  Reap();
  return status;
}

void ChildProcess::PumpUntilExit() {
  for (;;) {
    if (options_.stopping()) Stop();
    // poll ignores those that are closed.
    std::array<pollfd, 4> fds{{{pidfd_.get(), POLLIN, 0},
                               {stdout_.get(), POLLIN, 0},
                               {stderr_.get(), POLLIN, 0},
                               {stdin_.get(), POLLOUT, 0}}};
    // Any other error than EINTR would be a mistake of ours, and would come again at once.
    if (::poll(fds.data(), fds.size(), kStopPollMs) < 0 && errno != EINTR) Signal(SIGKILL);
    if (fds[3].revents != 0) Write();
    if (fds[1].revents != 0 && !ReadOutput()) stdout_.Reset();
    if (fds[2].revents != 0 && !ReadStderr()) stderr_.Reset();
    if (fds[0].revents != 0) break;
  }
  // Nobody of its group may go on, or hold the pipes open.
  Signal(SIGKILL);
  if (stdout_.valid()) ReadOutput();
  if (stderr_.valid()) ReadStderr();
}

void ChildProcess::Write() {
  const absl::string_view rest = options_.input.substr(written_);
  const ssize_t written = rest.empty() ? 0 : ::write(stdin_.get(), rest.data(), rest.size());
  if (written > 0) written_ += static_cast<size_t>(written);
  const bool broken = written < 0 && errno != EAGAIN && errno != EINTR;
  // A program need not read its input.
  if (broken || written_ == options_.input.size()) stdin_.Reset();
}

bool ChildProcess::ReadOutput() {
  std::array<char, kOutputReadBytes> buffer;
  for (;;) {
    const ssize_t got = ::read(stdout_.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno == EAGAIN;
    if (got == 0) return false;
    if (!end_.stopped && !options_.on_output({buffer.data(), static_cast<size_t>(got)})) {
      end_.stopped = true;
      Signal(SIGKILL);
    }
    // A flood must not keep us from looking whether to stop.
    if (options_.stopping()) return true;
  }
}

bool ChildProcess::ReadStderr() {
  std::array<char, kStderrBytesMax> buffer;
  for (;;) {
    const ssize_t got = ::read(stderr_.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno == EAGAIN;
    if (got == 0) return false;
    std::string& tail = end_.stderr_tail;
    tail.append(buffer.data(), static_cast<size_t>(got));
    if (tail.size() > kStderrBytesMax) tail.erase(0, tail.size() - kStderrBytesMax);
    if (options_.stopping()) return true;
  }
}

void ChildProcess::Signal(int signal) const { ::kill(-pid_, signal); }

void ChildProcess::Stop() {
  const int64_t now = Scoreboard::MonotonicMs();
  if (!std::exchange(end_.stopped, true)) {
    stopped_ms_ = now;
    Signal(SIGTERM);
  } else if (now - stopped_ms_ >= kTermGraceMs && !std::exchange(killed_, true)) {
    Signal(SIGKILL);
  }
}

ChildProcess::End ChildProcess::Reap() {
  // Before its number can be given to another group.
  ExecGuard::Instance().Forget(pid_);
  while (::waitpid(pid_, &end_.status, 0) < 0 && errno == EINTR) {
  }
  return std::move(end_);
}

std::string DescribeWaitStatus(int status) {
  if (WIFEXITED(status)) return absl::StrCat("exited with status ", WEXITSTATUS(status));
  const int signal = WTERMSIG(status);
  const char* name = ::sigabbrev_np(signal);
  return absl::StrCat("killed by ", name == nullptr ? "signal " : "SIG",
                      name == nullptr ? absl::StrCat(signal) : name,
                      WCOREDUMP(status) ? " (core dumped)" : "");
}

}  // namespace center::compute
