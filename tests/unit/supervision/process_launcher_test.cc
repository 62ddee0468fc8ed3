// PosixLauncher with real programs.
#include "services/coordinator/supervision/process_launcher.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <asio/io_context.hpp>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/types/optional.h"
#include "services/common/fd.h"
#include "services/coordinator/supervision/output_capture.h"

namespace center::supervision {
namespace {

using testing::HasSubstr;

constexpr std::chrono::seconds kDeadline{20};

class PosixLauncherTest : public testing::Test {
 protected:
  // Launches and runs the loop until the exit is reported.
  ProcessExit RunToEnd(const LaunchSpec& spec) {
    const absl::StatusOr<int64_t> pid = Launch(spec);
    EXPECT_TRUE(pid.ok()) << pid.status();
    if (!pid.ok()) return ProcessExit{};
    return AwaitExit(*pid);
  }
  ProcessExit Shell(const std::string& script) { return RunToEnd(ShellSpec(script)); }
  static LaunchSpec ShellSpec(const std::string& script) {
    return LaunchSpec{.program = "/bin/sh", .args = {"-c", script}, .log_name = "test"};
  }

  absl::StatusOr<int64_t> Launch(const LaunchSpec& spec) {
    exit.reset();
    return launcher.Launch(spec, [this](ProcessExit process_exit) {
      EXPECT_FALSE(exit.has_value()) << "reported twice";
      exit = std::move(process_exit);
    });
  }
  ProcessExit AwaitExit(int64_t pid) {
    const auto deadline = std::chrono::steady_clock::now() + kDeadline;
    context.restart();
    while (!exit.has_value() && std::chrono::steady_clock::now() < deadline) {
      context.run_one_for(std::chrono::milliseconds(100));
    }
    EXPECT_TRUE(exit.has_value()) << "process " << pid << " has not ended";
    if (!exit.has_value()) return ProcessExit{};
    EXPECT_EQ(exit->pid, pid);
    return *exit;
  }
  // What a program that prints to stderr has printed.
  std::string Output(const LaunchSpec& spec) { return RunToEnd(spec).stderr_tail; }

