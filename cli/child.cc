#include "cli/child.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

extern char** environ;

namespace center::cli {
namespace {

constexpr int kSignalExitBase = 128;

std::vector<std::string> Environment(const std::vector<std::string>& added) {
  std::vector<std::string> result = added;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string variable(*entry);
    const std::string name = variable.substr(0, variable.find('=') + 1);
    bool replaced = false;
    for (const std::string& candidate : added) {
      replaced = replaced || absl::StartsWith(candidate, name);
    }
    if (!replaced) result.push_back(variable);
  }
  return result;
}

std::vector<char*> Pointers(std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  pointers.reserve(strings.size() + 1);
  for (std::string& text : strings) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

absl::StatusOr<pid_t> StartSelf(const ChildOptions& options) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  int error = posix_spawn_file_actions_init(&actions);
  if (error != 0) return ErrnoStatus(error, "posix_spawn_file_actions_init");
  const absl::Cleanup free_actions = [&] { posix_spawn_file_actions_destroy(&actions); };
  error = posix_spawnattr_init(&attributes);
  if (error != 0) return ErrnoStatus(error, "posix_spawnattr_init");
  const absl::Cleanup free_attributes = [&] { posix_spawnattr_destroy(&attributes); };

  sigset_t defaults;
  sigemptyset(&defaults);
  for (const int signal : {SIGINT, SIGQUIT, SIGPIPE, SIGTERM}) sigaddset(&defaults, signal);
  sigset_t none;
  sigemptyset(&none);
  const int group = options.out_fd >= 0 ? POSIX_SPAWN_SETPGROUP : 0;
  const int flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | group;
  error = posix_spawnattr_setflags(&attributes, static_cast<short>(flags));
  if (error == 0) error = posix_spawnattr_setsigdefault(&attributes, &defaults);
  if (error == 0) error = posix_spawnattr_setsigmask(&attributes, &none);
  if (error == 0 && options.out_fd >= 0) {
    error = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (error == 0) error = posix_spawn_file_actions_adddup2(&actions, options.out_fd, 1);
    if (error == 0) error = posix_spawn_file_actions_adddup2(&actions, options.out_fd, 2);
  }
  // gRPC's sockets are not CLOEXEC.
  if (error == 0) error = posix_spawn_file_actions_addclosefrom_np(&actions, 3);
  if (error != 0) return ErrnoStatus(error, "preparing a command");

  std::vector<std::string> args = {"centerctl"};
  args.insert(args.end(), options.args.begin(), options.args.end());
  std::vector<std::string> env = Environment(options.env);
  pid_t pid = 0;
  error = posix_spawn(&pid, "/proc/self/exe", &actions, &attributes, Pointers(args).data(),
                      Pointers(env).data());
  if (error != 0) return ErrnoStatus(error, "starting centerctl");
  return pid;
}

absl::StatusOr<int> WaitForExit(pid_t pid) {
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0) {
    if (errno != EINTR) return ErrnoStatus(errno, absl::StrCat("waiting for process ", pid));
  }
  return WIFSIGNALED(status) ? kSignalExitBase + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace center::cli
