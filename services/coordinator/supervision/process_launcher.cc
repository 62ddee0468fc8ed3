#include "services/coordinator/supervision/process_launcher.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <asio/buffer.hpp>
#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/steady_timer.hpp>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <system_error>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "services/common/clock.h"
#include "services/common/fd.h"
#include "services/common/log.h"
#include "services/common/status_macros.h"
#include "services/coordinator/supervision/output_capture.h"

extern char** environ;

namespace center::supervision {
namespace {

// After a death, how long to wait for the end of its output.
constexpr std::chrono::milliseconds kOutputEndTimeout{200};
constexpr size_t kReadBytes = 16384;
constexpr int kFirstInheritedFd = 3;

// What a child is launched with, beyond its descriptors: owners of the C structures.
class SpawnActions {
 public:
  SpawnActions() { posix_spawn_file_actions_init(&actions_); }
  ~SpawnActions() { posix_spawn_file_actions_destroy(&actions_); }
  SpawnActions(const SpawnActions&) = delete;
  SpawnActions& operator=(const SpawnActions&) = delete;
  posix_spawn_file_actions_t* get() { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_;
};

class SpawnAttributes {
 public:
  SpawnAttributes() { posix_spawnattr_init(&attributes_); }
  ~SpawnAttributes() { posix_spawnattr_destroy(&attributes_); }
  SpawnAttributes(const SpawnAttributes&) = delete;
  SpawnAttributes& operator=(const SpawnAttributes&) = delete;
  posix_spawnattr_t* get() { return &attributes_; }

 private:
  posix_spawnattr_t attributes_;
};

struct Pipe {
  ScopedFd read_end;
  ScopedFd write_end;
};

absl::StatusOr<Pipe> MakePipe() {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) != 0) return ErrnoStatus(errno, "pipe2");
  return Pipe{ScopedFd(fds[0]), ScopedFd(fds[1])};
}

// NAME of "NAME=VALUE".
absl::string_view EnvName(absl::string_view entry) { return entry.substr(0, entry.find('=')); }

// Variables that say something to this process alone: a child would take descriptors for its own
// that it has not got, or speak for us to systemd.
bool MeantForUsAlone(absl::string_view entry) {
  const absl::string_view name = EnvName(entry);
  return name == "LISTEN_PID" || name == "LISTEN_FDS" || name == "LISTEN_FDNAMES" ||
         name == "NOTIFY_SOCKET" || name == "WATCHDOG_PID" || name == "WATCHDOG_USEC";
}

std::vector<std::string> ChildEnvironment(const LaunchSpec& spec) {
  std::vector<std::string> result = spec.env;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    if (MeantForUsAlone(*entry)) continue;
    bool replaced = false;
    for (const std::string& ours : spec.env) {
      replaced = replaced || EnvName(ours) == EnvName(*entry);
    }
    if (!replaced) result.emplace_back(*entry);
  }
  return result;
}