  asio::io_context context;
  absl::optional<ProcessExit> exit;
  PosixLauncher launcher{context};
};

TEST_F(PosixLauncherTest, ExitCodes) {
  EXPECT_EQ(RunToEnd({.program = "/bin/true"}).exit_code, 0);
  EXPECT_EQ(RunToEnd({.program = "/bin/false"}).exit_code, 1);
  const ProcessExit three = Shell("exit 3");
  EXPECT_EQ(three.exit_code, 3);
  EXPECT_EQ(three.signal, 0);
  EXPECT_GT(three.time, absl::Now() - absl::Minutes(1));
}

TEST_F(PosixLauncherTest, Signals) {
  const ProcessExit killed = Shell("kill -KILL $$");
  EXPECT_EQ(killed.signal, SIGKILL);
  EXPECT_FALSE(killed.core_dumped);
  EXPECT_EQ(Shell("ulimit -c 0; kill -SEGV $$").signal, SIGSEGV);
}

TEST_F(PosixLauncherTest, SignalReachesTheProcessAndOnlyALivingOne) {
  int fds[2];
  ASSERT_EQ(pipe2(fds, O_CLOEXEC), 0);
  const ScopedFd read_end(fds[0]);
  ScopedFd write_end(fds[1]);
  LaunchSpec spec = ShellSpec("trap 'exit 7' TERM; echo >&3; while :; do sleep 0.01; done");
  spec.inherited_fds = {write_end.get()};
  const auto pid = Launch(spec);
  ASSERT_TRUE(pid.ok());
  write_end.Reset();
  char byte = 0;
  ASSERT_EQ(read(read_end.get(), &byte, 1), 1);  // the trap is set
  ASSERT_TRUE(launcher.Signal(*pid, SIGTERM).ok());
  EXPECT_EQ(AwaitExit(*pid).exit_code, 7);
  EXPECT_EQ(launcher.Signal(*pid, SIGTERM).code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(launcher.Signal(1, 0).code(), absl::StatusCode::kNotFound);
}

TEST_F(PosixLauncherTest, NoZombieIsLeft) {
  const ProcessExit end = RunToEnd({.program = "/bin/true"});
  errno = 0;
  EXPECT_EQ(waitpid(static_cast<pid_t>(end.pid), nullptr, WNOHANG), -1);
  EXPECT_EQ(errno, ECHILD);
}

TEST_F(PosixLauncherTest, MissingProgramIsAnErrorThatNamesIt) {
  const auto pid = Launch({.program = "/nonexistent/program"});
  EXPECT_EQ(pid.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(pid.status().message(), HasSubstr("/nonexistent/program"));
  EXPECT_FALSE(Launch({.program = "/etc/passwd"}).ok());
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1);
}

TEST_F(PosixLauncherTest, InheritedDescriptorThatIsClosedIsAnError) {
  LaunchSpec spec{.program = "/bin/true"};
  spec.inherited_fds = {1'000'000};
  EXPECT_FALSE(Launch(spec).ok());
}

TEST_F(PosixLauncherTest, KeepsTheEndOfStderr) {
  EXPECT_EQ(Shell("echo out; echo one >&2; printf two >&2").stderr_tail, "one\ntwo");
  const std::string tail =
      Shell("i=0; while [ $i -lt 5000 ]; do echo line $i >&2; i=$((i+1)); done").stderr_tail;
  EXPECT_LE(tail.size(), kStderrTailBytesMax);
  EXPECT_THAT(tail, testing::EndsWith("line 4999\n"));
}

TEST_F(PosixLauncherTest, StdinIsEmpty) {
  EXPECT_EQ(Shell("read x && exit 5; exit 6").exit_code, 6);
}

TEST_F(PosixLauncherTest, EnvironmentIsOursWithTheSpecsOnTop) {
  ASSERT_EQ(setenv("CENTER_TEST_KEPT", "kept", 1), 0);
  ASSERT_EQ(setenv("CENTER_TEST_CHANGED", "old", 1), 0);
  ASSERT_EQ(setenv("LISTEN_PID", "1", 1), 0);
  ASSERT_EQ(setenv("LISTEN_FDS", "7", 1), 0);
  LaunchSpec spec =
      ShellSpec("echo $CENTER_TEST_KEPT $CENTER_TEST_CHANGED $LISTEN_FDS ${LISTEN_PID-unset} >&2");
  spec.env = {"CENTER_TEST_CHANGED=new", "LISTEN_FDS=2"};
  EXPECT_EQ(Output(spec), "kept new 2 unset\n");
  for (const char* name : {"CENTER_TEST_KEPT", "CENTER_TEST_CHANGED", "LISTEN_PID", "LISTEN_FDS"}) {
    EXPECT_EQ(unsetenv(name), 0);
  }
}

TEST_F(PosixLauncherTest, HasItsOwnProcessGroupAndDefaultSignals) {
  struct sigaction ignore{};
  struct sigaction before{};
  ignore.sa_handler = SIG_IGN;
  ASSERT_EQ(sigaction(SIGPIPE, &ignore, &before), 0);
  sigset_t blocked;
  sigset_t old_mask;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGTERM);
  ASSERT_EQ(pthread_sigmask(SIG_BLOCK, &blocked, &old_mask), 0);
  const ProcessExit end = RunToEnd(
      {.program = "/bin/sh",
       .args = {
           "-c",
           "set -- $(cat /proc/self/stat); echo $5 >&2; exec grep Sig /proc/self/status >&2"}});
  ASSERT_EQ(pthread_sigmask(SIG_SETMASK, &old_mask, nullptr), 0);
  ASSERT_EQ(sigaction(SIGPIPE, &before, nullptr), 0);
  EXPECT_THAT(end.stderr_tail, testing::StartsWith(absl::StrCat(end.pid, "\n")));
  EXPECT_THAT(end.stderr_tail, HasSubstr("SigBlk:\t0000000000000000\n"));
  const size_t ignored = end.stderr_tail.find("SigIgn:\t");
  ASSERT_NE(ignored, std::string::npos);
  const uint64_t mask = std::stoull(end.stderr_tail.substr(ignored + 8, 16), nullptr, 16);
  constexpr uint64_t kLibcsOwn = uint64_t{3} << 31;  // signals 32 and 33, which nobody can set
  EXPECT_EQ(mask & ~kLibcsOwn, 0u);
}

// A file that says who it is, at a descriptor number of the test's choice.
ScopedFd NamedFile(const std::string& content, int at_least) {
  char path[] = "/tmp/center-launcher-XXXXXX";
  const ScopedFd file(mkostemp(path, O_CLOEXEC));
  EXPECT_TRUE(file.valid());
  EXPECT_EQ(unlink(path), 0);
  EXPECT_EQ(write(file.get(), content.data(), content.size()),
            static_cast<ssize_t>(content.size()));
  EXPECT_EQ(lseek(file.get(), 0, SEEK_SET), 0);
  ScopedFd moved(fcntl(file.get(), F_DUPFD_CLOEXEC, at_least));
  EXPECT_TRUE(moved.valid());
  return moved;
}

TEST_F(PosixLauncherTest, InheritedDescriptorsComeInOrder) {
  const ScopedFd a = NamedFile("a", 50);
  const ScopedFd b = NamedFile("b", 40);
  const ScopedFd c = NamedFile("c", 30);
  LaunchSpec spec = ShellSpec("cat <&3 >&2; cat <&4 >&2; cat <&5 >&2");
  spec.inherited_fds = {a.get(), b.get(), c.get()};
  EXPECT_EQ(Output(spec), "abc");
}

// Puts `content` at exactly `fd`, and what was there back in the end.
class FixedFile {
 public:
  FixedFile(const std::string& content, int fd) : fd_(fd), saved_(fcntl(fd, F_DUPFD_CLOEXEC, 100)) {
    const ScopedFd file = NamedFile(content, 60);
    EXPECT_EQ(dup3(file.get(), fd, O_CLOEXEC), fd);
  }
  ~FixedFile() {
    if (saved_.valid()) {
      EXPECT_EQ(dup3(saved_.get(), fd_, O_CLOEXEC), fd_);
    } else {
      EXPECT_EQ(close(fd_), 0);
    }
  }

