// `server status` and its exit code.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "tests/unit/cli/fake_coordinator.h"
#include "tests/unit/cli/testing.h"

namespace center::cli {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class ServerStatusTest : public CliTest {
 protected:
  ServerStatusTest() : coordinator_(dir_.path()) {
    server().set_name("default");
    server().mutable_spec()->set_workers(2);
    server().set_generation(3);
  }
  v1::Server& server() {
    auto& servers = coordinator_.servers.servers;
    return servers.empty() ? servers.emplace_back() : servers.front();
  }
  v1::Worker& AddWorker(v1::WorkerState state) {
    v1::Worker* worker = server().add_workers();
    worker->set_name(absl::StrCat("default/", server().workers_size() - 1));
    worker->set_state(state);
    worker->set_pid(state == v1::WORKER_STATE_BACKOFF || state == v1::WORKER_STATE_FAILED ? 0 : 77);
    worker->set_generation(3);
    return *worker;
  }
  CliResult Status() { return Run({"--address", coordinator_.address(), "server", "status"}); }
  int ExitCode(v1::ServerState state) {
    server().set_state(state);
    return Status().exit_code;
  }

  FakeCoordinator coordinator_;
};

TEST_F(ServerStatusTest, StoppedAndFailedExitWithThree) {
  EXPECT_EQ(ExitCode(v1::SERVER_STATE_STOPPED), 3);
  EXPECT_EQ(ExitCode(v1::SERVER_STATE_FAILED), 3);
  EXPECT_EQ(ExitCode(v1::SERVER_STATE_RUNNING), 0);
  EXPECT_EQ(ExitCode(v1::SERVER_STATE_STARTING), 0);
  EXPECT_EQ(ExitCode(v1::SERVER_STATE_DRAINING), 0);
}

TEST_F(ServerStatusTest, DegradedIsFineAsLongAsOneWorkerServes) {
  AddWorker(v1::WORKER_STATE_READY);
  AddWorker(v1::WORKER_STATE_BACKOFF);
  EXPECT_EQ(ExitCode(v1::SERVER_STATE_DEGRADED), 0);
}

TEST_F(ServerStatusTest, ACrashLoopOfAllWorkersExitsWithThree) {
  AddWorker(v1::WORKER_STATE_BACKOFF);
  EXPECT_EQ(ExitCode(v1::SERVER_STATE_DEGRADED), 3);
}

TEST_F(ServerStatusTest, ACrashLoopIsSeenWhileItTriesAgain) {
  AddWorker(v1::WORKER_STATE_STARTING).mutable_last_exit()->set_reason("exited with code 1");
  EXPECT_EQ(ExitCode(v1::SERVER_STATE_DEGRADED), 3);
}

TEST_F(ServerStatusTest, TheOnlyWorkerBeingReplacedIsNoCrashLoop) {
  AddWorker(v1::WORKER_STATE_STARTING).mutable_last_exit()->set_requested(true);
  EXPECT_EQ(ExitCode(v1::SERVER_STATE_DEGRADED), 0);
}

TEST_F(ServerStatusTest, WorkersWithOlderSettingsAreNamed) {
  AddWorker(v1::WORKER_STATE_READY);
  EXPECT_THAT(Status().out, Not(HasSubstr("older settings")));
  AddWorker(v1::WORKER_STATE_READY).set_generation(2);
  EXPECT_THAT(Status().out, AllOf(HasSubstr("With older settings: default/1;"),
                                  HasSubstr("server restart default --only-outdated")));
}

}  // namespace
}  // namespace center::cli
