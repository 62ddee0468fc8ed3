#include "services/coordinator/supervision/supervisor.h"

#include <set>

#include "tests/unit/supervision/supervisor_fixture.h"

namespace center::supervision {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

using testing::ElementsAre;

using testing::IsEmpty;
using testing::MatchesRegex;

using SupervisorTest = SupervisorFixture;

TEST_F(SupervisorTest, LaunchesEverySlotWithItsOwnToken) {
  ASSERT_TRUE(supervisor->Start(Plan("s", 3)).ok());
  EXPECT_EQ(launcher.processes.size(), 3u);
  EXPECT_EQ(supervisor->Slots("s").size(), 3u);
  std::set<std::string> distinct;
  for (const auto& [worker, token] : tokens) {
    EXPECT_THAT(token, MatchesRegex("[0-9a-f]+"));
    EXPECT_EQ(token.size(), 32u);
    distinct.insert(token);
  }
  EXPECT_EQ(distinct.size(), 3u);
  EXPECT_THAT(observer.changes, ElementsAre("s/0 STARTING", "s/1 STARTING", "s/2 STARTING"));
  EXPECT_EQ(observer.Events(EventType::kWorkerStarted).size(), 3u);
  EXPECT_THAT(supervisor->Servers(), ElementsAre("s"));
}

TEST_F(SupervisorTest, RefusesPlansThatCannotWork) {
  EXPECT_EQ(supervisor->Start(Plan("s", 0)).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(supervisor->Start(Plan("s", kSlotsPerServerMax + 1)).code(),
            absl::StatusCode::kInvalidArgument);
  ServerPlan for_ever = Plan("s", 1);
  for_ever.drain_timeout = absl::InfiniteDuration();
  EXPECT_EQ(supervisor->Start(for_ever).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(launcher.launches, 0);
  ASSERT_TRUE(supervisor->Start(Plan("s", 1)).ok());
  EXPECT_EQ(supervisor->Start(Plan("s", 1)).code(), absl::StatusCode::kAlreadyExists);
}

TEST_F(SupervisorTest, StartReportsThatTheFirstProcessCannotBeLaunched) {
  launcher.launch_error = absl::NotFoundError("launch worker: No such file or directory");
  EXPECT_EQ(supervisor->Start(Plan("s", 3)), launcher.launch_error);
  EXPECT_THAT(supervisor->Slots("s"), IsEmpty());
  EXPECT_THAT(observer.changes, IsEmpty());
  EXPECT_THAT(observer.events, IsEmpty());
  launcher.launch_error = absl::OkStatus();
  EXPECT_TRUE(supervisor->Start(Plan("s", 3)).ok());
}

TEST_F(SupervisorTest, LaterLaunchThatFailsIsADeathWithBackoff) {
  launcher.fail_after = 1;
  ASSERT_TRUE(supervisor->Start(Plan("s", 2)).ok());
  EXPECT_EQ(State("s/0"), SlotState::kStarting);
  // The immediate restart has failed, too.
  EXPECT_EQ(State("s/1"), SlotState::kBackoff);
  EXPECT_EQ(View("s/1").last_exit->reason, "could not be launched: EAGAIN");
  EXPECT_EQ(View("s/1").pid, 0);
  EXPECT_EQ(launcher.launches, 3);
  launcher.launch_error = absl::OkStatus();
  Pass(milliseconds(100));
  EXPECT_EQ(State("s/1"), SlotState::kStarting);
  EXPECT_EQ(View("s/1").restarts, 0u);  // it is the first that lives
}

TEST_F(SupervisorTest, LaunchesThatNeverSucceedEndInFailed) {
  launcher.fail_after = 1;
  ASSERT_TRUE(supervisor->Start(Plan("s", 2)).ok());
  Pass(seconds(5));
  EXPECT_EQ(State("s/1"), SlotState::kFailed);
  EXPECT_EQ(launcher.launches, 6);
}

TEST_F(SupervisorTest, RegistrationNeedsTheRightSlotPidAndToken) {
  ASSERT_TRUE(supervisor->Start(Plan("s", 2)).ok());
  const int64_t pid = Pid("s/0");
  const std::string token = tokens["s/0"];
  const auto code = [&](absl::string_view worker, int64_t a_pid, absl::string_view a_token) {
    return supervisor->Register(worker, a_pid, a_token).code();
  };
  for (const char* worker : {"s/2", "s/", "s", "", "/", "t/0", "s/00", "s/-1", "s/0x", "s/ 0",
                             "s/4294967296", "s/0/0"}) {
    EXPECT_EQ(code(worker, pid, token), absl::StatusCode::kFailedPrecondition) << worker;
  }
  EXPECT_EQ(code("s/0", pid + 1, token), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(code("s/0", pid, tokens["s/1"]), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(code("s/0", pid, ""), absl::StatusCode::kFailedPrecondition);
  supervisor->SetReady("s/0");
  EXPECT_EQ(State("s/0"), SlotState::kStarting);
  EXPECT_EQ(code("s/0", pid, token), absl::StatusCode::kOk);
  EXPECT_EQ(code("s/0", pid, token), absl::StatusCode::kOk);  // its stream broke
}

TEST_F(SupervisorTest, LateRegistrationOfAProcessThatWasReplacedIsRefused) {
  ASSERT_TRUE(supervisor->Start(Plan("s", 1)).ok());
  const int64_t old_pid = Pid("s/0");
  const std::string old_token = tokens["s/0"];
  launcher.DieOf(old_pid, SIGSEGV);
  ASSERT_EQ(State("s/0"), SlotState::kStarting);
  ASSERT_NE(tokens["s/0"], old_token);
  EXPECT_FALSE(supervisor->Register("s/0", old_pid, old_token).ok());
  EXPECT_FALSE(supervisor->Register("s/0", Pid("s/0"), old_token).ok());
  launcher.DieOf(Pid("s/0"), SIGSEGV);
  ASSERT_EQ(State("s/0"), SlotState::kBackoff);
  EXPECT_FALSE(supervisor->Register("s/0", 0, "").ok());
}

TEST_F(SupervisorTest, ReadyIsSaidOnce) {
  StartReady();
  supervisor->SetReady("s/0");
  supervisor->SetReady("s/0");
  EXPECT_THAT(observer.changes, ElementsAre("s/0 STARTING", "s/0 READY"));
  EXPECT_EQ(observer.Events(EventType::kWorkerReady).size(), 1u);
}

TEST_F(SupervisorTest, DeathIsRecordedWithItsCauseAndRestartedAtOnce) {
  StartReady(2);
  const int64_t pid = Pid("s/0");
  launcher.Exit(pid, ProcessExit{.signal = SIGSEGV, .core_dumped = true, .stderr_tail = "boom\n"});
  const SlotView view = View("s/0");
  EXPECT_EQ(view.state, SlotState::kStarting);
  EXPECT_NE(view.pid, pid);
  EXPECT_EQ(view.restarts, 1u);
  ASSERT_TRUE(view.last_exit.has_value());
  EXPECT_EQ(view.last_exit->exit.pid, pid);
  EXPECT_EQ(view.last_exit->reason, "killed by SIGSEGV (core dumped)");
  EXPECT_FALSE(view.last_exit->requested);
  EXPECT_THAT(observer.Events(EventType::kWorkerDied),
              ElementsAre("s/0: killed by SIGSEGV (core dumped)"));
  for (const SupervisionEvent& event : observer.events) {
    if (event.type != EventType::kWorkerDied) continue;
    EXPECT_EQ(event.details.at("pid"), absl::StrCat(pid));
    EXPECT_EQ(event.details.at("signal"), "11");
    EXPECT_EQ(event.details.at("stderr"), "boom\n");
  }
  EXPECT_EQ(State("s/1"), SlotState::kReady);
  EXPECT_EQ(View("s/1").restarts, 0u);
}

TEST_F(SupervisorTest, SecondDeathWaitsThenRestarts) {
  ASSERT_TRUE(supervisor->Start(Plan("s", 1)).ok());
  launcher.ExitWithCode(Pid("s/0"), 4);
  launcher.ExitWithCode(Pid("s/0"), 4);
  EXPECT_EQ(State("s/0"), SlotState::kBackoff);
  EXPECT_EQ(View("s/0").pid, 0);
  EXPECT_THAT(observer.Events(EventType::kWorkerBackoff), ElementsAre("s/0: restarted in 0.1 s"));
  Pass(milliseconds(99));
  EXPECT_EQ(State("s/0"), SlotState::kBackoff);
  Pass(milliseconds(1));
  EXPECT_EQ(State("s/0"), SlotState::kStarting);
  EXPECT_EQ(View("s/0").restarts, 2u);
}

TEST_F(SupervisorTest, CrashLoopFailsItsSlotAndNoOther) {
  StartReady(2);
  for (int i = 0; i < 5; ++i) {
    launcher.ExitWithCode(Pid("s/0"), 1);
    if (i < 4) PassAlive(seconds(1), {"s/1"});
  }
  EXPECT_EQ(State("s/0"), SlotState::kFailed);
  EXPECT_THAT(observer.Events(EventType::kWorkerFailed),
              ElementsAre("s/0: 5 deaths within 30.0 s; the last one exited with code 1; "
                          "not restarted by itself"));
  PassAlive(seconds(120), {"s/1"});
  EXPECT_EQ(State("s/0"), SlotState::kFailed);
  EXPECT_EQ(State("s/1"), SlotState::kReady);
  launcher.ExitWithCode(Pid("s/1"), 1);
  EXPECT_EQ(State("s/1"), SlotState::kStarting);
}

TEST_F(SupervisorTest, StableUptimeMakesTheNextRestartImmediateAgain) {
  StartReady();
  launcher.ExitWithCode(Pid("s/0"), 1);
  MakeReady("s/0");
  PassAlive(seconds(60), {"s/0"});
  launcher.ExitWithCode(Pid("s/0"), 1);
  EXPECT_EQ(State("s/0"), SlotState::kStarting);
}

TEST_F(SupervisorTest, HungWorkerIsKilledReportedAndRestarted) {
  StartReady(2);
  const int64_t pid = Pid("s/0");
  PassAlive(seconds(5), {"s/1"});
  EXPECT_THAT(launcher.signals(pid), ElementsAre(SIGKILL));
  EXPECT_THAT(launcher.signals(Pid("s/1")), IsEmpty());
  EXPECT_THAT(observer.Events(EventType::kWorkerHung),
              ElementsAre("s/0: no heartbeat for 5.0 s: killed"));
  launcher.DieOf(pid, SIGKILL);
  EXPECT_EQ(View("s/0").last_exit->reason, "killed by Center: no heartbeat for 5.0 s");
  EXPECT_EQ(State("s/0"), SlotState::kStarting);
  MakeReady("s/0");
}

TEST_F(SupervisorTest, ProcessThatSurvivesAKillIsKilledAgainAndReportedOnce) {
  StartReady();
  const int64_t pid = Pid("s/0");
  Pass(seconds(16));
  EXPECT_THAT(launcher.signals(pid), ElementsAre(SIGKILL, SIGKILL, SIGKILL));
  EXPECT_EQ(observer.Events(EventType::kWorkerHung).size(), 1u);
  EXPECT_EQ(launcher.launches, 1);
}

TEST_F(SupervisorTest, ProcessThatIsNotReadyInTimeIsKilled) {
  ASSERT_TRUE(supervisor->Start(Plan("s", 1)).ok());
  const int64_t pid = Pid("s/0");
  Pass(seconds(10));
  EXPECT_THAT(launcher.signals(pid), ElementsAre(SIGKILL));
  EXPECT_THAT(observer.Events(EventType::kWorkerHung), IsEmpty());
  launcher.DieOf(pid, SIGKILL);
  EXPECT_THAT(observer.Events(EventType::kWorkerDied),
              ElementsAre("s/0: killed by Center: not ready within 10.0 s"));
}

TEST_F(SupervisorTest, KillFromOutsideIsNotOurs) {
  StartReady();
  launcher.DieOf(Pid("s/0"), SIGKILL);
  EXPECT_THAT(observer.Events(EventType::kWorkerDied),
              ElementsAre("s/0: killed by SIGKILL, not by Center: out-of-memory killer or another "
                          "user"));
}

TEST_F(SupervisorTest, WorkerThatFinishesByItselfIsReportedAndRestarted) {
  StartReady();
  supervisor->Draining("s/0");
  EXPECT_EQ(State("s/0"), SlotState::kDraining);
  EXPECT_THAT(observer.Events(EventType::kWorkerDraining),
              ElementsAre("s/0: finishes without being asked by Center"));
  launcher.ExitWithCode(Pid("s/0"), 0);
  EXPECT_THAT(observer.Events(EventType::kWorkerDied),
              ElementsAre("s/0: exited with code 0 without being asked to"));
  EXPECT_EQ(State("s/0"), SlotState::kStarting);
}

TEST_F(SupervisorTest, ReportsOfUnknownOrUnregisteredWorkersAreIgnored) {
  ASSERT_TRUE(supervisor->Start(Plan("s", 1)).ok());
  for (const char* worker : {"s/0", "s/1", "t/0", "", "/"}) {
    supervisor->SetReady(worker);
    supervisor->Heartbeat(worker);
    supervisor->Draining(worker);
    supervisor->Disconnected(worker);
  }
  EXPECT_EQ(State("s/0"), SlotState::kStarting);
}

TEST_F(SupervisorTest, NobodyIsKilledForSilenceWhileTheCoordinatorItselfStoodStill) {
  StartReady();
  Pass(seconds(1));
  clock.Advance(seconds(60));
  deadline = supervisor->Tick();
  EXPECT_THAT(launcher.signals(Pid("s/0")), IsEmpty());
  Pass(seconds(5));
  EXPECT_THAT(launcher.signals(Pid("s/0")), ElementsAre(SIGKILL));
}

TEST_F(SupervisorTest, AStandstillThatEndsJustAfterADeadlineIsOneToo) {
  StartReady();
  Pass(seconds(1));
  clock.Advance(seconds(4) + milliseconds(40));  // five seconds of silence are over
  deadline = supervisor->Tick();
  EXPECT_THAT(launcher.signals(Pid("s/0")), IsEmpty());
}

TEST_F(SupervisorTest, ATimerIsWantedOnlyWhileAProcessLives) {
  EXPECT_EQ(supervisor->Tick(), SteadyTime::max());
  StartReady();
  EXPECT_LE(supervisor->Tick(), clock.Steady() + options.pulse);
}

TEST_F(SupervisorTest, ObserverMayCallBack) {
  StartReady();
  observer.on_change = [this] {
    observer.on_change = nullptr;
    EXPECT_TRUE(supervisor->Stop("s", false).ok());
  };
  observer.on_stopped = [this] { EXPECT_TRUE(supervisor->Start(Plan("s", 2)).ok()); };
  launcher.ExitWithCode(Pid("s/0"), 1);  // the restart is noticed, and stopped at once
  launcher.DieOf(Pid("s/0"), SIGTERM);
  EXPECT_THAT(observer.stopped, ElementsAre("s"));
  EXPECT_EQ(supervisor->Slots("s").size(), 2u);
}

TEST_F(SupervisorTest, ExitAfterTheSupervisorIsGoneIsHarmless) {
  StartReady();
  const int64_t pid = Pid("s/0");
  supervisor.reset();
  launcher.ExitWithCode(pid, 0);
}

TEST_F(SupervisorTest, StderrInAnEventIsItsEnd) {
  StartReady();
  std::string tail;
  for (int i = 0; i < 1000; ++i) absl::StrAppend(&tail, "line ", i, "\n");
  launcher.Exit(Pid("s/0"), ProcessExit{.exit_code = 1, .stderr_tail = tail});
  const std::string in_event = observer.events[2].details.at("stderr");
  ASSERT_EQ(observer.events[2].type, EventType::kWorkerDied);
  EXPECT_LE(in_event.size(), kEventStderrBytesMax);
  EXPECT_THAT(in_event, testing::StartsWith("line "));
  EXPECT_THAT(in_event, testing::EndsWith("line 999\n"));
  const std::string in_record = View("s/0").last_exit->exit.stderr_tail;
  EXPECT_LE(in_record.size(), kExitStderrBytesMax);
  EXPECT_GT(in_record.size(), kEventStderrBytesMax);
  EXPECT_THAT(in_record, testing::EndsWith(in_event));
}

TEST_F(SupervisorTest, AProcessThatHasDoneWhatItWasToDoIsNotStartedAgain) {
  ServerPlan plan = Plan("s", 2);
  plan.examine = [](uint32_t /*slot*/, const ProcessExit& /*exit*/) {
    Evidence evidence;
    evidence.finished = "finished: all is done";
    return evidence;
  };
  ASSERT_TRUE(supervisor->Start(plan).ok());
  MakeReady("s/0");
  MakeReady("s/1");
  launcher.ExitWithCode(Pid("s/0"), 0);
  EXPECT_EQ(State("s/0"), SlotState::kStopped);
  EXPECT_THAT(observer.Events(EventType::kWorkerStopped),
              testing::ElementsAre("s/0: finished: all is done"));
  EXPECT_TRUE(observer.Events(EventType::kWorkerDied).empty());
  // An error is one, whatever was done before.
  launcher.ExitWithCode(Pid("s/1"), 1);
  EXPECT_EQ(State("s/1"), SlotState::kStarting);
}

}  // namespace
}  // namespace center::supervision
