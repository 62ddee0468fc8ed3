// Every death has a stated cause, and who hangs is found, examined and replaced.
#include <signal.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/fleet.h"
#include "tests/integration/producer.h"
#include "tests/sanitized.h"

namespace center::itest {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

std::string ThisTest() { return absl::StrCat("process ", ::getpid(), " ("); }

class DeathsTest : public testing::Test {
 protected:
  DeathsTest() : fleet_({.extra_args = {"--stacks-timeout", "4s"}}) {}

  // Kills worker default/1 of two by this signal, and returns how its end is told, once another one
  // is there.
  v1::WorkerExit ExitAfter(int signal) {
    fleet_.MustStart("default", SmallSpec(2));
    const pid_t victim = fleet_.WorkerPid("default", 1);
    const pid_t sibling = fleet_.WorkerPid("default", 0);
    EXPECT_EQ(::kill(victim, signal), 0);
    const auto died = fleet_.WaitEvent(v1::EVENT_TYPE_WORKER_DIED, "default/1");
    EXPECT_TRUE(died.ok()) << died.status();
    if (died.ok()) event_ = *died;
    EXPECT_TRUE(fleet_.WaitReady("default", victim));
    EXPECT_EQ(fleet_.WorkerPid("default", 0), sibling);
    const auto server = fleet_.GetServer("default");
    if (!server.ok()) return {};
    EXPECT_EQ(server->workers(1).last_exit().pid(), victim);
    EXPECT_EQ(server->workers(1).last_exit().reason(), event_.reason());
    return server->workers(1).last_exit();
  }
  std::string Detail(const std::string& key) const {
    const auto found = event_.details().find(key);
    return found == event_.details().end() ? "" : found->second;
  }

