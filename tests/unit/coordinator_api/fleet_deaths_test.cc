// What the fleet finds out about workers that died or hang, and shows of it.
#include <csignal>

#include "services/common/scoreboard.h"
#include "tests/unit/coordinator_api/fleet_fixture.h"

namespace center::coordinator {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class FleetDeathsTest : public FleetTest {
 protected:
  // The flight recorder of a slot, as its worker has it.
  FlightRecorder& Recorder(uint32_t slot) {
    const auto& spec = launcher_->processes.at(Pid(slot)).spec;
    for (const int fd : spec.inherited_fds) {
      auto board = Scoreboard::Map(fd);
      if (board.ok()) board_ = *std::move(board);
    }
    EXPECT_NE(board_, nullptr);
    return board_->recorder(slot);
  }
  v1::WorkerExit LastExit(uint32_t slot) {
    return Get().workers(static_cast<int>(slot)).last_exit();
  }
  void Die(int64_t pid, int signal) {
    launcher_->DieOf(pid, signal);
    Settle();
  }
  absl::StatusOr<v1::GetWorkerStacksResponse> Stacks(const std::string& name) {
    absl::StatusOr<v1::GetWorkerStacksResponse> result = absl::UnknownError("no answer yet");
    fleet_->GetWorkerStacks(name, [&result](const auto& answer) { result = answer; });
    if (stacks_done_) {
      std::exchange(stacks_done_, nullptr)(supervision::ProcessStacks{
          .stopped_for = std::chrono::milliseconds(3),
          .threads = {{.tid = 7,
                       .name = "main",
                       .frames = {{.address = 16, .function = "f", .location = "f.cc:1"}}}}});
    }
    return result;
  }

  std::unique_ptr<Scoreboard> board_;
};

TEST_F(FleetDeathsTest, TheProcesssOwnAccountIsShown) {
  Reconcile();
  ASSERT_TRUE(Start(StartRequest(2)).ok());
  const int64_t pid = Pid(1);
  FlightRecorder& recorder = Recorder(1);
  recorder.Begin(static_cast<int32_t>(pid));
  recorder.running[0].chunk.store(9);
  recorder.running[0].input.store(4711);
  recorder.SetSender({.pid = 77, .uid = 5, .command = "bash"});
  recorder.Finish(FlightRecorder::End::kSignal, SIGSEGV);
  Die(pid, SIGSEGV);
  const v1::WorkerExit exit = LastExit(1);
  EXPECT_EQ(exit.cause(), v1::DEATH_CAUSE_KILLED);
  EXPECT_EQ(exit.ended_by(), "process 77 (bash), uid 5");
  EXPECT_THAT(exit.running(), ElementsAre("chunk 9, input 4711"));
  EXPECT_EQ(exit.reason(),
            "killed by SIGSEGV, sent by process 77 (bash), uid 5, while running chunk 9, input "
            "4711");
}

TEST_F(FleetDeathsTest, TheAccountOfAnEarlierProcessIsNot) {
  Reconcile();
  ASSERT_TRUE(Start(StartRequest()).ok());
  FlightRecorder& recorder = Recorder(0);
  recorder.Begin(1);  // another one
  recorder.SetSender({.pid = 77, .uid = 5, .command = "bash"});
  Die(Pid(0), SIGSEGV);
  EXPECT_EQ(LastExit(0).cause(), v1::DEATH_CAUSE_CRASH);
  EXPECT_EQ(LastExit(0).ended_by(), "");
}

TEST_F(FleetDeathsTest, OutOfMemoryIsAskedForOnlyWhereItMayBe) {
  Reconcile();
  ASSERT_TRUE(Start(StartRequest()).ok());
  oom_ = {supervision::OomVerdict::Kind::kKilled, "cgroup /a counts 3 kills"};
  Die(Pid(0), SIGBUS);
  EXPECT_EQ(LastExit(0).cause(), v1::DEATH_CAUSE_CRASH);
  Advance(std::chrono::seconds(1));
  Die(Pid(0), SIGKILL);
  EXPECT_EQ(LastExit(0).cause(), v1::DEATH_CAUSE_OUT_OF_MEMORY);
  EXPECT_THAT(LastExit(0).reason(), HasSubstr("cgroup /a counts 3 kills"));
}

TEST_F(FleetDeathsTest, AHungWorkersStacksAreInItsEventLineByLine) {
  Reconcile();
  ASSERT_TRUE(Start(StartRequest()).ok());
  MakeReady(0);
  const int64_t pid = Pid(0);
  Advance(std::chrono::milliseconds(4900));
  Advance(std::chrono::milliseconds(100));
  ASSERT_THAT(stacks_of_, ElementsAre(pid));
  stacks_done_(supervision::ProcessStacks{
      .threads = {{.tid = 7, .name = "main", .frames = {{.address = 1, .function = "f"}}}}});
  Settle();
  EXPECT_THAT(launcher_->signals(pid), ElementsAre(SIGKILL));
  const auto page = events_->Read({.limit = 1000});
  ASSERT_TRUE(page.ok());
  const v1::Event& hung = page->events.back();
  EXPECT_EQ(hung.type(), v1::EVENT_TYPE_WORKER_HUNG);
  EXPECT_EQ(hung.details().at("stack"), "thread 7 main\n  #0  f\n");
  Die(pid, SIGKILL);
  EXPECT_EQ(LastExit(0).stack(), "thread 7 main\n  #0  f\n");
}

TEST_F(FleetDeathsTest, StacksOfAHealthyWorkerAreAnsweredByThread) {
  Reconcile();
  ASSERT_TRUE(Start(StartRequest(2)).ok());
  const auto stacks = Stacks("default/1");
  ASSERT_TRUE(stacks.ok()) << stacks.status();
  EXPECT_THAT(stacks_of_, ElementsAre(Pid(1)));
  EXPECT_EQ(stacks->name(), "default/1");
  EXPECT_EQ(stacks->pid(), Pid(1));
  EXPECT_EQ(stacks->stopped_for().nanos(), 3'000'000);
  ASSERT_EQ(stacks->threads_size(), 1);
  EXPECT_EQ(stacks->threads(0).tid(), 7);
  EXPECT_EQ(stacks->threads(0).frames(0).function(), "f");
  EXPECT_EQ(stacks->threads(0).frames(0).location(), "f.cc:1");
}

TEST_F(FleetDeathsTest, StacksOfWhatIsNotThereAreRefused) {
  Reconcile();
  ASSERT_TRUE(Start(StartRequest()).ok());
  EXPECT_EQ(rpc::ReasonOf(Stacks("nobody/0").status()), "SERVER_NOT_FOUND");
  EXPECT_EQ(rpc::ReasonOf(Stacks("").status()), "SERVER_NOT_FOUND");
  for (const char* name : {"default", "default/1", "default/00", "default/x", "default/0/0"}) {
    EXPECT_EQ(rpc::ReasonOf(Stacks(name).status()), "WORKER_NOT_FOUND") << name;
  }
  Exit(Pid(0), 1);
  Advance(std::chrono::milliseconds(1));
  Exit(Pid(0), 1);  // now it waits for its restart
  EXPECT_EQ(rpc::ReasonOf(Stacks("default/0").status()), "WORKER_NOT_RUNNING");
}

}  // namespace
}  // namespace center::coordinator
