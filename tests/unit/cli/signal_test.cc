// Ctrl-C: in a program of its own, because all of its threads must have the signals blocked.
#include <unistd.h>

#include <csignal>
#include <thread>

#include "absl/strings/match.h"
#include "cli/signals.h"
#include "tests/unit/cli/fake_coordinator.h"
#include "tests/unit/cli/testing.h"

namespace center::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

// Before the first gRPC thread, which is before the first test: every thread inherits it. A
// SignalWatcher unblocks them only in the thread that it lived in.
const int kBlocked = [] {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  return pthread_sigmask(SIG_BLOCK, &set, nullptr);
}();

class SignalTest : public CliTest {
 protected:
  SignalTest() { EXPECT_EQ(kBlocked, 0); }

  // Runs centerctl on a thread, sends SIGINT when `ready` holds, and returns the exit code.
  int Interrupted(std::vector<std::string> args, const std::function<bool()>& ready) {
    int exit_code = -1;
    std::thread run(
        [&] { exit_code = RunCenterctl(std::move(args), Deps(in_.fd(), out_.fd(), err_.fd())); });
    EXPECT_TRUE(Eventually(ready));
    EXPECT_EQ(::kill(::getpid(), SIGINT), 0);
    run.join();
    return exit_code;
  }
};

TEST_F(SignalTest, EverySignalCallsBackWithItsNumber) {
  std::atomic<int> calls{0};
  std::thread owner([&] {
    const SignalWatcher watcher([&](int count) {
      EXPECT_EQ(count, calls + 1);
      ++calls;
    });
    for (int i = 1; i <= 3; ++i) {
      EXPECT_EQ(::kill(::getpid(), i == 2 ? SIGTERM : SIGINT), 0);
      EXPECT_TRUE(Eventually([&] { return calls == i; }));
    }
  });
  owner.join();
  EXPECT_EQ(calls, 3);
}

TEST_F(SignalTest, EndsAFollowingTailWithSuccessAndItsPlaceCommitted) {
  FakeCoordinator coordinator(dir_.path());
  coordinator.payloads.Append("default/0", 5);
  EXPECT_EQ(Interrupted({"--address", coordinator.address(), "tail", "-o", "raw", "--subscription",
                         "billing"},
                        [&] { return SplitLines(out_.Text()).size() == 5; }),
            kExitOk);
  EXPECT_THAT(err_.Text(), IsEmpty());
  ASSERT_FALSE(coordinator.payloads.commits().empty());
  EXPECT_THAT(coordinator.payloads.commits().back().cursor().next_offsets(),
              ElementsAre(Pair("default/0", 5)));
}

TEST_F(SignalTest, EndsATailThatWaitsForItsCoordinator) {
  FakeCoordinator coordinator(dir_.path());
  coordinator.payloads.Append("default/0", 1);
  EXPECT_EQ(
      Interrupted({"--address", coordinator.address(), "tail", "-o", "raw", "--from", "earliest"},
                  [&] {
                    if (!absl::StrContains(out_.Text(), "#0")) return false;
                    coordinator.Down();
                    return absl::StrContains(err_.Text(), "trying again");
                  }),
      kExitOk);
}

TEST_F(SignalTest, CancelsTheJobThatIsWaitedFor) {
  FakeCoordinator coordinator(dir_.path());
  coordinator.jobs.hangs = true;
  EXPECT_EQ(Interrupted({"--address", coordinator.address(), "job", "submit", "x", "--", "a"},
                        [&] {
                          // Before it knows the job's name it can only hang up.
                          return coordinator.jobs.inputs("j1").size() == 1 &&
                                 err_.Text().find("job j1") != std::string::npos;
                        }),
            130);
  EXPECT_EQ(coordinator.jobs.job("j1").state(), v1::JOB_STATE_CANCELLED);
  EXPECT_THAT(err_.Text(), testing::AllOf(testing::HasSubstr("cancelling job j1; Ctrl-C again"),
                                          testing::HasSubstr("job j1 was cancelled")));
}

TEST_F(SignalTest, CancelsAJobWhoseInputsStillCome) {
  FakeCoordinator coordinator(dir_.path());
  coordinator.jobs.hangs = true;
  const Pipe pipe;
  ASSERT_EQ(::write(pipe.write_end.get(), "a\n", 2), 2);
  int exit_code = -1;
  std::thread run([&] {
    exit_code =
        RunCenterctl({"--address", coordinator.address(), "job", "submit", "x", "--inputs", "-"},
                     Deps(pipe.read_end.get(), out_.fd(), err_.fd()));
  });
  EXPECT_TRUE(Eventually([&] { return coordinator.jobs.inputs("j1").size() == 1; }));
  EXPECT_EQ(::kill(::getpid(), SIGINT), 0);
  // A real coordinator ends the call when the job ends; this one waits for its client's inputs.
  EXPECT_TRUE(
      Eventually([&] { return coordinator.jobs.job("j1").state() == v1::JOB_STATE_CANCELLED; }));
  coordinator.Down();
  run.join();
  EXPECT_EQ(exit_code, 130);
}

TEST_F(SignalTest, EndsTheReadingOfResultsAndLeavesTheJob) {
  FakeCoordinator coordinator(dir_.path());
  v1::Job job;
  job.set_id("j1");
  job.set_state(v1::JOB_STATE_RUNNING);
  coordinator.jobs.Put(job, {"a"});
  EXPECT_EQ(Interrupted({"--address", coordinator.address(), "job", "results", "j1", "--follow"},
                        [&] { return out_.Text() == "a\n"; }),
            130);
  EXPECT_EQ(coordinator.jobs.job("j1").state(), v1::JOB_STATE_RUNNING);
}

}  // namespace
}  // namespace center::cli