 private:
  const int fd_;
  const ScopedFd saved_;
};

TEST(PosixLauncherOverlapTest, SourcesThatAreEachOthersTargetsAreNotMixedUp) {
  // Before the loop takes numbers of its own.
  const FixedFile three("three,", 3);
  const FixedFile four("four,", 4);
  const FixedFile five("five,", 5);
  asio::io_context context;
  PosixLauncher launcher(context);
  for (const auto& [order, expected] :
       std::vector<std::pair<std::vector<int>, std::string>>{{{4, 3, 5}, "four,three,five,"},
                                                             {{3, 4, 5}, "three,four,five,"},
                                                             {{5, 3, 4}, "five,three,four,"}}) {
    absl::optional<ProcessExit> exit;
    LaunchSpec spec{.program = "/bin/sh",
                    .args = {"-c", "for n in 3 4 5; do cat /proc/self/fd/$n >&2; done"}};
    spec.inherited_fds = order;
    ASSERT_TRUE(launcher.Launch(spec, [&](ProcessExit e) { exit = std::move(e); }).ok());
    const auto deadline = std::chrono::steady_clock::now() + kDeadline;
    context.restart();
    while (!exit.has_value() && std::chrono::steady_clock::now() < deadline) {
      context.run_one_for(std::chrono::milliseconds(100));
    }
    ASSERT_TRUE(exit.has_value());
    EXPECT_EQ(exit->stderr_tail, expected);
  }
}

TEST_F(PosixLauncherTest, NoOtherDescriptorLeaks) {
  const ScopedFd inherited = NamedFile("x", 30);
  // As gRPC's sockets are: not close-on-exec.
  const ScopedFd careless(dup(inherited.get()));
  ASSERT_TRUE(careless.valid());
  LaunchSpec spec{.program = "/bin/sh", .args = {"-c", "exec ls /proc/self/fd >&2"}};
  spec.inherited_fds = {inherited.get()};
  EXPECT_EQ(Output(spec), "0\n1\n2\n3\n4\n");              // 4 is the directory that ls reads
  EXPECT_EQ(fcntl(inherited.get(), F_GETFD), FD_CLOEXEC);  // ours is as it was
}

TEST_F(PosixLauncherTest, ProcessesDoNotKeepEachOthersPipesOpen) {
  const auto pid = launcher.Launch(ShellSpec("exec sleep 60"), [](ProcessExit) {});
  ASSERT_TRUE(pid.ok());
  EXPECT_EQ(Shell("echo short >&2").stderr_tail, "short\n");
  EXPECT_TRUE(launcher.Signal(*pid, SIGKILL).ok());
  // The loop runs no more: what it would have reaped must not be found by the tests that follow.
  EXPECT_EQ(waitpid(static_cast<pid_t>(*pid), nullptr, 0), *pid);
}

TEST_F(PosixLauncherTest, WhatIsLeftOfItsGroupIsKilledWithIt) {
  // The shell leaves a child behind that holds its stderr; only a killed child lets go of it.
  const auto begin = std::chrono::steady_clock::now();
  const ProcessExit end = Shell("sleep 60 & echo $! >&2; exit 4");
  EXPECT_EQ(end.exit_code, 4);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(15));
  const auto orphan = static_cast<pid_t>(std::stol(end.stderr_tail));
  const auto deadline = std::chrono::steady_clock::now() + kDeadline;
  // Gone, or a zombie that init has not looked at yet.
  const auto running = [orphan] {
    const auto stat = ReadSmallFile(absl::StrCat("/proc/", orphan, "/stat"));
    return stat.ok() && stat->find(") Z") == std::string::npos;
  };
  while (running() && std::chrono::steady_clock::now() < deadline) sched_yield();
  EXPECT_FALSE(running());
}

TEST_F(PosixLauncherTest, ExitIsReportedThoughADescendantHoldsThePipes) {
  // It has left the group (the fifo says so), so it is not killed, and holds stdout and stderr.
  const auto begin = std::chrono::steady_clock::now();
  const ProcessExit end = Shell(
      "f=$(mktemp -u) && mkfifo $f || exit 9; setsid sh -c \"echo \\$\\$ >$f; exec sleep 60\" & "
      "read pid <$f; rm $f; echo $pid >&2; exit 2");
  EXPECT_EQ(end.exit_code, 2);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(15));
  EXPECT_EQ(kill(static_cast<pid_t>(std::stol(end.stderr_tail)), SIGKILL), 0);
}