std::vector<char*> Pointers(std::vector<std::string>& strings) {
  std::vector<char*> result;
  result.reserve(strings.size() + 1);
  for (std::string& text : strings) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

// Lets the child have `sources[i]` as descriptor i, and no other.
//
// A source may have the number of another's target (the listener is our descriptor 4 and is to
// become 3, the scoreboard is 3 and is to become 4): dup2 in any order would overwrite one before
// it is copied. So all sources are first duplicated to numbers above every target; `copies` owns
// those, close-on-exec, until the process is spawned. dup2 then also clears close-on-exec.
absl::Status MapDescriptors(const std::vector<int>& sources, SpawnActions& actions,
                            std::vector<ScopedFd>& copies) {
  const int targets = static_cast<int>(sources.size());
  for (int target = 0; target < targets; ++target) {
    const int copy = fcntl(sources[target], F_DUPFD_CLOEXEC, targets);
    if (copy < 0) return ErrnoStatus(errno, absl::StrCat("duplicate descriptor ", sources[target]));
    copies.emplace_back(copy);
    if (const int error = posix_spawn_file_actions_adddup2(actions.get(), copy, target)) {
      return ErrnoStatus(error, "posix_spawn_file_actions_adddup2");
    }
  }
  if (const int error = posix_spawn_file_actions_addclosefrom_np(actions.get(), targets)) {
    return ErrnoStatus(error, "posix_spawn_file_actions_addclosefrom_np");
  }
  return absl::OkStatus();
}

absl::Status SetAttributes(SpawnAttributes& attributes) {
  sigset_t none;
  sigemptyset(&none);
  sigset_t defaults;
  sigfillset(&defaults);
  sigdelset(&defaults, SIGKILL);
  sigdelset(&defaults, SIGSTOP);
  const short flags = POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
  int error = posix_spawnattr_setflags(attributes.get(), flags);
  if (error == 0) error = posix_spawnattr_setpgroup(attributes.get(), 0);
  if (error == 0) error = posix_spawnattr_setsigmask(attributes.get(), &none);
  if (error == 0) error = posix_spawnattr_setsigdefault(attributes.get(), &defaults);
  return error == 0 ? absl::OkStatus() : ErrnoStatus(error, "posix_spawnattr");
}

absl::StatusOr<pid_t> Spawn(const LaunchSpec& spec, int stdout_fd, int stderr_fd) {
  const ScopedFd null(open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (!null.valid()) return ErrnoStatus(errno, "open /dev/null");
  std::vector<int> sources = {null.get(), stdout_fd, stderr_fd};
  sources.insert(sources.end(), spec.inherited_fds.begin(), spec.inherited_fds.end());
  static_assert(kFirstInheritedFd == 3);

  SpawnActions actions;
  std::vector<ScopedFd> copies;
  RETURN_IF_ERROR(MapDescriptors(sources, actions, copies));
  SpawnAttributes attributes;
  RETURN_IF_ERROR(SetAttributes(attributes));

  std::vector<std::string> arguments = {spec.program};
  arguments.insert(arguments.end(), spec.args.begin(), spec.args.end());
  std::vector<std::string> environment = ChildEnvironment(spec);
  pid_t pid = 0;
  const int error = posix_spawn(&pid, spec.program.c_str(), actions.get(), attributes.get(),
                                Pointers(arguments).data(), Pointers(environment).data());
  if (error != 0) return ErrnoStatus(error, absl::StrCat("launch ", spec.program));
  return pid;
}

absl::StatusOr<ScopedFd> OpenPidfd(pid_t pid) {
  // glibc 2.36 has a wrapper, earlier ones have not.
  const auto fd = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
  if (fd >= 0) return ScopedFd(fd);
  const int error = errno;
  return ErrnoStatus(error, absl::StrCat("pidfd_open of process ", pid,
                                         error == ENOSYS ? " (Linux 5.4 or newer is needed)" : ""));
}

// For a process that cannot be watched: none is left behind.
void KillAndReap(pid_t pid) {
  if (kill(-pid, SIGKILL) != 0) spdlog::error("{}", ErrnoStatus(errno, "kill"));
  int status = 0;
  while (waitpid(pid, &status, 0) < 0) {
    if (errno != EINTR) return spdlog::error("{}", ErrnoStatus(errno, "waitpid"));
  }
}

ProcessExit ExitFrom(pid_t pid, const siginfo_t& info) {
  ProcessExit exit;
  exit.pid = pid;
  exit.time = RealClock().Wall();
  if (info.si_code == CLD_EXITED) {
    exit.exit_code = info.si_status;
  } else {
    exit.signal = info.si_status;
    exit.core_dumped = info.si_code == CLD_DUMPED;
  }
  return exit;
}

}  // namespace

// What the launcher and its children's handlers share; handlers hold it weakly.
struct PosixLauncher::Shared {
  explicit Shared(asio::io_context& io_context) : context(io_context) {}
  asio::io_context& context;
  absl::flat_hash_map<int64_t, std::shared_ptr<Child>> children;  // until the exit is reported
};

// One process, from its launch until its exit is reported. Its handlers own it; Abandon ends them.
class PosixLauncher::Child : public std::enable_shared_from_this<Child> {
 public:
  Child(std::shared_ptr<Shared> shared, pid_t pid, std::string log_name, ExitCallback on_exit)
      : shared_(shared),
        pid_(pid),
        on_exit_(std::move(on_exit)),
        pidfd_(shared->context),
        pipes_{asio::posix::stream_descriptor(shared->context),
               asio::posix::stream_descriptor(shared->context)},
        end_timer_(shared->context),
        output_([log_name = std::move(log_name)](absl::string_view line) {
          spdlog::info("[{}] {}", log_name, Printable(line, kOutputLineBytesMax));
        }) {}

  absl::Status Watch(ScopedFd pidfd, ScopedFd stdout_fd, ScopedFd stderr_fd) {
    RETURN_IF_ERROR(Assign(pidfd_, std::move(pidfd)));
    RETURN_IF_ERROR(Assign(pipes_[0], std::move(stdout_fd)));
    return Assign(pipes_[1], std::move(stderr_fd));
  }

  void Start() {
    AwaitDeath();
    Read(OutputCapture::Stream::kStdout);
    Read(OutputCapture::Stream::kStderr);
  }

  absl::Status Signal(int signal) {
    if (reaped_) return absl::NotFoundError(absl::StrCat("process ", pid_, " is gone"));
    // Not reaped: the pid is still its own.
    const pid_t target = signal == SIGKILL ? -pid_ : pid_;
    if (kill(target, signal) != 0) return ErrnoStatus(errno, absl::StrCat("signal ", pid_));
    return absl::OkStatus();
  }

  void Abandon() {
    on_exit_ = nullptr;
    CloseAll();
  }

 private:
  static absl::Status Assign(asio::posix::stream_descriptor& descriptor, ScopedFd fd) {
    std::error_code error;
    descriptor.assign(fd.get(), error);
    if (error) return absl::InternalError(absl::StrCat("watch a process: ", error.message()));
    static_cast<void>(fd.Release());  // the descriptor's now
    return absl::OkStatus();
  }

  void AwaitDeath() {
    pidfd_.async_wait(asio::posix::descriptor_base::wait_read,
                      [self = shared_from_this()](const std::error_code& error) {
                        if (!error && self->on_exit_) self->OnDeath();
                      });
  }

  void OnDeath() {
    const auto id = static_cast<id_t>(pidfd_.native_handle());
    siginfo_t info{};
    // Looked at first and reaped after: as long as it is a zombie, its group's number is taken.
    if (waitid(P_PIDFD, id, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0) {
      return AwaitDeath();  // woken for nothing
    }
    if (kill(-pid_, SIGKILL) != 0 && errno != ESRCH) {
      spdlog::warn("{}", ErrnoStatus(errno, absl::StrCat("kill the process group ", pid_)));
    }
    info = {};
    if (waitid(P_PIDFD, id, &info, WEXITED | WNOHANG) != 0) {
      // Somebody else in this process has reaped it, so how it ended is lost.
      spdlog::error("{}", ErrnoStatus(errno, absl::StrCat("wait for process ", pid_)));
    }
    reaped_ = true;
    exit_ = ExitFrom(pid_, info);
    if (open_pipes_ == 0) return Report();
    end_timer_.expires_after(kOutputEndTimeout);
    end_timer_.async_wait([self = shared_from_this()](const std::error_code& error) {
      if (!error) self->Report();
    });
  }

  void Read(OutputCapture::Stream stream) {
    const auto index = static_cast<size_t>(stream);
    pipes_[index].async_read_some(
        asio::buffer(buffers_[index]),
        [self = shared_from_this(), stream](const std::error_code& error, size_t bytes) {
          self->OnRead(stream, error, bytes);
        });
  }

  void OnRead(OutputCapture::Stream stream, const std::error_code& error, size_t bytes) {
    if (!on_exit_) return;  // reported or abandoned
    const auto index = static_cast<size_t>(stream);
    output_.Feed(stream, absl::string_view(buffers_[index].data(), bytes), RealClock().Steady());
    if (!error) return Read(stream);
    --open_pipes_;
    if (reaped_ && open_pipes_ == 0) Report();
  }

  void Report() {
    if (!on_exit_) return;
    const std::shared_ptr<Child> keep = shared_from_this();
    output_.Finish(RealClock().Steady());
    exit_.stderr_tail = output_.StderrTail();
    CloseAll();
    const ExitCallback on_exit = std::exchange(on_exit_, nullptr);
    const std::shared_ptr<Shared> shared = shared_.lock();
    if (shared == nullptr) return;
    // Reaped a while ago, so the number may be a newer child's already.
    const auto found = shared->children.find(pid_);
    if (found != shared->children.end() && found->second == keep) shared->children.erase(found);
    on_exit(std::move(exit_));
  }

  void CloseAll() {
    std::error_code ignored;  // closing what was only read loses nothing
    pidfd_.close(ignored);
    for (auto& pipe : pipes_) pipe.close(ignored);
    end_timer_.expires_at(SteadyTime::max());  // ends its wait
  }

  const std::weak_ptr<Shared> shared_;
  const pid_t pid_;
  ExitCallback on_exit_;  // empty once called or abandoned
  asio::posix::stream_descriptor pidfd_;
  std::array<asio::posix::stream_descriptor, 2> pipes_;
  std::array<std::array<char, kReadBytes>, 2> buffers_;
  asio::steady_timer end_timer_;
  OutputCapture output_;
  int open_pipes_ = 2;
  bool reaped_ = false;
  ProcessExit exit_;
};

PosixLauncher::PosixLauncher(asio::io_context& context)
    : shared_(std::make_shared<Shared>(context)) {}

PosixLauncher::~PosixLauncher() {
  for (auto& [pid, child] : shared_->children) child->Abandon();
}

absl::StatusOr<int64_t> PosixLauncher::Launch(const LaunchSpec& spec, ExitCallback on_exit) {
  ASSIGN_OR_RETURN(Pipe out, MakePipe());
  ASSIGN_OR_RETURN(Pipe err, MakePipe());
  ASSIGN_OR_RETURN(const pid_t pid, Spawn(spec, out.write_end.get(), err.write_end.get()));
  auto child = std::make_shared<Child>(shared_, pid, spec.log_name, std::move(on_exit));
  absl::StatusOr<ScopedFd> pidfd = OpenPidfd(pid);
  absl::Status status = pidfd.status();
  if (status.ok()) {
    status = child->Watch(*std::move(pidfd), std::move(out.read_end), std::move(err.read_end));
  }
  if (!status.ok()) {
    KillAndReap(pid);
    return status;
  }
  shared_->children[pid] = child;
  child->Start();
  return pid;
}

absl::Status PosixLauncher::Signal(int64_t pid, int signal) {
  const auto found = shared_->children.find(pid);
  if (found == shared_->children.end()) {
    return absl::NotFoundError(absl::StrCat("there is no process ", pid, " of ours"));
  }
  return found->second->Signal(signal);
}

}  // namespace center::supervision
