// A process of the test's own: killed and reaped with the object.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "services/common/fd.h"

namespace center::coordinator {

class TestChild {
 public:
  // Waits until it has written a byte to stdout.
  explicit TestChild(std::vector<std::string> command) {
    int ends[2] = {-1, -1};
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    const ScopedFd read_end(ends[0]);
    ScopedFd write_end(ends[1]);
    std::vector<char*> argv;
    for (std::string& word : command) argv.push_back(word.data());
    argv.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    EXPECT_EQ(::posix_spawn_file_actions_init(&actions), 0);
    EXPECT_EQ(::posix_spawn_file_actions_adddup2(&actions, write_end.get(), STDOUT_FILENO), 0);
    if (::posix_spawn(&pid_, argv[0], &actions, nullptr, argv.data(), environ) != 0) pid_ = -1;
    EXPECT_GT(pid_, 0) << command[0];
    ::posix_spawn_file_actions_destroy(&actions);
    write_end.Reset();
    char byte = 0;
    EXPECT_EQ(::read(read_end.get(), &byte, 1), 1);
  }
  ~TestChild() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    Reap();
  }
  TestChild(const TestChild&) = delete;
  TestChild& operator=(const TestChild&) = delete;

  // One that lives until somebody ends it.
  static std::vector<std::string> Sleeper() { return Shell("echo; exec sleep 600"); }
  // One that only SIGKILL ends.
  static std::vector<std::string> Stubborn() { return Shell("trap '' TERM; echo; exec sleep 600"); }
  static std::vector<std::string> Shell(const std::string& script) {
    return {"/bin/sh", "-c", script};
  }

  pid_t pid() const { return pid_; }
  // No-op when it was reaped.
  void Signal(int signal) const {
    if (pid_ > 0) ::kill(pid_, signal);
  }
  // Waits for its death, which stays to be reaped.
  void WaitForDeath() const {
    siginfo_t info{};
    EXPECT_EQ(::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT), 0);
  }
  // Waits for its death and returns the signal that it died of (0: it exited).
  int Reap() {
    int status = 0;
    EXPECT_EQ(::waitpid(pid_, &status, 0), pid_);
    pid_ = -1;
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  }

 private:
  pid_t pid_ = -1;
};

}  // namespace center::coordinator
