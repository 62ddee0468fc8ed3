// Orphans that fall to this very process: it asks for them.
#include "services/coordinator/supervision/orphan_children.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <string>
#include <thread>

#include "absl/strings/numbers.h"
#include "absl/strings/strip.h"
#include "services/common/fd.h"
#include "services/common/proc_stat.h"

namespace center::supervision {
namespace {

constexpr std::chrono::seconds kOrphansDeadline{20};

class OrphanChildrenTest : public testing::Test {
 protected:
  OrphanChildrenTest() { EXPECT_EQ(::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0); }
  ~OrphanChildrenTest() override { ::prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0); }

  // A shell that says a number, usually a pid, and ends or not; the number.
  static pid_t Run(const std::string& script, pid_t* shell) {
    int ends[2] = {-1, -1};
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    const ScopedFd read_end(ends[0]);
    ScopedFd write_end(ends[1]);
    std::string sh = "/bin/sh";
    std::string flag = "-c";
    std::string command = script;
    char* argv[] = {sh.data(), flag.data(), command.data(), nullptr};
    posix_spawn_file_actions_t actions;
    EXPECT_EQ(::posix_spawn_file_actions_init(&actions), 0);
    EXPECT_EQ(::posix_spawn_file_actions_adddup2(&actions, write_end.get(), STDOUT_FILENO), 0);
    EXPECT_EQ(::posix_spawn(shell, sh.c_str(), &actions, nullptr, argv, environ), 0);
    ::posix_spawn_file_actions_destroy(&actions);
    write_end.Reset();
    char text[32] = {};
    EXPECT_GT(::read(read_end.get(), text, sizeof text - 1), 0);
    pid_t number = 0;
    EXPECT_TRUE(absl::SimpleAtoi(absl::StripSuffix(text, "\n"), &number));
    return number;
  }
  static bool IsZombie(pid_t pid) {
    const auto stat = ReadProcStat(pid);
    return stat.ok() && stat->state == 'Z';
  }
  static bool IsGone(pid_t pid) { return absl::IsNotFound(ReadProcStat(pid).status()); }
  static bool Eventually(const std::function<bool()>& condition) {
    const auto deadline = std::chrono::steady_clock::now() + kOrphansDeadline;
    while (!condition()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::yield();
    }
    return true;
  }
};

TEST_F(OrphanChildrenTest, AnOrphanIsReapedAndAChildOfOursIsNot) {
  EXPECT_TRUE(OrphanChildren::AreOurs());
  pid_t shell = 0;
  const pid_t orphan = Run("sleep 0.01 >/dev/null & echo $!", &shell);
  pid_t other_orphan_parent = 0;
  const pid_t other = Run("sleep 0.01 >/dev/null & echo $!", &other_orphan_parent);
  ASSERT_TRUE(Eventually([&] { return IsZombie(shell) && IsZombie(other_orphan_parent); }));
  ASSERT_TRUE(Eventually([&] { return IsZombie(orphan) && IsZombie(other); }));
  OrphanChildren children([&](int64_t pid) { return pid == shell || pid == other_orphan_parent; });
  EXPECT_EQ(children.Reap(), 0) << "somebody may be about to wait for it";
  EXPECT_EQ(children.Reap(), 2);
  EXPECT_TRUE(IsGone(orphan) && IsGone(other));
  EXPECT_EQ(children.Reap(), 0);
  int status = 0;
  EXPECT_EQ(::waitpid(shell, &status, 0), shell) << "whoever launched it learns how it ended";
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(::waitpid(other_orphan_parent, &status, 0), other_orphan_parent);
}

TEST_F(OrphanChildrenTest, WhoWaitsForAChildOfItsOwnIsInTime) {
  pid_t shell = 0;
  Run("echo 1; exit 7", &shell);
  ASSERT_TRUE(Eventually([&] { return IsZombie(shell); }));
  OrphanChildren children([](int64_t) { return false; });
  EXPECT_EQ(children.Reap(), 0);
  int status = 0;
  ASSERT_EQ(::waitpid(shell, &status, 0), shell);
  EXPECT_EQ(WEXITSTATUS(status), 7);
  EXPECT_EQ(children.Reap(), 0);
}

TEST_F(OrphanChildrenTest, AProcessWithoutThatDutyKnowsIt) {
  ::prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0);
  EXPECT_EQ(OrphanChildren::AreOurs(), ::getpid() == 1);
}

}  // namespace
}  // namespace center::supervision
