#include "tests/unit/coordinator_api/fleet_fixture.h"

namespace center::coordinator {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

TEST_F(FleetTest, ARegisteredWorkerIsWelcomedAndToldWhatToKeep) {
  ASSERT_TRUE(Start(StartRequest()).ok());
  EXPECT_THAT(MakeReady(0)->said, ElementsAre("welcome", "committed nothing"));
  EXPECT_EQ(Get().workers(0).address(), "unix:/run/default.0.sock");
  EXPECT_EQ(Get().workers(0).stats().payloads(), 42u);
  EXPECT_EQ(Get().workers(0).state(), v1::WORKER_STATE_READY);
}

TEST_F(FleetTest, AWorkerWithAWrongTokenIsRefused) {
  ASSERT_TRUE(Start(StartRequest()).ok());
  v1::Hello hello = HelloOf(0);
  hello.set_token("guess");
  const absl::Status refused = fleet_->Register(hello, std::make_shared<FakeLine>());
  EXPECT_TRUE(absl::IsFailedPrecondition(refused));
  EXPECT_EQ(rpc::ReasonOf(refused), "WORKER_UNKNOWN");
  hello.set_worker("nobody/0");
  EXPECT_EQ(rpc::ReasonOf(fleet_->Register(hello, std::make_shared<FakeLine>())), "WORKER_UNKNOWN");
  hello.set_worker("");
  EXPECT_FALSE(fleet_->Register(hello, std::make_shared<FakeLine>()).ok());
}

TEST_F(FleetTest, AWorkerWithoutAnAddressIsRefused) {
  ASSERT_TRUE(Start(StartRequest()).ok());
  v1::Hello hello = HelloOf(0);
  hello.set_address("somewhere");
  EXPECT_TRUE(absl::IsInvalidArgument(fleet_->Register(hello, std::make_shared<FakeLine>())));
}

TEST_F(FleetTest, ALaterLineOfTheSameProcessReplacesTheEarlierOne) {
  ASSERT_TRUE(Start(StartRequest()).ok());
  const auto first = MakeReady(0);
  const auto second = MakeReady(0);
  EXPECT_THAT(first->said, Contains("close"));
  // The first one's end, seen late, does not disconnect the second.
  fleet_->OnLineClosed("default/0", first.get());
  fleet_->OnCommitted("default");
  EXPECT_THAT(second->said, ElementsAre("welcome", "committed nothing", "committed nothing"));
}

TEST_F(FleetTest, ReportsOfABrokenLineAreIgnored) {
  ASSERT_TRUE(Start(StartRequest()).ok());
  const auto line = std::make_shared<FakeLine>();
  ASSERT_TRUE(fleet_->Register(HelloOf(0), line).ok());
  fleet_->OnLineClosed("default/0", line.get());
  Beat("default/0", line, v1::WORKER_STATE_READY);
  EXPECT_EQ(Get().workers(0).state(), v1::WORKER_STATE_STARTING);
}

TEST_F(FleetTest, ACommitReachesTheWorkersOfItsServer) {
  ASSERT_TRUE(Start(StartRequest(2)).ok());
  const auto line0 = MakeReady(0);
  const auto line1 = MakeReady(1);
  ASSERT_TRUE(
      store_
          ->CommitCursor({.server = "default", .subscription = "s", .offsets = {{"default/0", 7}}})
          .ok());
  fleet_->OnCommitted("default");
  fleet_->OnCommitted("nobody");
  EXPECT_EQ(line0->said.back(), "committed 7");
  EXPECT_EQ(line1->said.back(), "committed 0");
}

TEST_F(FleetTest, TheDirectoryFollowsTheWorkers) {
  ASSERT_TRUE(Start(StartRequest(2)).ok());
  auto snapshot = *directory_->Get("default");
  EXPECT_TRUE(snapshot.running);
  ASSERT_EQ(snapshot.workers.size(), 2u);
  EXPECT_EQ(snapshot.workers[0].address, "");
  MakeReady(0);
  snapshot = *directory_->Get("default");
  EXPECT_EQ(snapshot.workers[0].address, "unix:/run/default.0.sock");
  const uint64_t generation = snapshot.workers[0].generation;

  Exit(Pid(0), 1);
  EXPECT_EQ(directory_->Get("default")->workers[0].address, "");
  Advance(std::chrono::seconds(1));
  MakeReady(0);
  snapshot = *directory_->Get("default");
  EXPECT_EQ(snapshot.workers[0].address, "unix:/run/default.0.sock");
  EXPECT_GT(snapshot.workers[0].generation, generation);
}

TEST_F(FleetTest, AStoppedServerStaysInTheDirectory) {
  ASSERT_TRUE(Start(StartRequest()).ok());
  const int64_t pid = Pid(0);
  StopLater(v1::StopServerRequest());
  Exit(pid);
  const auto snapshot = directory_->Get("default");
  ASSERT_TRUE(snapshot.ok());
  EXPECT_FALSE(snapshot->running);
  EXPECT_EQ(snapshot->workers.size(), 1u);
}

TEST_F(FleetTest, ADeathIsToldWithItsCauseAndTheSlotIsRestarted) {
  ASSERT_TRUE(Start(StartRequest(2)).ok());
  MakeReady(0);
  MakeReady(1);
  const int64_t pid = Pid(0);
  launcher_->Exit(pid, {.signal = SIGKILL, .stderr_tail = "last \xff words\n"});
  Settle();
  EXPECT_EQ(Get().state(), v1::SERVER_STATE_DEGRADED);
  EXPECT_THAT(EventNames(), Contains("default/0 WORKER_DIED"));
  Advance(std::chrono::seconds(1));
  const v1::Worker worker = Get().workers(0);
  EXPECT_NE(worker.pid(), pid);
  EXPECT_EQ(worker.restarts(), 1u);
  EXPECT_EQ(worker.last_exit().pid(), pid);
  EXPECT_EQ(worker.last_exit().signal(), SIGKILL);
  EXPECT_EQ(worker.last_exit().stderr_tail(), "last \\xff words\n");
  EXPECT_EQ(worker.stats().payloads(), 0u) << "the new process has received nothing";
  MakeReady(0);
  EXPECT_EQ(Get().state(), v1::SERVER_STATE_RUNNING);
}

TEST_F(FleetTest, AWorkersEventIsStoredUnderItsOwnName) {
  ASSERT_TRUE(Start(StartRequest()).ok());
  const auto line = MakeReady(0);
  v1::Event event;
  event.set_id(77);
  event.set_type(v1::EVENT_TYPE_CONNECTION_REJECTED);
  event.set_subject("somebody else");
  event.set_reason("10.0.0.1:5: too long");
  fleet_->OnWorkerEvent("default/0", line.get(), event);
  EXPECT_EQ(EventNames().back(), "default/0 CONNECTION_REJECTED");
}

TEST_F(FleetTest, ABlockedWorkerIsSaidInTheServersDetail) {
  ASSERT_TRUE(Start(StartRequest()).ok());
  const auto line = MakeReady(0);
  v1::Heartbeat heartbeat;
  heartbeat.set_state(v1::WORKER_STATE_READY);
  heartbeat.mutable_stats()->set_blocked_reason("disk full");
  fleet_->OnHeartbeat("default/0", line.get(), heartbeat);
  EXPECT_THAT(Get().detail(), HasSubstr("default/0 does not read: disk full"));
}

}  // namespace
}  // namespace center::coordinator
