// Workers of an earlier coordinator go on under a new one.
#include <unistd.h>

#include <filesystem>

#include "services/common/scoreboard.h"
#include "tests/unit/coordinator_api/fleet_fixture.h"

namespace center::coordinator {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::IsSupersetOf;
using testing::Not;

class FleetAdoptTest : public FleetTest {
 protected:
  // A server with workers, then a new coordinator that finds those of `living` alive.
  void StartThenRestart(uint32_t workers, const std::set<uint32_t>& living) {
    ASSERT_TRUE(Start(StartRequest(workers)).ok());
    for (uint32_t slot = 0; slot < workers; ++slot) hellos_[slot] = HelloOf(slot);
    port_ = static_cast<uint16_t>(Get().spec().port());
    NewFleet();
    for (const uint32_t slot : living) living_.insert(WorkerName("default", slot));
    // What the workers hold: without them the port would be free.
    auto listener = ListenTcp("127.0.0.1", port_, 16);
    ASSERT_TRUE(listener.ok()) << listener.status();
    kept_listener_ = *std::move(listener);
    auto scoreboard = Scoreboard::CreateMemfd();
    ASSERT_TRUE(scoreboard.ok());
    kept_scoreboard_ = *std::move(scoreboard);
    Reconcile();
  }

  std::shared_ptr<FakeLine> Register(uint32_t slot) {
    auto line = std::make_shared<FakeLine>();
    const absl::Status status = fleet_->Register(hellos_.at(slot), line);
    EXPECT_TRUE(status.ok()) << status;
    Settle();
    return line;
  }
  Handover Brought(uint32_t slot) {
    int out[2] = {-1, -1};
    EXPECT_EQ(::pipe2(out, O_CLOEXEC), 0);
    int err[2] = {-1, -1};
    EXPECT_EQ(::pipe2(err, O_CLOEXEC), 0);
    const ScopedFd out_write(out[1]);
    const ScopedFd err_write(err[1]);
    return {.worker = WorkerName("default", slot),
            .token = hellos_.at(slot).token(),
            .listener = ScopedFd(::dup(kept_listener_.get())),
            .scoreboard = ScopedFd(::dup(kept_scoreboard_.get())),
            .stdout_pipe = ScopedFd(out[0]),
            .stderr_pipe = ScopedFd(err[0])};
  }
  absl::Status Bring(uint32_t slot, Handover handover) {
    absl::Status status = fleet_->TakeHandover(std::move(handover), hellos_.at(slot).pid());
    Settle();
    return status;
  }
  absl::Status Bring(uint32_t slot) { return Bring(slot, Brought(slot)); }
  int64_t OldPid(uint32_t slot) const { return hellos_.at(slot).pid(); }

