#include "tests/unit/coordinator_api/fleet_fixture.h"

namespace center::coordinator {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

TEST_F(FleetTest, ANewCoordinatorStartsWhatShouldRunOnItsPort) {
  Reconcile();
  ASSERT_TRUE(Start(StartRequest(2, "a")).ok());
  ASSERT_TRUE(Start(StartRequest(1, "b")).ok());
  const uint32_t port = Get("a").spec().port();
  const int64_t pid = Pid(0, "b");
  v1::StopServerRequest request;
  request.set_name("b");
  StopLater(request);
  Exit(pid);
  NewFleet();
  Reconcile();
  EXPECT_EQ(Get("a").state(), v1::SERVER_STATE_DEGRADED) << "its worker has died";
  EXPECT_EQ(Get("a").spec().port(), port);
  EXPECT_EQ(Get("a").workers_size(), 2);
  EXPECT_EQ(Get("b").state(), v1::SERVER_STATE_STOPPED);
  EXPECT_THAT(launcher_->processes.begin()->second.spec.args,
              Contains("--coordinator=unix:/run/center.sock"));
  EXPECT_FALSE(directory_->Get("b")->running);
}

TEST_F(FleetTest, AServerWhosePortIsGoneIsFailedAndTheOthersGoOn) {
  ASSERT_TRUE(Start(StartRequest(1, "a")).ok());
  ASSERT_TRUE(Start(StartRequest(1, "b")).ok());
  const uint32_t port = Get("a").spec().port();
  NewFleet();
  auto taken = ListenTcp("127.0.0.1", static_cast<uint16_t>(port), 1);
  ASSERT_TRUE(taken.ok()) << taken.status();
  Reconcile();
  EXPECT_EQ(Get("a").state(), v1::SERVER_STATE_FAILED);
  EXPECT_THAT(Get("a").detail(), HasSubstr("in use"));
  EXPECT_EQ(Get("b").state(), v1::SERVER_STATE_DEGRADED);
  EXPECT_TRUE(store_->GetServer("a")->desired_running);

  taken->Reset();
  EXPECT_TRUE(Start(StartRequest(1, "a")).ok());
}

TEST_F(FleetTest, AServerThatCouldNotBeStartedCanBeStopped) {
  ASSERT_TRUE(Start(StartRequest(1, "a")).ok());
  NewFleet();
  listen_error_ = absl::AlreadyExistsError("in use");
  Reconcile();
  const Answer stopped = Stop("a");
  ASSERT_TRUE(stopped.ok()) << stopped.status();
  EXPECT_EQ(stopped->state(), v1::SERVER_STATE_STOPPED);
  EXPECT_FALSE(store_->GetServer("a")->desired_running);
}

TEST_F(FleetTest, ADeathThatNobodySawIsSaidBeforeTheSlotIsLaunched) {
  Reconcile();
  ASSERT_TRUE(Start(StartRequest(1, "a")).ok());
  NewFleet();
  Reconcile();
  EXPECT_THAT(EventNames(), testing::IsSupersetOf({"a/0 WORKER_DIED", "a/0 WORKER_STARTED"}));
  EXPECT_THAT(Get("a").workers(0).last_exit().reason(),
              HasSubstr("died while there was no coordinator"));
  EXPECT_EQ(Get("a").workers(0).restarts(), 1u);
  EXPECT_EQ(store_->ListProcesses()->size(), 1u);
}

TEST_F(FleetTest, ProcessesThatNoSlotWantsAreEnded) {
  ASSERT_TRUE(store_->PutProcess({.worker = "gone/0", .pid = 1}).ok());
  ASSERT_TRUE(store_->PutProcess({.worker = "unknown/0", .pid = 2}).ok());
  living_ = {"unknown/0"};
  Reconcile();
  EXPECT_EQ(store_->ListProcesses()->size(), 1u);
  EXPECT_THAT(EventNames(), ElementsAre("gone/0 WORKER_DIED", "unknown/0 WORKER_DRAINING"));
  orphans_.at("unknown/0")();
  EXPECT_THAT(*store_->ListProcesses(), testing::IsEmpty());
  EXPECT_THAT(EventNames(), Contains("unknown/0 WORKER_STOPPED"));
}

TEST_F(FleetTest, TheEndOfAStoppingServersProcessIsTold) {
  Reconcile();
  ASSERT_TRUE(Start(StartRequest(1, "a")).ok());
  v1::StopServerRequest request;
  request.set_name("a");
  StopLater(request);
  NewFleet();
  Reconcile();
  EXPECT_EQ(Get("a").state(), v1::SERVER_STATE_STOPPED);
  EXPECT_THAT(EventNames(), Contains("a/0 WORKER_STOPPED"));
  EXPECT_THAT(*store_->ListProcesses(), testing::IsEmpty());
}

TEST_F(FleetTest, DamagedSettingsAreAnError) {
  ASSERT_TRUE(store_->PutServer({.name = "a", .spec = "\xff\xff"}).ok());
  EXPECT_TRUE(absl::IsDataLoss(fleet_->Reconcile(kAddresses)));
}

}  // namespace
}  // namespace center::coordinator
