// The coordinator as process 1, as in a container: orphans fall to it, and must not be taken for
// workers.
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <iostream>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/proc_stat.h"
#include "tests/integration/fleet.h"

namespace center::itest {
namespace {

using ::testing::HasSubstr;

// The children of a process with this name, as this machine numbers them.
std::vector<pid_t> ChildrenOf(pid_t parent, const std::string& name) {
  std::vector<pid_t> found;
  const std::string path = absl::StrCat("/proc/", parent, "/task/", parent, "/children");
  for (const absl::string_view text : absl::StrSplit(ReadWholeFile(path), ' ', absl::SkipEmpty())) {
    pid_t pid = 0;
    if (!absl::SimpleAtoi(text, &pid)) continue;
    if (ReadWholeFile(absl::StrCat("/proc/", pid, "/comm")) == name + "\n") found.push_back(pid);
  }
  return found;
}

class ContainerTest : public ::testing::Test {
 protected:
  static bool MayUnshare() {
    return RunToEnd("/usr/bin/unshare", {"--pid", "--fork", "--mount-proc", "true"}).exit_code == 0;
  }
  RunResult Ctl(std::vector<std::string> args) const {
    args.insert(args.begin(), {"--address", absl::StrCat("unix:", dir_ / "c.sock")});
    return RunToEnd(Binary("centerctl"), args);
  }

  TempDir dir_;
};

TEST_F(ContainerTest, OrphansAreReapedAndWorkersAreStillWorkers) {
  if (!MayUnshare()) {
    // Only root may; CI is root. Said loudly, and everything else of the suite still counts.
    std::cerr << "NOTE: no namespace of process ids could be made (are you root?): the coordinator "
                 "as process 1 is NOT tested\n";
    ASSERT_STRNE(getenv("CI"), "true") << "CI must be able to make a namespace of process ids";
    return;
  }
  Process container(
      {.program = "/usr/bin/unshare",
       .args = {"--pid", "--fork", "--kill-child", "--mount-proc", Binary("center-coordinator"),
                "--data-dir", dir_ / "data", "--listen", absl::StrCat("unix:", dir_ / "c.sock")},
       .stdout_path = dir_ / "log"});
  ASSERT_TRUE(WaitFor([&] { return Ctl({"coordinator", "status"}).exit_code == 0; }))
      << ReadWholeFile(dir_ / "log");
  EXPECT_THAT(Ctl({"coordinator", "status", "-o", "json"}).out, HasSubstr("\"pid\": 1,"));
  const auto inits = ChildrenOf(container.pid(), "center-coordina");  // the kernel cuts names
  ASSERT_EQ(inits.size(), 1u);
  const pid_t init = inits[0];
  ASSERT_EQ(Ctl({"server", "start", "-p", "0", "-n", "2"}).exit_code, 0);

  // The shell's child outlives it.
  ASSERT_EQ(RunToEnd("/usr/bin/nsenter", {"--target", absl::StrCat(init), "--pid", "sh", "-c",
                                          "sleep 600 >/dev/null 2>&1 &"})
                .exit_code,
            0);
  std::vector<pid_t> orphans;
  ASSERT_TRUE(WaitFor([&] {
    orphans = ChildrenOf(init, "sleep");
    return orphans.size() == 1;
  }));
  ASSERT_TRUE(KillProcess(orphans[0]));
  EXPECT_TRUE(WaitFor([&] { return absl::IsNotFound(ReadProcStat(orphans[0]).status()); }))
      << "it stays as a zombie";

  const auto workers = ChildrenOf(init, "center-worker");
  ASSERT_EQ(workers.size(), 2u);
  ASSERT_TRUE(KillProcess(workers[0]));
  EXPECT_TRUE(WaitFor([&] {
    const std::string events = Ctl({"events"}).out;
    return events.find("killed by SIGKILL") != std::string::npos;
  })) << Ctl({"events"}).out;
  EXPECT_TRUE(WaitFor([&] { return ChildrenOf(init, "center-worker").size() == 2; }));

  // Process 1 must not leave: the kernel would kill all that it has started.
  ASSERT_EQ(::kill(init, SIGUSR2), 0);
  EXPECT_TRUE(
      WaitFor([&] { return ReadWholeFile(dir_ / "log").find("ignored") != std::string::npos; }));
  EXPECT_EQ(Ctl({"coordinator", "status"}).exit_code, 0);

  ASSERT_EQ(::kill(init, SIGTERM), 0);
  const auto status = container.Wait(absl::Seconds(30));
  ASSERT_TRUE(status.has_value());
  EXPECT_TRUE(WIFEXITED(*status) && WEXITSTATUS(*status) == 0) << "wait status " << *status;
}

}  // namespace
}  // namespace center::itest
