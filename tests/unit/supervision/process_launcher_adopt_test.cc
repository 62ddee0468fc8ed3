// PosixLauncher with processes that somebody else has launched: here, a shell between them and us,
// so that they are no children of ours, or this test itself.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <string>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/types/optional.h"
#include "services/common/proc_stat.h"
#include "services/coordinator/supervision/process_launcher.h"

namespace center::supervision {
namespace {

using testing::HasSubstr;

constexpr std::chrono::seconds kAdoptedDeadline{20};

class AdoptedProcessTest : public testing::Test {
 protected:
  struct Pipe {
    ScopedFd read_end;
    ScopedFd write_end;
  };
  static Pipe MakePipe() {
    int ends[2] = {-1, -1};
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    return {ScopedFd(ends[0]), ScopedFd(ends[1])};
  }
  ~AdoptedProcessTest() override {
    if (pid_ > 1) ::kill(pid_, SIGKILL);
    shell_input_.write_end.Reset();
    if (shell_ <= 0) return;
    EXPECT_EQ(::waitpid(shell_, nullptr, 0), shell_);
  }

  // A grandchild in a group of its own that runs `script`, with its output in our pipes and what
  // Release writes as descriptor 7. The shell in between reaps it at once, or, with `keeps_zombie`,
  // not before the end of the test.
  void StartStranger(const std::string& script, bool keeps_zombie = false) {
    const Pipe told = MakePipe();
    const std::string after = keeps_zombie ? "read x" : "wait; read x";
    std::string command = absl::StrCat(
        "setsid sh -c '", script,
        "' <&- >&5 2>&6 5>&- 6>&- & echo $! >&4; exec 4>&-; exec 5>&-; exec 6>&-; ", after);
    std::string sh = "/bin/sh";
    std::string flag = "-c";
    char* argv[] = {sh.data(), flag.data(), command.data(), nullptr};
    posix_spawn_file_actions_t actions;
    ASSERT_EQ(::posix_spawn_file_actions_init(&actions), 0);
    const int sources[] = {shell_input_.read_end.get(), told.write_end.get(), out_.write_end.get(),
                           err_.write_end.get(), release_.read_end.get()};
    const int targets[] = {0, 4, 5, 6, 7};
    // Out of the way of the targets first.
    ScopedFd copies[5];
    for (int i = 0; i < 5; ++i) {
      copies[i].Reset(::fcntl(sources[i], F_DUPFD_CLOEXEC, 100));
      ASSERT_EQ(::posix_spawn_file_actions_adddup2(&actions, copies[i].get(), targets[i]), 0);
    }
    ASSERT_EQ(::posix_spawn(&shell_, sh.c_str(), &actions, nullptr, argv, environ), 0);
    ::posix_spawn_file_actions_destroy(&actions);
    char text[32] = {};
    ASSERT_GT(::read(told.read_end.get(), text, sizeof text - 1), 0);
    ASSERT_TRUE(absl::SimpleAtoi(absl::StripSuffix(text, "\n"), &pid_));
    out_.write_end.Reset();
    err_.write_end.Reset();
  }
  void Release() { ASSERT_EQ(::write(release_.write_end.get(), "\n", 1), 1); }
  absl::Status Adopt(int64_t pid) {
    ScopedFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    EXPECT_TRUE(pidfd.valid());
    return launcher_.Adopt({.pid = pid, .pidfd = std::move(pidfd), .log_name = "old"},
                           [this](ProcessExit exit) {
                             EXPECT_FALSE(exit_.has_value()) << "reported twice";
                             exit_ = std::move(exit);
                           });
  }
  ProcessExit AwaitExit() {
    RunUntil([this] { return exit_.has_value(); });
    return exit_.value_or(ProcessExit{});
  }
  void RunUntil(const std::function<bool()>& condition) {
    const auto deadline = std::chrono::steady_clock::now() + kAdoptedDeadline;
    context_.restart();
    while (!condition() && std::chrono::steady_clock::now() < deadline) {
      context_.run_one_for(std::chrono::milliseconds(10));
    }
    EXPECT_TRUE(condition());
  }

