#include "cli/daemon.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

#include "absl/strings/str_cat.h"

extern char** environ;

namespace center::cli {
namespace {

absl::StatusOr<ScopedFd> OpenPidfd(pid_t pid) {
  ScopedFd fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!fd.valid()) return ErrnoStatus(errno, absl::StrCat("process ", pid));
  return fd;
}

// posix_spawn's two setup objects, destroyed together.
class SpawnSetup {
 public:
  SpawnSetup() {
    posix_spawn_file_actions_init(&actions_);
    posix_spawnattr_init(&attributes_);
  }
  SpawnSetup(const SpawnSetup&) = delete;
  SpawnSetup& operator=(const SpawnSetup&) = delete;
  ~SpawnSetup() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }

  int Prepare(const DaemonSpec& spec) {
    const std::string& log_path = spec.log_path;
    constexpr int kLogFlags = O_WRONLY | O_CREAT | O_APPEND;
    sigset_t none;
    sigemptyset(&none);
    sigset_t defaults;
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    int error = posix_spawn_file_actions_addopen(&actions_, 0, "/dev/null", O_RDONLY, 0);
    if (error == 0) {
      error = posix_spawn_file_actions_addopen(&actions_, 1, log_path.c_str(), kLogFlags, 0600);
    }
    if (error == 0) error = posix_spawn_file_actions_adddup2(&actions_, 1, 2);
    if (error == 0 && !spec.folder.empty()) {
      error = posix_spawn_file_actions_addchdir_np(&actions_, spec.folder.c_str());
    }
    if (error == 0) error = posix_spawn_file_actions_addclosefrom_np(&actions_, 3);
    if (error == 0) error = posix_spawnattr_setsigmask(&attributes_, &none);
    if (error == 0) error = posix_spawnattr_setsigdefault(&attributes_, &defaults);
    if (error == 0) {
      const int own = spec.own_session ? POSIX_SPAWN_SETSID : POSIX_SPAWN_SETPGROUP;
      error = posix_spawnattr_setflags(
          &attributes_, static_cast<short>(own | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF));
    }
    return error;
  }

  posix_spawn_file_actions_t* actions() { return &actions_; }
  posix_spawnattr_t* attributes() { return &attributes_; }

 private:
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
};

}  // namespace

absl::StatusOr<DaemonProcess> DaemonProcess::Start(const DaemonSpec& spec) {
  SpawnSetup setup;
  if (const int error = setup.Prepare(spec); error != 0) {
    return ErrnoStatus(error, "posix_spawn");
  }
  std::vector<char*> argv = {const_cast<char*>(spec.program.c_str())};
  for (const std::string& arg : spec.args) argv.push_back(const_cast<char*>(arg.c_str()));
  argv.push_back(nullptr);
  pid_t pid = 0;
  const int error = ::posix_spawn(&pid, spec.program.c_str(), setup.actions(), setup.attributes(),
                                  argv.data(), environ);
  if (error != 0) return ErrnoStatus(error, absl::StrCat("start ", spec.program));
  auto pidfd = OpenPidfd(pid);
  if (!pidfd.ok()) return pidfd.status();
  return DaemonProcess(pid, std::move(*pidfd));
}

absl::StatusOr<DaemonProcess> DaemonProcess::Find(int64_t pid) {
  auto pidfd = OpenPidfd(static_cast<pid_t>(pid));
  if (!pidfd.ok()) return pidfd.status();
  return DaemonProcess(pid, std::move(*pidfd));
}

absl::Status DaemonProcess::Terminate() { return Signal(SIGTERM); }

absl::Status DaemonProcess::Signal(int signal) {
  if (::syscall(SYS_pidfd_send_signal, pidfd_.get(), signal, nullptr, 0) != 0) {
    return ErrnoStatus(errno, absl::StrCat("signal process ", pid_));
  }
  return absl::OkStatus();
}

bool DaemonProcess::WaitForEnd(absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  for (;;) {
    const absl::Duration left = std::max(absl::ZeroDuration(), deadline - absl::Now());
    // Rounded up: a wait of less than a millisecond is still a wait.
    const int64_t left_ms = absl::ToInt64Milliseconds(absl::Ceil(left, absl::Milliseconds(1)));
    pollfd fd{pidfd_.get(), POLLIN, 0};
    const int ready = ::poll(&fd, 1, static_cast<int>(std::min<int64_t>(left_ms, 1 << 30)));
    if (ready > 0) {
      // One of our own children would stay in the table of processes; others' are not ours to reap.
      siginfo_t ignored;
      (void)::waitid(P_PIDFD, static_cast<id_t>(pidfd_.get()), &ignored, WEXITED | WNOHANG);
      return true;
    }
    if (ready == 0) return false;
    if (errno != EINTR) return false;
  }
}

std::string FileTail(const std::string& path, int64_t from, size_t max_bytes) {
  const ScopedFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return "";
  const off_t size = ::lseek(fd.get(), 0, SEEK_END);
  const int64_t start = std::max<int64_t>({0, from, size - static_cast<int64_t>(max_bytes)});
  if (start >= size) return "";
  std::string text(static_cast<size_t>(size - start), '\0');
  const ssize_t got = ::pread(fd.get(), text.data(), text.size(), start);
  text.resize(got < 0 ? 0 : static_cast<size_t>(got));
  return text;
}

}  // namespace center::cli
