// RestartServer and RestartWorker.
#include "services/common/net_address.h"
#include "tests/unit/coordinator_api/fleet_change_fixture.h"

namespace center::coordinator {
namespace {

using std::chrono::seconds;
using testing::Contains;
using testing::HasSubstr;

using FleetRollTest = FleetChangeTest;

TEST_F(FleetRollTest, RestartReplacesEveryProcessAndAnswersThen) {
  StartReady(2);
  const int64_t first = Pid(0);
  auto answer = Restart();
  EXPECT_THAT(Get().detail(), HasSubstr("0 of 2 workers are replaced"));
  EXPECT_EQ(Get().state(), v1::SERVER_STATE_DEGRADED);
  Replace(0);
  EXPECT_FALSE(answer->has_value());
  Replace(1);
  ASSERT_TRUE(answer->has_value());
  ASSERT_TRUE((*answer)->ok()) << (*answer)->status();
  EXPECT_EQ((**answer)->restarted(), 2);
  EXPECT_EQ((**answer)->server().state(), v1::SERVER_STATE_RUNNING);
  EXPECT_NE(Pid(0), first);
  EXPECT_THAT(EventNames(), Contains("default SERVER_ROLLING"));
  EXPECT_THAT(EventNames(), Contains("default SERVER_ROLLED"));
}

TEST_F(FleetRollTest, ANewProcessThatDiesIsNamedWithItsLastWords) {
  StartReady(2);
  auto answer = Restart();
  Exit(Pid(0));
  launcher_->Exit(Pid(0), {.exit_code = 1, .stderr_tail = "no such luck\n"});
  Settle();
  ASSERT_TRUE(answer->has_value());
  EXPECT_TRUE(absl::IsAborted((*answer)->status())) << (*answer)->status();
  EXPECT_EQ(ReasonOf(answer), "ROLL_FAILED");
  EXPECT_THAT(std::string((*answer)->status().message()),
              testing::AllOf(HasSubstr("worker default/0 did not become READY: exited with code 1"),
                             HasSubstr("no such luck"), HasSubstr("0 processes replaced before")));
  EXPECT_EQ(Get().workers(1).state(), v1::WORKER_STATE_READY);
}

TEST_F(FleetRollTest, ADeadlineAnswersAndTheRollGoesOn) {
  StartReady(2);
  auto answer = Restart({}, clock_.Steady() + seconds(2));
  Replace(0);
  Advance(seconds(2));
  ASSERT_TRUE(answer->has_value());
  EXPECT_TRUE(absl::IsDeadlineExceeded((*answer)->status()));
  EXPECT_THAT(std::string((*answer)->status().message()), HasSubstr("1 of 2 are; that goes on"));
  Replace(1);
  EXPECT_EQ(Get().state(), v1::SERVER_STATE_RUNNING);
}

TEST_F(FleetRollTest, ARepetitionAfterItsDeadlineWaitsForTheSameRoll) {
  StartReady(1);
  v1::RestartServerRequest request;
  request.set_request_id("r1");
  auto first = Restart(request, clock_.Steady() + seconds(1));
  Advance(seconds(1));
  ASSERT_TRUE(first->has_value());
  auto second = Restart(request);
  EXPECT_FALSE(second->has_value());
  Replace(0);
  ASSERT_TRUE(second->has_value());
  EXPECT_EQ((**second)->restarted(), 1);
  auto third = Restart(request);
  ASSERT_TRUE(third->has_value());
  EXPECT_EQ((**third)->restarted(), 1);
  EXPECT_EQ(launcher_->launches, 2);
}

TEST_F(FleetRollTest, OneRollAtATime) {
  StartReady(1);
  auto first = Restart();
  auto second = Restart();
  EXPECT_TRUE(absl::IsAlreadyExists((*second)->status()));
  EXPECT_EQ(ReasonOf(second), "SERVER_BUSY");
  EXPECT_EQ(ReasonOf(RestartOne("default/0")), "SERVER_BUSY");
  Replace(0);
  EXPECT_TRUE(first->has_value());
}

TEST_F(FleetRollTest, StopEndsTheRoll) {
  StartReady(1);
  auto answer = Restart();
  StopLater({});
  ASSERT_TRUE(answer->has_value());
  EXPECT_TRUE(absl::IsAborted((*answer)->status()));
  EXPECT_EQ(ReasonOf(answer), "SERVER_BUSY");
}

TEST_F(FleetRollTest, ShutdownEndsTheRollWithoutRememberingThat) {
  StartReady(1);
  v1::RestartServerRequest request;
  request.set_request_id("r1");
  auto answer = Restart(request);
  fleet_->Shutdown(false, [] {});
  ASSERT_TRUE(answer->has_value());
  EXPECT_TRUE(absl::IsUnavailable((*answer)->status()));
}

TEST_F(FleetRollTest, WhatDoesNotRunIsNotRestarted) {
  EXPECT_EQ(ReasonOf(Restart()), "SERVER_NOT_FOUND");
  StartReady(1);
  auto stopped = StopLater({});
  EXPECT_EQ(ReasonOf(Restart()), "SERVER_STOPPED");
  Exit(Pid(0));
  ASSERT_TRUE(stopped->has_value());
  EXPECT_EQ(ReasonOf(Restart()), "SERVER_STOPPED");
}

TEST_F(FleetRollTest, AFailedServerListensAgain) {
  StartReady(1);
  Fail(0);
  ASSERT_EQ(Get().state(), v1::SERVER_STATE_FAILED);
  const auto port = static_cast<uint16_t>(Get().spec().port());
  EXPECT_FALSE(ConnectTcp("127.0.0.1", port).ok());
  auto answer = Restart();
  EXPECT_TRUE(ConnectTcp("127.0.0.1", port).ok());
  MakeReady(0);
  ASSERT_TRUE(answer->has_value());
  EXPECT_TRUE((*answer)->ok()) << (*answer)->status();
}

TEST_F(FleetRollTest, AFailedServerWhosePortWasTakenSaysSo) {
  StartReady(1);
  Fail(0);
  listen_error_ = absl::AlreadyExistsError("in use");
  EXPECT_EQ(ReasonOf(Restart()), "PORT_IN_USE");
  EXPECT_EQ(Get().state(), v1::SERVER_STATE_FAILED);
}

TEST_F(FleetRollTest, OneWorkerIsReplacedAlone) {
  StartReady(2);
  const int64_t other = Pid(0);
  auto answer = RestartOne("default/1");
  Replace(1);
  ASSERT_TRUE(answer->has_value());
  ASSERT_TRUE((*answer)->ok()) << (*answer)->status();
  EXPECT_EQ((**answer)->worker().name(), "default/1");
  EXPECT_EQ((**answer)->worker().pid(), Pid(1));
  EXPECT_EQ((**answer)->worker().state(), v1::WORKER_STATE_READY);
  EXPECT_EQ(Pid(0), other);
}

TEST_F(FleetRollTest, AFailedWorkerIsTriedAgain) {
  StartReady(2);
  Fail(1);
  auto answer = RestartOne("default/1");
  MakeReady(1);
  ASSERT_TRUE(answer->has_value());
  EXPECT_TRUE((*answer)->ok()) << (*answer)->status();
}

TEST_F(FleetRollTest, AServerIsHealthyWhileAWorkerServes) {
  ASSERT_TRUE(Start(StartRequest(2)).ok());
  EXPECT_FALSE(health_.at("default"));
  MakeReady(0);
  EXPECT_TRUE(health_.at("default"));
  MakeReady(1);
  Fail(0);
  EXPECT_TRUE(health_.at("default"));
  Exit(Pid(1), 1);  // tried again, but nobody serves meanwhile
  EXPECT_FALSE(health_.at("default"));
  MakeReady(1);
  EXPECT_TRUE(health_.at("default"));
  StopLater({});
  EXPECT_FALSE(health_.at("default"));
}

TEST_F(FleetRollTest, WorkersThatDoNotExist) {
  StartReady(1);
  for (const char* name :
       {"default/1", "default/01", "default/", "default/x", "default", "default/0/1"}) {
    EXPECT_EQ(ReasonOf(RestartOne(name)), "WORKER_NOT_FOUND") << name;
  }
  EXPECT_EQ(ReasonOf(RestartOne("other/0")), "SERVER_NOT_FOUND");
}

}  // namespace
}  // namespace center::coordinator
