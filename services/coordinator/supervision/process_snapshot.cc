#include "services/coordinator/supervision/process_snapshot.h"

#include <dirent.h>
#include <elf.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <ctime>
#include <memory>
#include <set>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "services/common/fd.h"
#include "services/common/status_macros.h"
#include "services/coordinator/supervision/stacks.h"

namespace center::supervision {
namespace {

constexpr size_t kStackBytesCopied = 128 * 1024;
// Unwind tables may refer to what has just been popped: it still lies below the stack pointer.
constexpr uint64_t kBytesBelowStackPointer = 256;
// A thread in an uninterruptible call does not stop.
constexpr std::chrono::milliseconds kStopTimeout{200};
constexpr timespec kPollInterval{.tv_sec = 0, .tv_nsec = 50'000};
// Threads may start while we look.
constexpr int kRoundsMax = 4;

absl::StatusOr<std::vector<pid_t>> ListThreads(int64_t pid) {
  const std::string path = absl::StrCat("/proc/", pid, "/task");
  const std::unique_ptr<DIR, int (*)(DIR*)> dir(::opendir(path.c_str()), ::closedir);
  if (dir == nullptr) return ErrnoStatus(errno, absl::StrCat("process ", pid));
  std::vector<pid_t> threads;
  while (const dirent* entry = ::readdir(dir.get())) {
    pid_t tid = 0;
    if (absl::SimpleAtoi(entry->d_name, &tid)) threads.push_back(tid);
  }
  return threads;
}

uint64_t StackPointer(const Registers& registers) {
#if defined(__x86_64__)
  return registers.rsp;
#else
  return registers.sp;
#endif
}

std::string ThreadName(int64_t pid, pid_t tid) {
  auto name = ReadSmallFile(absl::StrCat("/proc/", pid, "/task/", tid, "/comm"));
  return name.ok() ? std::string(absl::StripSuffix(*name, "\n")) : "";
}

// The letter behind "4711 (name) ": T is stopped, Z dead and only not yet reaped. '?': unknown.
char ProcessState(int64_t pid) {
  const auto stat = ReadSmallFile(absl::StrCat("/proc/", pid, "/stat"));
  if (!stat.ok()) return '?';
  const size_t name_end = stat->rfind(')');
  return name_end + 2 < stat->size() ? (*stat)[name_end + 2] : '?';
}

absl::Status SeizeError(int64_t pid, int error) {
  if (error == EPERM && ProcessState(pid) == 'Z') {
    return absl::NotFoundError(absl::StrCat("process ", pid, " is dead"));
  }
  if (error != EPERM) return ErrnoStatus(error, absl::StrCat("ptrace of process ", pid));
  const auto scope = ReadSmallFile("/proc/sys/kernel/yama/ptrace_scope");
  return absl::PermissionDeniedError(absl::StrCat(
      "ptrace of process ", pid, " is not permitted",
      scope.ok() ? absl::StrCat(" (kernel.yama.ptrace_scope is ", absl::StripSuffix(*scope, "\n"),
                                "; 0 or 1 let Center look at its workers)")
                 : " (seccomp, a capability that is missing, or another tracer)"));
}

// Follows threads from Seize to the destructor, which lets them go on.
class Tracer {
 public:
  explicit Tracer(int64_t pid) : pid_(pid) {}
  ~Tracer() { LetGo(); }
  Tracer(const Tracer&) = delete;
  Tracer& operator=(const Tracer&) = delete;

  // Stops every thread. `snapshot` gets those that there are.
  absl::Status StopAll(ProcessSnapshot* snapshot) {
    std::set<pid_t> seen;
    for (int round = 0; round < kRoundsMax; ++round) {
      ASSIGN_OR_RETURN(const std::vector<pid_t> threads, ListThreads(pid_));
      const size_t before = seized_.size();
      for (const pid_t tid : threads) {
        if (seized_.size() == kThreadsMax || !seen.insert(tid).second) continue;
        RETURN_IF_ERROR(Seize(tid));
      }
      if (seized_.size() == before) break;
      for (size_t i = before; i < seized_.size(); ++i) {
        ::ptrace(PTRACE_INTERRUPT, seized_[i].tid, nullptr, nullptr);
      }
      AwaitStops(std::chrono::steady_clock::now() + kStopTimeout);
    }
    if (seized_.empty()) return absl::NotFoundError(absl::StrCat("process ", pid_, " is gone"));
    for (const Thread& thread : seized_) {
      if (thread.gone) continue;
      snapshot->threads.push_back({.tid = thread.tid, .stopped = thread.stopped});
    }
    return absl::OkStatus();
  }

  void LetGo() {
    for (const Thread& thread : seized_) {
      // One that has not stopped cannot be let go: it is when this process ends.
      if (thread.stopped) ::ptrace(PTRACE_DETACH, thread.tid, nullptr, thread.signal);
    }
    seized_.clear();
  }

 private:
  struct Thread {
    pid_t tid = 0;
    bool stopped = false;
    bool gone = false;
    long signal = 0;  // that was being delivered when it stopped: delivered when it goes on
  };

  absl::Status Seize(pid_t tid) {
    if (::ptrace(PTRACE_SEIZE, tid, nullptr, nullptr) == 0) {
      seized_.push_back({.tid = tid});
      return absl::OkStatus();
    }
    const int error = errno;
    // A thread that has ended meanwhile, or a zombie.
    if (error == ESRCH || (error == EPERM && !seized_.empty())) return absl::OkStatus();
    return SeizeError(pid_, error);
  }

  void AwaitStops(SteadyTime deadline) {
    while (true) {
      bool all = true;
      for (Thread& thread : seized_) {
        if (!thread.stopped && !thread.gone) all = Poll(thread) && all;
      }
      if (all || std::chrono::steady_clock::now() >= deadline) return;
      ::nanosleep(&kPollInterval, nullptr);
    }
  }

  // True when there is nothing more to wait for.
  static bool Poll(Thread& thread) {
    int status = 0;
    const pid_t waited = ::waitpid(thread.tid, &status, __WALL | WNOHANG);
    if (waited == 0) return false;
    if (waited < 0 || !WIFSTOPPED(status)) {
      thread.gone = true;
      return true;
    }
    thread.stopped = true;
    const bool by_interrupt = (status >> 16) == PTRACE_EVENT_STOP;
    thread.signal = by_interrupt ? 0 : WSTOPSIG(status);
    return true;
  }

  const int64_t pid_;
  std::vector<Thread> seized_;
};

void CopyThread(int64_t pid, ThreadSnapshot* thread) {
  thread->name = ThreadName(pid, static_cast<pid_t>(thread->tid));
  if (!thread->stopped) return;
  iovec registers{.iov_base = &thread->registers, .iov_len = sizeof thread->registers};
  if (::ptrace(PTRACE_GETREGSET, thread->tid, NT_PRSTATUS, &registers) != 0) {
    thread->stopped = false;
    return;
  }
  thread->stack_begin = StackPointer(thread->registers) - kBytesBelowStackPointer;
  thread->stack.resize(kStackBytesCopied);
  const iovec local{.iov_base = thread->stack.data(), .iov_len = thread->stack.size()};
  const iovec remote{                                      // An address in the other process.
                     .iov_base = reinterpret_cast<void*>(  // NOLINT(performance-no-int-to-ptr)
                         thread->stack_begin),
                     .iov_len = thread->stack.size()};
  // As much as there is: most stacks are shorter.
  const ssize_t copied =
      ::process_vm_readv(static_cast<pid_t>(pid), &local, 1, &remote, 1, /*flags=*/0);
  thread->stack.resize(copied > 0 ? static_cast<size_t>(copied) : 0);
}

}  // namespace

absl::StatusOr<ProcessSnapshot> TakeSnapshot(int64_t pid) {
  ProcessSnapshot snapshot{.was_stopped = ProcessState(pid) == 'T'};
  Tracer tracer(pid);
  const SteadyTime begin = std::chrono::steady_clock::now();
  RETURN_IF_ERROR(tracer.StopAll(&snapshot));
  for (ThreadSnapshot& thread : snapshot.threads) CopyThread(pid, &thread);
  tracer.LetGo();
  snapshot.stopped_for = std::chrono::steady_clock::now() - begin;
  const auto begins = snapshot.threads.begin();
  const auto main = std::find_if(begins, snapshot.threads.end(),
                                 [pid](const ThreadSnapshot& thread) { return thread.tid == pid; });
  if (main != snapshot.threads.end()) std::rotate(begins, main, main + 1);
  return snapshot;
}

}  // namespace center::supervision
