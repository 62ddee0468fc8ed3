#include "services/coordinator/supervision/process_launcher.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <asio/io_context.hpp>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "services/common/fd.h"
#include "services/common/log.h"
#include "services/common/proc_stat.h"
#include "services/common/status_macros.h"
#include "services/coordinator/supervision/process_launcher_child.h"

extern char** environ;

namespace center::supervision {
namespace {

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

absl::StatusOr<pid_t> Spawn(const LaunchSpec& spec, const Pipe& out, const Pipe& err) {
  const ScopedFd null(open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (!null.valid()) return ErrnoStatus(errno, "open /dev/null");
  std::vector<int> sources = {null.get(), out.write_end.get(), err.write_end.get()};
  sources.insert(sources.end(), spec.inherited_fds.begin(), spec.inherited_fds.end());
  if (spec.keeps_output) {
    sources.push_back(out.read_end.get());
    sources.push_back(err.read_end.get());
  }
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

}  // namespace

PosixLauncher::PosixLauncher(asio::io_context& context)
    : shared_(std::make_shared<Shared>(context)) {}

PosixLauncher::~PosixLauncher() {
  for (auto& [pid, child] : shared_->children) child->Abandon();
}

absl::StatusOr<int64_t> PosixLauncher::Launch(const LaunchSpec& spec, ExitCallback on_exit) {
  ASSIGN_OR_RETURN(Pipe out, MakePipe());
  ASSIGN_OR_RETURN(Pipe err, MakePipe());
  ASSIGN_OR_RETURN(const pid_t pid, Spawn(spec, out, err));
  auto child = std::make_shared<Child>(shared_, pid, spec.log_name, std::move(on_exit));
  absl::StatusOr<ScopedFd> pidfd = OpenPidfd(pid);
  absl::Status status = pidfd.status();
  if (status.ok()) status = child->Watch(*std::move(pidfd));
  if (status.ok()) status = child->Attach(std::move(out.read_end), std::move(err.read_end));
  if (!status.ok()) {
    child->Abandon();
    KillAndReap(pid);
    return status;
  }
  shared_->children[pid] = child;
  child->Start();
  return pid;
}

absl::Status PosixLauncher::Adopt(AdoptSpec spec, ExitCallback on_exit) {
  if (shared_->children.contains(spec.pid)) {
    return absl::AlreadyExistsError(absl::StrCat("process ", spec.pid, " is looked after already"));
  }
  ASSIGN_OR_RETURN(const ProcStat stat, ReadProcStat(spec.pid));
  auto child = std::make_shared<Child>(shared_, static_cast<pid_t>(spec.pid), spec.log_name,
                                       std::move(on_exit));
  child->SetAdopted(stat.start_ticks);
  RETURN_IF_ERROR(child->Watch(std::move(spec.pidfd)));
  shared_->children[spec.pid] = child;
  child->Start();
  return absl::OkStatus();
}

absl::Status PosixLauncher::AttachOutput(int64_t pid, ScopedFd stdout_fd, ScopedFd stderr_fd) {
  const auto found = shared_->children.find(pid);
  if (found == shared_->children.end()) {
    return absl::NotFoundError(absl::StrCat("there is no process ", pid, " of ours"));
  }
  return found->second->Attach(std::move(stdout_fd), std::move(stderr_fd));
}

bool PosixLauncher::LooksAfter(int64_t pid) const { return shared_->children.contains(pid); }

absl::Status PosixLauncher::Signal(int64_t pid, int signal) {
  const auto found = shared_->children.find(pid);
  if (found == shared_->children.end()) {
    return absl::NotFoundError(absl::StrCat("there is no process ", pid, " of ours"));
  }
  return found->second->Signal(signal);
}

}  // namespace center::supervision