  asio::io_context context_;
  PosixLauncher launcher_{context_};
  Pipe shell_input_ = MakePipe();  // the shell ends with it
  Pipe release_ = MakePipe();
  Pipe out_ = MakePipe();
  Pipe err_ = MakePipe();
  pid_t shell_ = -1;
  pid_t pid_ = -1;
  absl::optional<ProcessExit> exit_;
};

TEST_F(AdoptedProcessTest, ItsDeathIsSeenButNotHowItDied) {
  StartStranger("exec sleep 600");
  ASSERT_TRUE(Adopt(pid_).ok());
  EXPECT_TRUE(absl::IsAlreadyExists(Adopt(pid_)));
  ASSERT_TRUE(launcher_.Signal(pid_, 0).ok());
  ASSERT_EQ(::kill(pid_, SIGTERM), 0);
  const ProcessExit exit = AwaitExit();
  EXPECT_EQ(exit.pid, pid_);
  EXPECT_FALSE(exit.known);
  EXPECT_TRUE(absl::IsNotFound(launcher_.Signal(pid_, SIGTERM)));
}

TEST_F(AdoptedProcessTest, ItsOutputIsReadOnceItIsHandedOver) {
  StartStranger("echo before; read x <&7; echo last words >&2; exit 3");
  ASSERT_TRUE(Adopt(pid_).ok());
  ASSERT_TRUE(
      launcher_.AttachOutput(pid_, std::move(out_.read_end), std::move(err_.read_end)).ok());
  EXPECT_TRUE(absl::IsAlreadyExists(
      launcher_.AttachOutput(pid_, MakePipe().read_end, MakePipe().read_end)));
  Release();
  EXPECT_THAT(AwaitExit().stderr_tail, HasSubstr("last words"));
  EXPECT_TRUE(
      absl::IsNotFound(launcher_.AttachOutput(pid_, MakePipe().read_end, MakePipe().read_end)));
}

TEST_F(AdoptedProcessTest, ASignalReachesItAndAKillItsWholeGroup) {
  StartStranger("sleep 600 & echo $!; wait");
  char text[32] = {};
  ASSERT_GT(::read(out_.read_end.get(), text, sizeof text - 1), 0);
  pid_t helper = 0;
  ASSERT_TRUE(absl::SimpleAtoi(absl::StripSuffix(text, "\n"), &helper));
  ASSERT_TRUE(Adopt(pid_).ok());
  ASSERT_TRUE(launcher_.Signal(pid_, SIGKILL).ok());
  AwaitExit();
  RunUntil([&] {
    const auto stat = ReadProcStat(helper);
    return !stat.ok() || stat->state == 'Z';
  });
}

TEST_F(AdoptedProcessTest, WhatIsLeftOfItsGroupEndsWithIt) {
  StartStranger("sleep 600 & echo $!; exec sleep 600", /*keeps_zombie=*/true);
  char text[32] = {};
  ASSERT_GT(::read(out_.read_end.get(), text, sizeof text - 1), 0);
  pid_t helper = 0;
  ASSERT_TRUE(absl::SimpleAtoi(absl::StripSuffix(text, "\n"), &helper));
  ASSERT_TRUE(Adopt(pid_).ok());
  ASSERT_EQ(::kill(pid_, SIGKILL), 0);
  AwaitExit();
  RunUntil([&] {
    const auto stat = ReadProcStat(helper);
    return !stat.ok() || stat->state == 'Z';
  });
}

TEST_F(AdoptedProcessTest, AChildOfOursTellsHowItEnded) {
  std::string sh = "/bin/sh";
  std::string flag = "-c";
  std::string command = "read x; exit 5";
  char* argv[] = {sh.data(), flag.data(), command.data(), nullptr};
  posix_spawn_file_actions_t actions;
  ASSERT_EQ(::posix_spawn_file_actions_init(&actions), 0);
  ASSERT_EQ(::posix_spawn_file_actions_adddup2(&actions, shell_input_.read_end.get(), 0), 0);
  posix_spawnattr_t attributes;
  ASSERT_EQ(::posix_spawnattr_init(&attributes), 0);
  ASSERT_EQ(::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP), 0);
  pid_t child = -1;
  ASSERT_EQ(::posix_spawn(&child, sh.c_str(), &actions, &attributes, argv, environ), 0);
  ::posix_spawn_file_actions_destroy(&actions);
  ::posix_spawnattr_destroy(&attributes);
  ASSERT_TRUE(Adopt(child).ok());
  shell_input_.write_end.Reset();
  const ProcessExit exit = AwaitExit();
  EXPECT_TRUE(exit.known);
  EXPECT_EQ(exit.exit_code, 5);
  EXPECT_EQ(::waitpid(child, nullptr, WNOHANG), -1) << "it is reaped";
}

}  // namespace
}  // namespace center::supervision
