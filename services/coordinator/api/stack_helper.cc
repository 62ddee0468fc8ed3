#include "services/coordinator/api/stack_helper.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/fd.h"
#include "services/common/log.h"
#include "services/common/rpc/status.h"
#include "services/common/status_macros.h"

extern char** environ;

namespace center::coordinator {
namespace {

constexpr size_t kReadBytes = 64 * 1024;

// Owner of the C structure.
class FileActions {
 public:
  FileActions() { ::posix_spawn_file_actions_init(&actions_); }
  ~FileActions() { ::posix_spawn_file_actions_destroy(&actions_); }
  FileActions(const FileActions&) = delete;
  FileActions& operator=(const FileActions&) = delete;
  posix_spawn_file_actions_t* get() { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_;
};

// Its stdout is `output`; its stderr is ours.
absl::StatusOr<pid_t> Spawn(const std::string& program, int64_t pid, int output) {
  FileActions actions;
  int error = ::posix_spawn_file_actions_addopen(actions.get(), 0, "/dev/null", O_RDONLY, 0);
  if (error == 0) error = ::posix_spawn_file_actions_adddup2(actions.get(), output, 1);
  if (error == 0) error = ::posix_spawn_file_actions_addclosefrom_np(actions.get(), 3);
  if (error != 0) return ErrnoStatus(error, "posix_spawn_file_actions");
  std::string name = program;
  std::string option = "--dump-stacks";
  std::string number = absl::StrCat(pid);
  char* const arguments[] = {name.data(), option.data(), number.data(), nullptr};
  pid_t helper = 0;
  error = ::posix_spawn(&helper, program.c_str(), actions.get(), nullptr, arguments, environ);
  if (error != 0) return ErrnoStatus(error, absl::StrCat("launch ", program));
  return helper;
}

// Reads until the end, or until it is enough or too late. DeadlineExceeded with what has come in
// `text`.
absl::Status ReadUntil(int fd, SteadyTime deadline, std::string* text) {
  std::string buffer(kReadBytes, '\0');
  while (text->size() < StackHelper::kOutputBytesMax) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    pollfd ready{.fd = fd, .events = POLLIN, .revents = 0};
    const int count = ::poll(&ready, 1, static_cast<int>(std::max<int64_t>(left.count() + 1, 0)));
    if (count < 0 && errno != EINTR) return ErrnoStatus(errno, "poll");
    if (count == 0) return absl::DeadlineExceededError("the helper has not finished in time");
    if (count < 0) continue;
    const ssize_t size = ::read(fd, buffer.data(), buffer.size());
    if (size == 0) return absl::OkStatus();
    if (size < 0 && errno != EINTR) return ErrnoStatus(errno, "read");
    if (size > 0) text->append(buffer.data(), static_cast<size_t>(size));
  }
  return absl::ResourceExhaustedError("the helper writes without an end");
}

void Reap(pid_t helper) {
  int status = 0;
  while (::waitpid(helper, &status, 0) < 0) {
    if (errno != EINTR) return;  // reaped by somebody else
  }
  if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL) {
    spdlog::warn("the helper that takes stacks died of signal {}", WTERMSIG(status));
  }
}

absl::StatusOr<supervision::ProcessStacks> RunHelper(const StackHelper::Options& options,
                                                     int64_t pid) {
  const SteadyTime deadline = std::chrono::steady_clock::now() + options.timeout;
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) return ErrnoStatus(errno, "pipe2");
  const ScopedFd read_end(fds[0]);
  ScopedFd write_end(fds[1]);
  ASSIGN_OR_RETURN(const pid_t helper, Spawn(options.program, pid, write_end.get()));
  write_end.Reset();
  std::string text;
  absl::Status read = ReadUntil(read_end.get(), deadline, &text);
  // It has nothing to say any more, or too much. When it dies, what it holds goes on.
  ::kill(helper, SIGKILL);
  Reap(helper);
  auto stacks = supervision::DecodeStacks(text);
  if (!stacks.ok() && !read.ok()) return read;
  return stacks;
}

absl::Status Busy(absl::string_view what) {
  return rpc::WithReason(absl::ResourceExhaustedError(what), "STACKS_BUSY");
}

}  // namespace

StackHelper::~StackHelper() {
  for (auto& [pid, thread] : running_) thread.join();
}

void StackHelper::Take(int64_t pid, Done done) {
  absl::Status refused;
  if (options_.program.empty()) {
    refused = absl::FailedPreconditionError("there is no helper program for that");
  } else if (running_.contains(pid)) {
    refused = Busy(absl::StrCat("the stacks of process ", pid, " are being taken already"));
  } else if (running_.size() >= kHelpersMax) {
    refused = Busy(absl::StrCat("the stacks of ", kHelpersMax, " other processes are being taken"));
  }
  if (!refused.ok()) {
    return post_([done = std::move(done), refused] { done(refused); });
  }
  running_[pid] = std::thread([this, pid, done = std::move(done)] {
    auto stacks = RunHelper(options_, pid);
    post_([this, pid, done, stacks = std::move(stacks)] {
      const auto found = running_.find(pid);
      found->second.join();
      running_.erase(found);
      done(stacks);
    });
  });
}

}  // namespace center::coordinator
