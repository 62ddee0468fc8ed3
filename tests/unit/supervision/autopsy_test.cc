// What is found out about a process before it is killed, and after it has died.
#include <chrono>
#include <csignal>
#include <utility>

#include "tests/unit/supervision/supervisor_fixture.h"

namespace center::supervision {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class AutopsyTest : public SupervisorFixture {
 protected:
  AutopsyTest() {
    options.autopsy = [this](int64_t pid, std::function<void(absl::StatusOr<std::string>)> done) {
      examined.push_back(pid);
      answer = std::move(done);
    };
    supervisor = std::make_unique<Supervisor>(launcher, clock, observer, options);
  }
  const SupervisionEvent& Only(EventType type) {
    const SupervisionEvent* found = nullptr;
    for (const SupervisionEvent& event : observer.events) {
      if (event.type != type) continue;
      EXPECT_EQ(found, nullptr) << "more than one";
      found = &event;
    }
    EXPECT_NE(found, nullptr);
    static const SupervisionEvent kNone{};
    return found == nullptr ? kNone : *found;
  }

  std::vector<int64_t> examined;
  std::function<void(absl::StatusOr<std::string>)> answer;
};

TEST_F(AutopsyTest, AHungProcessIsKilledWhenItsStacksAreKnown) {
  StartReady();
  const int64_t pid = Pid("s/0");
  Pass(seconds(5));
  EXPECT_THAT(examined, ElementsAre(pid));
  EXPECT_THAT(launcher.signals(pid), IsEmpty());
  answer("thread 1 main\n");
  EXPECT_THAT(launcher.signals(pid), ElementsAre(SIGKILL));
  const SupervisionEvent& hung = Only(EventType::kWorkerHung);
  EXPECT_EQ(hung.reason, "no heartbeat for 5.0 s: killed");
  EXPECT_EQ(hung.details.at("stack"), "thread 1 main\n");
  launcher.DieOf(pid, SIGKILL);
  const ExitRecord exit = *View("s/0").last_exit;
  EXPECT_EQ(exit.cause, DeathCause::kHung);
  EXPECT_EQ(exit.stack, "thread 1 main\n");
  EXPECT_EQ(exit.ended_by, "Center");
}

TEST_F(AutopsyTest, WithoutStacksItIsKilledAllTheSame) {
  StartReady();
  const int64_t pid = Pid("s/0");
  Pass(seconds(5));
  answer(absl::PermissionDeniedError("ptrace is not permitted"));
  EXPECT_THAT(launcher.signals(pid), ElementsAre(SIGKILL));
  EXPECT_EQ(Only(EventType::kWorkerHung).details.at("stack"),
            "the stacks could not be taken: ptrace is not permitted");
}

TEST_F(AutopsyTest, WhoNeverAnswersDelaysTheKillByOneRepeat) {
  StartReady();
  const int64_t pid = Pid("s/0");
  Pass(seconds(5));
  Pass(options.limits.kill_repeat - seconds(1));
  EXPECT_THAT(launcher.signals(pid), IsEmpty());
  Pass(seconds(1));
  EXPECT_THAT(launcher.signals(pid), ElementsAre(SIGKILL));
  EXPECT_THAT(Only(EventType::kWorkerHung).details.at("stack"), HasSubstr("in time"));
  answer("late");
  EXPECT_THAT(launcher.signals(pid), ElementsAre(SIGKILL));
  EXPECT_THAT(examined, ElementsAre(pid));
}

TEST_F(AutopsyTest, AnAnswerAboutAProcessThatIsGoneIsIgnored) {
  StartReady();
  const int64_t pid = Pid("s/0");
  Pass(seconds(5));
  launcher.DieOf(pid, SIGSEGV);
  Pass(seconds(1));
  const int64_t next = Pid("s/0");
  ASSERT_NE(next, pid);
  answer("of the old one");
  EXPECT_THAT(launcher.signals(next), IsEmpty());
  MakeReady("s/0");
  Pass(seconds(5));
  EXPECT_THAT(examined, ElementsAre(pid, next));
  answer("of the new one");
  EXPECT_EQ(Only(EventType::kWorkerHung).details.at("stack"), "of the new one");
}

TEST_F(AutopsyTest, AnAnswerAfterTheSupervisorIsGoneHarmsNobody) {
  StartReady();
  Pass(seconds(5));
  supervisor.reset();
  answer("late");
}

TEST_F(AutopsyTest, AProcessThatNeverGetsReadyIsExaminedToo) {
  ASSERT_TRUE(supervisor->Start(Plan("s", 1)).ok());
  const int64_t pid = Pid("s/0");
  Pass(options.limits.start_timeout);
  EXPECT_THAT(examined, ElementsAre(pid));
  answer("stuck in main");
  launcher.DieOf(pid, SIGKILL);
  EXPECT_EQ(View("s/0").last_exit->cause, DeathCause::kStartTimeout);
  EXPECT_EQ(View("s/0").last_exit->stack, "stuck in main");
}

TEST_F(AutopsyTest, WhoStopsAtOnceDoesNotWaitForOne) {
  StartReady();
  const int64_t pid = Pid("s/0");
  ASSERT_TRUE(supervisor->Stop("s", /*now=*/true).ok());
  Pass(options.limits.drain_grace);
  EXPECT_THAT(examined, IsEmpty());
  EXPECT_THAT(launcher.signals(pid), testing::Contains(SIGKILL));
}

TEST_F(AutopsyTest, WhatTheOwnerKnowsOfADeathIsPartOfIt) {
  ServerPlan plan = Plan("s", 1);
  plan.examine = [](uint32_t slot, const ProcessExit& exit) {
    EXPECT_EQ(slot, 0u);
    EXPECT_EQ(exit.signal, SIGSEGV);
    return Evidence{.recorded = true,
                    .end = FlightRecorder::End::kSignal,
                    .sender = {.pid = 4711, .uid = 0, .command = "bash"},
                    .running = {"chunk 3, input 14"}};
  };
  ASSERT_TRUE(supervisor->Start(std::move(plan)).ok());
  const int64_t pid = Pid("s/0");
  launcher.Exit(pid, ProcessExit{.signal = SIGSEGV,
                                 .stderr_tail = "last words\n"
                                                "*** SIGSEGV received at time=1 on cpu 0 ***\n"
                                                "PC: @ 0x1 (unknown) f\n"
                                                "    @ 0x1 (unknown) f\n"});
  const ExitRecord exit = *View("s/0").last_exit;
  EXPECT_EQ(exit.cause, DeathCause::kKilled);
  EXPECT_EQ(exit.ended_by, "process 4711 (bash), uid 0");
  EXPECT_THAT(exit.running, ElementsAre("chunk 3, input 14"));
  EXPECT_EQ(exit.stack, "#0 0x1 f\n");
  EXPECT_EQ(exit.exit.stderr_tail, "last words\n");
  const auto& details = Only(EventType::kWorkerDied).details;
  EXPECT_EQ(details.at("cause"), "killed");
  EXPECT_EQ(details.at("stack"), "#0 0x1 f\n");
  EXPECT_EQ(details.at("stderr"), "last words\n");
}

TEST_F(AutopsyTest, WhatCannotBeLaunchedHasACauseToo) {
  launcher.fail_after = 1;
  ASSERT_TRUE(supervisor->Start(Plan("s", 2)).ok());
  EXPECT_EQ(View("s/1").last_exit->cause, DeathCause::kLaunchFailed);
}

}  // namespace
}  // namespace center::supervision