  Fleet fleet_;
  v1::Event event_;  // WORKER_DIED
};

TEST_F(DeathsTest, ASignalThatSomebodySentIsNoCrashAndLeavesAStack) {
  const v1::WorkerExit exit = ExitAfter(SIGABRT);
  EXPECT_EQ(exit.signal(), SIGABRT);
  if (kSanitized) return;  // its runtime dies of it without handlers of ours
  EXPECT_EQ(exit.cause(), v1::DEATH_CAUSE_KILLED);
  EXPECT_THAT(exit.ended_by(), HasSubstr(ThisTest()));
  EXPECT_THAT(exit.reason(), AllOf(HasSubstr("SIGABRT"), HasSubstr(ThisTest())));
  EXPECT_THAT(exit.stack(), HasSubstr("asio::detail::scheduler::run()"));
  EXPECT_EQ(Detail("stack"), exit.stack());
  EXPECT_EQ(Detail("cause"), "killed");
  EXPECT_EQ(Detail("ended_by"), exit.ended_by());
  // What it wrote before is there, too, and apart.
  EXPECT_THAT(exit.stderr_tail(), HasSubstr("ready: producers on"));
  EXPECT_THAT(exit.stderr_tail(), testing::Not(HasSubstr("***")));
}

TEST_F(DeathsTest, SigkillFromOutsideIsToldFromOutOfMemory) {
  const v1::WorkerExit exit = ExitAfter(SIGKILL);
  EXPECT_EQ(exit.signal(), SIGKILL);
  EXPECT_EQ(exit.cause(), v1::DEATH_CAUSE_KILLED);
  EXPECT_THAT(exit.reason(), AllOf(HasSubstr("SIGKILL"), HasSubstr("out-of-memory killer")));
}

TEST_F(DeathsTest, WhoAskedAWorkerToEndIsNamed) {
  const v1::WorkerExit exit = ExitAfter(SIGTERM);
  EXPECT_EQ(exit.signal(), 0);
  EXPECT_EQ(exit.exit_code(), 0);
  EXPECT_EQ(exit.cause(), v1::DEATH_CAUSE_CLEAN_EXIT);
  EXPECT_FALSE(exit.requested());
  EXPECT_THAT(exit.ended_by(), HasSubstr(ThisTest()));
  EXPECT_THAT(exit.reason(), HasSubstr(ThisTest()));
}

TEST_F(DeathsTest, AStoppedWorkerIsExaminedKilledAndReplacedWhileItsSiblingServes) {
  const uint16_t port = fleet_.MustStart("default", SmallSpec(2));
  const pid_t victim = fleet_.WorkerPid("default", 0);
  const pid_t sibling = fleet_.WorkerPid("default", 1);
  ASSERT_EQ(::kill(victim, SIGSTOP), 0);
  // Each connects and is stored, although one of the two that might accept stands still.
  constexpr uint64_t kProducers = 20;
  for (uint64_t i = 1; i <= kProducers; ++i) {
    Producer producer(port);
    ASSERT_TRUE(producer.Send("payload\n"));
    ASSERT_TRUE(fleet_.WaitStored("default", i)) << i;
  }
  const auto hung = fleet_.WaitEvent(v1::EVENT_TYPE_WORKER_HUNG, "default/0");
  ASSERT_TRUE(hung.ok()) << hung.status();
  const auto stack = hung->details().find("stack");
  ASSERT_NE(stack, hung->details().end());
  EXPECT_THAT(stack->second, AllOf(HasSubstr(absl::StrCat("thread ", victim, " center-worker")),
                                   HasSubstr("the process was stopped"),
                                   HasSubstr("asio::detail::scheduler::run()")));
  ASSERT_TRUE(fleet_.WaitReady("default", victim));
  EXPECT_EQ(fleet_.WorkerPid("default", 1), sibling);
  const auto server = fleet_.GetServer("default");
  ASSERT_TRUE(server.ok()) << server.status();
  EXPECT_EQ(server->workers(0).last_exit().cause(), v1::DEATH_CAUSE_HUNG);
  EXPECT_EQ(server->workers(0).last_exit().stack(), stack->second);
}

TEST_F(DeathsTest, EventsTellWhoStoppedTheCoordinatorAndWhetherItEndedInOrder) {
  fleet_.Stop();
  fleet_.Start();
  const auto stopping = fleet_.WaitEvent(v1::EVENT_TYPE_COORDINATOR_STOPPING, "coordinator");
  ASSERT_TRUE(stopping.ok()) << stopping.status();
  EXPECT_THAT(stopping->reason(), AllOf(HasSubstr("SIGTERM"), HasSubstr(ThisTest())));
  fleet_.KillCoordinator();
  fleet_.Start();
  const RunResult events = fleet_.Ctl({"events"});
  EXPECT_EQ(events.exit_code, 0) << events.err;
  EXPECT_THAT(events.out, AllOf(HasSubstr(") ended in order"), HasSubstr("did not end in order"),
                                HasSubstr("version ")));
}

TEST_F(DeathsTest, TheStacksOfAHealthyWorkerAreShownAndItGoesOn) {
  const uint16_t port = fleet_.MustStart("default", SmallSpec());
  const pid_t pid = fleet_.WorkerPid("default", 0);
  const RunResult text = fleet_.Ctl({"worker", "stacks", "default/0"});
  EXPECT_EQ(text.exit_code, 0) << text.err;
  EXPECT_THAT(text.out, AllOf(HasSubstr(absl::StrCat("default/0, process ", pid, ", stood still")),
                              HasSubstr(absl::StrCat("thread ", pid, " center-worker")),
                              HasSubstr("asio::detail::scheduler::run()")));
  const RunResult json = fleet_.Ctl({"worker", "stacks", "default/0", "-o", "json"});
  EXPECT_EQ(json.exit_code, 0) << json.err;
  EXPECT_THAT(json.out, AllOf(HasSubstr("\"stoppedFor\""), HasSubstr("\"frames\"")));
  Producer producer(port);
  ASSERT_TRUE(producer.Send("after\n"));
  EXPECT_TRUE(fleet_.WaitStored("default", 1));
  EXPECT_EQ(fleet_.WorkerPid("default", 0), pid);
  const RunResult nobody = fleet_.Ctl({"worker", "stacks", "default/7"});
  EXPECT_EQ(nobody.exit_code, 64 + 5) << nobody.err;
}

}  // namespace
}  // namespace center::itest
