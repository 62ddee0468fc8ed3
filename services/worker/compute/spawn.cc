#include "services/worker/compute/spawn.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"

extern char** environ;

namespace center::compute {
namespace {

constexpr int kFirstOtherFd = 3;

// Owners of the C structures.
class FileActions {
 public:
  FileActions() { posix_spawn_file_actions_init(&actions_); }
  ~FileActions() { posix_spawn_file_actions_destroy(&actions_); }
  FileActions(const FileActions&) = delete;
  FileActions& operator=(const FileActions&) = delete;
  posix_spawn_file_actions_t* get() { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_;
};

class Attributes {
 public:
  Attributes() { posix_spawnattr_init(&attributes_); }
  ~Attributes() { posix_spawnattr_destroy(&attributes_); }
  Attributes(const Attributes&) = delete;
  Attributes& operator=(const Attributes&) = delete;
  posix_spawnattr_t* get() { return &attributes_; }

 private:
  posix_spawnattr_t attributes_;
};

std::vector<char*> Pointers(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size());
  // The C interface takes them as char*, and leaves them alone.
  for (const std::string& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
  return pointers;
}

}  // namespace

absl::StatusOr<Pipe> MakePipe() {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) return ErrnoStatus(errno, "pipe2");
  return Pipe{ScopedFd(fds[0]), ScopedFd(fds[1])};
}

absl::StatusOr<pid_t> Spawn(const SpawnOptions& options) {
  FileActions actions;
  int error = posix_spawn_file_actions_adddup2(actions.get(), options.stdin_fd, STDIN_FILENO);
  if (error == 0) {
    error = posix_spawn_file_actions_adddup2(actions.get(), options.stdout_fd, STDOUT_FILENO);
  }
  if (error == 0) {
    error = posix_spawn_file_actions_adddup2(actions.get(), options.stderr_fd, STDERR_FILENO);
  }
  if (error == 0) error = posix_spawn_file_actions_addclosefrom_np(actions.get(), kFirstOtherFd);
  if (error != 0) return ErrnoStatus(error, "posix_spawn_file_actions");

  Attributes attributes;
  sigset_t all;
  sigset_t none;
  sigfillset(&all);
  sigemptyset(&none);
  posix_spawnattr_setsigdefault(attributes.get(), &all);
  posix_spawnattr_setsigmask(attributes.get(), &none);
  posix_spawnattr_setpgroup(attributes.get(), 0);
  const int group = options.new_session ? POSIX_SPAWN_SETSID : POSIX_SPAWN_SETPGROUP;
  posix_spawnattr_setflags(attributes.get(), static_cast<int16_t>(POSIX_SPAWN_SETSIGDEF |
                                                                  POSIX_SPAWN_SETSIGMASK | group));

  std::vector<char*> argv = Pointers(options.argv);
  argv.push_back(nullptr);
  // The first of two wins with getenv: those that are given come first.
  std::vector<char*> env = Pointers(options.env);
  for (char** entry = environ; *entry != nullptr; ++entry) env.push_back(*entry);
  env.push_back(nullptr);
  pid_t pid = 0;
  error =
      ::posix_spawnp(&pid, argv.front(), actions.get(), attributes.get(), argv.data(), env.data());
  if (error != 0) return ErrnoStatus(error, argv.front());
  return pid;
}

}  // namespace center::compute