TEST_F(PosixLauncherTest, WhatItWroteIsThereHoweverLateItIsRead) {
  // As much as a pipe takes while nobody reads.
  const auto pid = Launch(ShellSpec("head -c 60000 /dev/zero | tr '\\0' x >&2; echo the end >&2"));
  ASSERT_TRUE(pid.ok()) << pid.status();
  const auto id = static_cast<id_t>(*pid);
  siginfo_t info{};
  ASSERT_EQ(::waitid(P_PID, id, &info, WEXITED | WNOWAIT), 0);
  while (::waitid(P_PID, id, &info, WEXITED | WNOHANG | WNOWAIT) == 0) context.poll_one();
  // Its death has just been seen; this process now stands still for longer than it has patience.
  const auto late = std::chrono::steady_clock::now() + std::chrono::milliseconds(400);
  while (std::chrono::steady_clock::now() < late) {
  }
  EXPECT_THAT(AwaitExit(*pid).stderr_tail, testing::EndsWith("the end\n"));
}

TEST_F(PosixLauncherTest, DestroyedLauncherReportsNothingMore) {
  absl::optional<int64_t> pid;
  {
    PosixLauncher other(context);
    const auto launched =
        other.Launch(ShellSpec("exec sleep 60"), [](ProcessExit) { ADD_FAILURE(); });
    ASSERT_TRUE(launched.ok());
    pid = *launched;
  }
  // It lives on.
  ASSERT_EQ(kill(static_cast<pid_t>(*pid), SIGKILL), 0);
  EXPECT_EQ(waitpid(static_cast<pid_t>(*pid), nullptr, 0), *pid);
  context.restart();
  context.poll();
}

TEST_F(PosixLauncherTest, ManyProcessesAtOnce) {
  int reported = 0;
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(launcher
                    .Launch(ShellSpec(absl::StrCat("exit ", i)),
                            [&reported, i](ProcessExit process_exit) {
                              ++reported;
                              EXPECT_EQ(process_exit.exit_code, i);
                            })
                    .ok());
  }
  const auto deadline = std::chrono::steady_clock::now() + kDeadline;
  while (reported < 50 && std::chrono::steady_clock::now() < deadline) {
    context.run_one_for(std::chrono::milliseconds(100));
  }
  EXPECT_EQ(reported, 50);
}

}  // namespace
}  // namespace center::supervision
