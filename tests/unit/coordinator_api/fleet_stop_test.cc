#include "tests/unit/coordinator_api/fleet_fixture.h"

namespace center::coordinator {
namespace {

using testing::Contains;
using testing::ElementsAre;

TEST_F(FleetTest, StopDrainsAndAnswersWhenTheLastWorkerHasEnded) {
  ASSERT_TRUE(Start(StartRequest(2)).ok());
  const auto line0 = MakeReady(0);
  const auto line1 = MakeReady(1);
  EXPECT_FALSE(fleet_->FindTarget("default")->stopping);
  EXPECT_EQ(fleet_->FindTarget("default")->drains, 0u);
  const int64_t pid0 = Pid(0);
  const int64_t pid1 = Pid(1);
  const auto port = static_cast<uint16_t>(Get().spec().port());
  auto answer = StopLater(v1::StopServerRequest());
  EXPECT_FALSE(answer->has_value());
  EXPECT_TRUE(fleet_->FindTarget("default")->stopping);
  EXPECT_EQ(fleet_->FindTarget("default")->drains, 2u);
  EXPECT_THAT(line0->said, Contains("drain"));
  EXPECT_EQ(Get().state(), v1::SERVER_STATE_DRAINING);
  EXPECT_FALSE(store_->GetServer("default")->desired_running);
  Exit(pid0);
  EXPECT_FALSE(answer->has_value());
  Exit(pid1);
  ASSERT_TRUE(answer->has_value());
  ASSERT_TRUE((*answer)->ok()) << (*answer)->status();
  EXPECT_EQ((**answer)->state(), v1::SERVER_STATE_STOPPED);
  EXPECT_EQ((**answer)->workers_size(), 0);
  EXPECT_FALSE(ConnectTcp("127.0.0.1", port).ok());
  EXPECT_THAT(*store_->ListProcesses(), testing::IsEmpty());
  EXPECT_EQ(EventNames().back(), "default SERVER_STOPPED");
}

TEST_F(FleetTest, OurCopyOfTheListenerIsClosedAsSoonAsAServerStops) {
  ASSERT_TRUE(Start(StartRequest()).ok());
  MakeReady(0);
  const auto port = static_cast<uint16_t>(Get().spec().port());
  StopLater(v1::StopServerRequest());
  // No worker is real here, so ours was the only copy.
  EXPECT_FALSE(ConnectTcp("127.0.0.1", port).ok());
}

TEST_F(FleetTest, StopNowHastensAStopThatIsUnderWay) {
  ASSERT_TRUE(Start(StartRequest()).ok());
  const auto line = MakeReady(0);
  const int64_t pid = Pid(0);
  auto patient = StopLater(v1::StopServerRequest());
  v1::StopServerRequest request;
  request.set_now(true);
  auto hasty = StopLater(request);
  EXPECT_THAT(line->said, Contains("drain now"));
  Exit(pid);
  EXPECT_TRUE(patient->has_value());
  EXPECT_TRUE(hasty->has_value());
}

TEST_F(FleetTest, AStoppedServerCannotBeStopped) {
  EXPECT_EQ(Reason(Stop()), "SERVER_NOT_FOUND");
  ASSERT_TRUE(Start(StartRequest()).ok());
  const int64_t pid = Pid(0);
  StopLater(v1::StopServerRequest());
  Exit(pid);
  const Answer again = Stop();
  EXPECT_TRUE(absl::IsFailedPrecondition(again.status()));
  EXPECT_EQ(Reason(again), "SERVER_STOPPED");
}

TEST_F(FleetTest, AServerThatIsStoppingCannotBeStarted) {
  ASSERT_TRUE(Start(StartRequest()).ok());
  MakeReady(0);
  StopLater(v1::StopServerRequest());
  EXPECT_EQ(Reason(Start(StartRequest())), "SERVER_RUNNING");
}

TEST_F(FleetTest, ARepeatedStopAnswersAsTheFirstDid) {
  ASSERT_TRUE(Start(StartRequest()).ok());
  const int64_t pid = Pid(0);
  v1::StopServerRequest request;
  request.set_request_id("r1");
  auto first = StopLater(request);
  auto second = StopLater(request);
  Exit(pid);
  ASSERT_TRUE(second->has_value());
  EXPECT_TRUE((*second)->ok());
  auto third = StopLater(request);
  ASSERT_TRUE(third->has_value());
  EXPECT_TRUE((*third)->ok());
}

TEST_F(FleetTest, AStartThatWaitsIsToldWhenItsServerIsStopped) {
  v1::StartServerRequest request = StartRequest();
  request.set_wait_ready(true);
  auto started = StartLater(request);
  const int64_t pid = Pid(0);
  StopLater(v1::StopServerRequest());
  Exit(pid);
  ASSERT_TRUE(started->has_value());
  EXPECT_TRUE(absl::IsAborted((*started)->status()));
}

TEST_F(FleetTest, ShutdownDrainsAllAndKeepsWhatIsWanted) {
  ASSERT_TRUE(Start(StartRequest(1, "a")).ok());
  ASSERT_TRUE(Start(StartRequest(1, "b")).ok());
  const auto line = MakeReady(0, "a");
  MakeReady(0, "b");
  const int64_t a = Pid(0, "a");
  const int64_t b = Pid(0, "b");
  bool done = false;
  fleet_->Shutdown(/*now=*/false, [&] { done = true; });
  Settle();
  EXPECT_THAT(line->said, Contains("drain"));
  EXPECT_TRUE(absl::IsUnavailable(Start(StartRequest(1, "c")).status()));
  EXPECT_TRUE(absl::IsUnavailable(Stop("a").status()));
  Exit(a);
  EXPECT_FALSE(done);
  Exit(b);
  EXPECT_TRUE(done);
  EXPECT_TRUE(store_->GetServer("a")->desired_running);
  EXPECT_THAT(EventNames(), testing::Not(Contains("a SERVER_STOPPED")));
}

TEST_F(FleetTest, ASecondShutdownIsAtOnce) {
  ASSERT_TRUE(Start(StartRequest()).ok());
  const auto line = MakeReady(0);
  const int64_t pid = Pid(0);
  bool done = false;
  fleet_->Shutdown(/*now=*/false, [] {});
  fleet_->Shutdown(/*now=*/true, [&] { done = true; });
  Settle();
  EXPECT_THAT(line->said, Contains("drain now"));
  Exit(pid);
  EXPECT_TRUE(done);
}

TEST_F(FleetTest, ShutdownWithoutServersIsDoneAtOnce) {
  bool done = false;
  fleet_->Shutdown(/*now=*/false, [&] { done = true; });
  Settle();
  EXPECT_TRUE(done);
}

TEST_F(FleetTest, ShutdownAnswersStartsThatWait) {
  v1::StartServerRequest request = StartRequest();
  request.set_wait_ready(true);
  auto started = StartLater(request);
  fleet_->Shutdown(/*now=*/false, [] {});
  Settle();
  ASSERT_TRUE(started->has_value());
  EXPECT_TRUE(absl::IsUnavailable((*started)->status()));
}

}  // namespace
}  // namespace center::coordinator