  std::map<uint32_t, v1::Hello> hellos_;
  uint16_t port_ = 0;
  ScopedFd kept_listener_;
  ScopedFd kept_scoreboard_;
};

TEST_F(FleetAdoptTest, WorkersGoOnWithTheirProcessesAndNothingIsLaunched) {
  StartThenRestart(2, {0, 1});
  EXPECT_EQ(Get().state(), v1::SERVER_STATE_STARTING);
  EXPECT_THAT(Get().detail(), HasSubstr("hand back the listening socket"));
  const auto line = Register(0);
  EXPECT_THAT(line->said, Contains("welcome, bring"));
  Beat("default/0", line, v1::WORKER_STATE_READY);
  ASSERT_TRUE(Bring(0).ok());
  const auto other = Register(1);
  Beat("default/1", other, v1::WORKER_STATE_READY);
  ASSERT_TRUE(Bring(1).ok());
  EXPECT_EQ(Get().state(), v1::SERVER_STATE_RUNNING);
  EXPECT_EQ(Get().detail(), "");
  EXPECT_EQ(launcher_->launches, 0);
  for (const uint32_t slot : {0u, 1u}) {
    EXPECT_EQ(Pid(slot), OldPid(slot));
    EXPECT_TRUE(Get().workers(static_cast<int>(slot)).adopted());
    EXPECT_TRUE(launcher_->processes.at(OldPid(slot)).attached);
    EXPECT_THAT(launcher_->signals(OldPid(slot)), IsEmpty());
  }
  EXPECT_THAT(EventNames(), IsSupersetOf({"default/0 WORKER_ADOPTED", "default/0 WORKER_READY",
                                          "default/1 WORKER_ADOPTED"}));
  EXPECT_TRUE(directory_->Get("default")->running);
  // What is had already is not asked for again.
  EXPECT_THAT(Register(0)->said, Contains("welcome"));
}

TEST_F(FleetAdoptTest, JournalsOfSlotsThatWereScaledAwayAreStillRead) {
  std::filesystem::create_directories(data_dir_->JournalDir("default", 3));
  StartThenRestart(1, {0});
  const auto known = directory_->Get("default");
  ASSERT_TRUE(known.ok());
  ASSERT_EQ(known->workers.size(), 2u);
  EXPECT_EQ(known->workers[1].worker, "default/3");
  EXPECT_TRUE(known->workers[1].archived);
}

TEST_F(FleetAdoptTest, ASlotWhoseProcessDiedMeanwhileIsLaunchedWithTheRecoveredSocket) {
  StartThenRestart(2, {1});
  EXPECT_EQ(launcher_->launches, 0);
  Register(1);
  EXPECT_EQ(launcher_->launches, 0);
  ASSERT_TRUE(Bring(1).ok());
  EXPECT_EQ(launcher_->launches, 1);
  EXPECT_THAT(Get().workers(0).last_exit().reason(), HasSubstr("no coordinator"));
  EXPECT_EQ(Get().workers(0).restarts(), 1u);
  EXPECT_EQ(*LocalPort(launcher_->processes.at(Pid(0)).spec.inherited_fds.at(0)), port_);
  EXPECT_THAT(EventNames(), IsSupersetOf({"default/0 WORKER_DIED", "default/0 WORKER_STARTED"}));
}

TEST_F(FleetAdoptTest, TheFlightRecorderTellsHowAProcessEndedThatNobodySaw) {
  StartThenRestart(3, {2});
  auto scoreboard = Scoreboard::Map(kept_scoreboard_.get());
  ASSERT_TRUE(scoreboard.ok());
  (*scoreboard)->recorder(0).Begin(static_cast<int32_t>(OldPid(0)));
  (*scoreboard)->recorder(0).Finish(FlightRecorder::End::kExit, 7);
  (*scoreboard)->recorder(1).Begin(static_cast<int32_t>(OldPid(1)));  // no last word
  Register(2);
  ASSERT_TRUE(Bring(2).ok());
  EXPECT_THAT(Get().workers(0).last_exit().reason(), HasSubstr("exited with code 7"));
  EXPECT_EQ(Get().workers(0).last_exit().exit_code(), 7);
  EXPECT_THAT(Get().workers(1).last_exit().reason(), HasSubstr("SIGKILL"));
}

TEST_F(FleetAdoptTest, AnAdoptedWorkerThatDiesIsReplacedOnceThereIsASocket) {
  StartThenRestart(2, {0, 1});
  Register(0);
  Register(1);
  launcher_->Exit(OldPid(0), {.known = false});
  Settle();
  EXPECT_EQ(launcher_->launches, 0);
  ASSERT_TRUE(Bring(1).ok());
  EXPECT_EQ(launcher_->launches, 1);
  launcher_->Exit(OldPid(1), {.known = false});
  Advance(std::chrono::seconds(1));
  EXPECT_EQ(launcher_->launches, 2);
  EXPECT_EQ(store_->ListProcesses()->size(), 2u);
}

TEST_F(FleetAdoptTest, WhenNobodyIsLeftToBringTheSocketThePortIsBoundAnew) {
  StartThenRestart(1, {0});
  kept_listener_.Reset();  // it went with the process
  launcher_->Exit(OldPid(0), {.known = false});
  Settle();
  EXPECT_EQ(launcher_->launches, 1);
  EXPECT_EQ(Get().spec().port(), port_);
  EXPECT_EQ(Get().state(), v1::SERVER_STATE_DEGRADED);
}

TEST_F(FleetAdoptTest, APortThatCannotBeBoundAnewBreaksTheServer) {
  StartThenRestart(1, {0});
  launcher_->Exit(OldPid(0), {.known = false});
  Settle();
  EXPECT_EQ(Get().state(), v1::SERVER_STATE_FAILED);
  EXPECT_THAT(Get().detail(), HasSubstr("in use"));
  EXPECT_EQ(launcher_->launches, 0);
  EXPECT_TRUE(store_->GetServer("default")->desired_running);
  kept_listener_.Reset();
  EXPECT_TRUE(Start(StartRequest(1)).ok());
}

TEST_F(FleetAdoptTest, AWorkerThatBringsNothingServesOnAndItsSiblingsWait) {
  StartThenRestart(2, {0});
  const auto line = Register(0);
  Beat("default/0", line, v1::WORKER_STATE_READY);
  for (int i = 0; i < 25; ++i) {
    Advance(std::chrono::seconds(1));
    Beat("default/0", line, v1::WORKER_STATE_READY);
  }
  EXPECT_EQ(Get().workers(0).state(), v1::WORKER_STATE_READY);
  EXPECT_EQ(launcher_->launches, 0);
  ASSERT_TRUE(Bring(0).ok());
  EXPECT_EQ(launcher_->launches, 1);
}

TEST_F(FleetAdoptTest, AWorkerThatDoesNotRegisterIsKilledAndReplaced) {
  StartThenRestart(1, {0});
  kept_listener_.Reset();
  Advance(std::chrono::seconds(10));
  EXPECT_THAT(stacks_of_, ElementsAre(OldPid(0)));
  stacks_done_(absl::PermissionDeniedError("ptrace"));
  Settle();
  EXPECT_THAT(launcher_->signals(OldPid(0)), ElementsAre(SIGKILL));
  launcher_->Exit(OldPid(0), {.known = false});
  Settle();
  EXPECT_THAT(Get().workers(0).last_exit().reason(), HasSubstr("killed by Center: not ready"));
  EXPECT_EQ(launcher_->launches, 1);
}

TEST_F(FleetAdoptTest, AHandoverOfAnotherProcessOrTokenIsRefused) {
  StartThenRestart(1, {0});
  EXPECT_TRUE(absl::IsFailedPrecondition(fleet_->TakeHandover(Brought(0), OldPid(0) + 1)));
  Handover forged = Brought(0);
  forged.token = "guess";
  EXPECT_TRUE(absl::IsFailedPrecondition(Bring(0, std::move(forged))));
  Handover stranger = Brought(0);
  stranger.worker = "other/0";
  EXPECT_TRUE(absl::IsFailedPrecondition(Bring(0, std::move(stranger))));
  EXPECT_THAT(Get().detail(), HasSubstr("hand back"));
  ASSERT_TRUE(Bring(0).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(Bring(0)));  // once is enough
}

TEST_F(FleetAdoptTest, AHandoverOfOtherThingsIsRefused) {
  StartThenRestart(1, {0});
  Handover no_pipes = Brought(0);
  no_pipes.stderr_pipe = ScopedFd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  EXPECT_TRUE(absl::IsInvalidArgument(Bring(0, std::move(no_pipes))));
  Handover no_socket = Brought(0);
  no_socket.listener = ScopedFd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  EXPECT_TRUE(absl::IsInvalidArgument(Bring(0, std::move(no_socket))));
  Handover other_port = Brought(0);
  other_port.listener = *ListenTcp("127.0.0.1", 0, 1);
  EXPECT_TRUE(absl::IsInvalidArgument(Bring(0, std::move(other_port))));
  Handover no_scoreboard = Brought(0);
  no_scoreboard.scoreboard = ScopedFd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  EXPECT_FALSE(Bring(0, std::move(no_scoreboard)).ok());
  EXPECT_TRUE(Bring(0).ok());
}

TEST_F(FleetAdoptTest, AWorkerThatDrainsBringsItsOutputAlone) {
  StartThenRestart(2, {0, 1});
  const auto line = Register(0);
  Beat("default/0", line, v1::WORKER_STATE_DRAINING);
  Handover draining = Brought(0);
  draining.listener.Reset();
  ASSERT_TRUE(Bring(0, std::move(draining)).ok());
  EXPECT_EQ(Get().workers(0).state(), v1::WORKER_STATE_DRAINING);
  EXPECT_THAT(Get().detail(), HasSubstr("hand back"));
  Register(1);
  ASSERT_TRUE(Bring(1).ok());
  EXPECT_THAT(Get().detail(), Not(HasSubstr("hand back")));
}

TEST_F(FleetAdoptTest, AServerThatWasBeingStoppedGoesOnStopping) {
  ASSERT_TRUE(Start(StartRequest()).ok());
  hellos_[0] = HelloOf(0);
  StopLater(v1::StopServerRequest());
  NewFleet();
  living_ = {"default/0"};
  Reconcile();
  EXPECT_EQ(Get().state(), v1::SERVER_STATE_DRAINING);
  EXPECT_THAT(launcher_->signals(OldPid(0)), ElementsAre(SIGTERM));
  launcher_->Exit(OldPid(0), {.known = false});
  Settle();
  EXPECT_EQ(Get().state(), v1::SERVER_STATE_STOPPED);
  EXPECT_THAT(*store_->ListProcesses(), IsEmpty());
}

TEST_F(FleetAdoptTest, AHeldServerCanBeStopped) {
  StartThenRestart(2, {0});
  auto answer = StopLater(v1::StopServerRequest());
  EXPECT_FALSE(answer->has_value());
  launcher_->Exit(OldPid(0), {.known = false});
  Settle();
  ASSERT_TRUE(answer->has_value());
  EXPECT_EQ((**answer)->state(), v1::SERVER_STATE_STOPPED);
  EXPECT_EQ(launcher_->launches, 0);
  EXPECT_THAT(*store_->ListProcesses(), IsEmpty());
}

TEST_F(FleetAdoptTest, AShutdownDrainsAdoptedWorkers) {
  StartThenRestart(1, {0});
  const auto line = Register(0);
  Beat("default/0", line, v1::WORKER_STATE_READY);
  bool done = false;
  fleet_->Shutdown(/*now=*/false, [&] { done = true; });
  Settle();
  EXPECT_THAT(line->said, Contains("drain"));
  EXPECT_FALSE(done);
  launcher_->Exit(OldPid(0), {.known = false});
  Settle();
  EXPECT_TRUE(done);
}

TEST_F(FleetAdoptTest, ACoordinatorThatLeavesTouchesNoWorker) {
  ASSERT_TRUE(Start(StartRequest()).ok());
  const auto line = MakeReady(0);
  const int64_t pid = Pid(0);
  fleet_->Leave();
  Settle();
  EXPECT_THAT(line->said, Contains("close"));
  EXPECT_THAT(launcher_->signals(pid), IsEmpty());
  EXPECT_EQ(store_->ListProcesses()->size(), 1u);
  EXPECT_EQ(Reason(Start(StartRequest(1, "b"))), "COORDINATOR_STOPPING");
}

}  // namespace
}  // namespace center::coordinator
