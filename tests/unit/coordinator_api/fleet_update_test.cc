// UpdateServer.
#include "services/coordinator/state/sqlite.h"
#include "tests/unit/coordinator_api/fleet_change_fixture.h"

namespace center::coordinator {
namespace {

using std::chrono::seconds;
using testing::Contains;
using testing::HasSubstr;

using FleetUpdateTest = FleetChangeTest;

v1::UpdateServerRequest Idle(int seconds) {
  v1::UpdateServerRequest request;
  request.mutable_spec()->mutable_idle_timeout()->set_seconds(seconds);
  return request;
}

TEST_F(FleetUpdateTest, WhatNeedsNewProcessesIsRolled) {
  StartReady(2);
  const uint64_t generation = Get().generation();
  auto answer = Update(Idle(60));
  Replace(0);
  EXPECT_EQ(Get().workers(0).generation(), generation + 1);
  EXPECT_EQ(Get().workers(1).generation(), generation);
  EXPECT_THAT(Get().detail(), HasSubstr("1 workers run with older settings"));
  Replace(1);
  ASSERT_TRUE(answer->has_value());
  ASSERT_TRUE((*answer)->ok()) << (*answer)->status();
  EXPECT_EQ((**answer)->restarted(), 2);
  ASSERT_EQ((**answer)->changes_size(), 1);
  EXPECT_EQ((**answer)->changes(0).field(), "idle_timeout");
  EXPECT_EQ((**answer)->changes(0).effect(), v1::CHANGE_EFFECT_ROLLING_RESTART);
  EXPECT_EQ((**answer)->server().generation(), generation + 1);
  EXPECT_THAT(launcher_->processes.at(Pid(0)).spec.args, Contains("--idle-timeout=1m"));
  EXPECT_THAT(EventNames(), Contains("default SERVER_UPDATED"));
}

TEST_F(FleetUpdateTest, RollLaterLeavesTheProcesses) {
  StartReady(1);
  v1::UpdateServerRequest request = Idle(60);
  request.set_roll(v1::UpdateServerRequest::ROLL_LATER);
  auto answer = Update(request);
  ASSERT_TRUE(answer->has_value());
  EXPECT_EQ((**answer)->restarted(), 0);
  EXPECT_EQ(launcher_->launches, 1);
  v1::RestartServerRequest outdated;
  outdated.set_only_outdated(true);
  auto restarted = Restart(outdated);
  Replace(0);
  ASSERT_TRUE(restarted->has_value());
  EXPECT_EQ((**restarted)->restarted(), 1);
  auto again = Restart(outdated);
  ASSERT_TRUE(again->has_value());
  EXPECT_EQ((**again)->restarted(), 0);
}

TEST_F(FleetUpdateTest, WhatHoldsAtOnceRestartsNobody) {
  StartReady(1);
  v1::UpdateServerRequest request;
  request.mutable_spec()->set_restart(v1::RESTART_POLICY_NEVER);
  auto answer = Update(request);
  ASSERT_TRUE(answer->has_value());
  EXPECT_EQ((**answer)->changes(0).effect(), v1::CHANGE_EFFECT_IMMEDIATE);
  EXPECT_EQ(launcher_->launches, 1);
  Exit(Pid(0), 1);
  EXPECT_EQ(Get().state(), v1::SERVER_STATE_FAILED);
}

TEST_F(FleetUpdateTest, WorkersAreScaledFirst) {
  StartReady(1);
  v1::UpdateServerRequest request = Idle(60);
  request.mutable_spec()->set_workers(2);
  auto answer = Update(request);
  EXPECT_EQ(Get().workers(0).state(), v1::WORKER_STATE_READY);
  MakeReady(1);
  Replace(0);
  ASSERT_TRUE(answer->has_value());
  ASSERT_TRUE((*answer)->ok()) << (*answer)->status();
  EXPECT_EQ((**answer)->restarted(), 1) << "the new one has the new settings";
  EXPECT_EQ((**answer)->changes_size(), 2);
}

TEST_F(FleetUpdateTest, ADryRunChangesNothing) {
  StartReady(1);
  v1::UpdateServerRequest request = Idle(60);
  request.mutable_spec()->set_host("127.0.0.2");
  request.set_dry_run(true);
  auto answer = Update(request);
  ASSERT_TRUE(answer->has_value());
  ASSERT_TRUE((*answer)->ok()) << (*answer)->status();
  EXPECT_EQ((**answer)->changes_size(), 2);
  EXPECT_EQ((**answer)->changes(0).effect(), v1::CHANGE_EFFECT_NEEDS_STOP);
  EXPECT_EQ(Get().spec().idle_timeout().seconds(), 0);
  EXPECT_EQ(Get().generation(), 1);
}

TEST_F(FleetUpdateTest, HostAndPortNeedAStop) {
  StartReady(1);
  v1::UpdateServerRequest request = Idle(60);
  request.mutable_spec()->set_port(1);
  auto refused = Update(request);
  EXPECT_TRUE(absl::IsFailedPrecondition((*refused)->status()));
  EXPECT_EQ(ReasonOf(refused), "NEEDS_STOP");
  EXPECT_EQ(Get().spec().idle_timeout().seconds(), 0) << "nothing was changed";
}

TEST_F(FleetUpdateTest, ThePortThatItHasAlreadyIsNoChange) {
  StartReady(1);
  v1::UpdateServerRequest request;
  request.mutable_spec()->set_port(Get().spec().port());
  auto answer = Update(request);
  ASSERT_TRUE(answer->has_value());
  ASSERT_TRUE((*answer)->ok()) << (*answer)->status();
  EXPECT_EQ((**answer)->changes_size(), 0);
}

TEST_F(FleetUpdateTest, AStoppedServerTakesEverythingAtOnce) {
  StartReady(1);
  StopLater({});
  Exit(Pid(0));
  v1::UpdateServerRequest request = Idle(60);
  request.mutable_spec()->set_port(0);
  request.mutable_spec()->set_workers(2);
  auto answer = Update(request);
  ASSERT_TRUE(answer->has_value());
  ASSERT_TRUE((*answer)->ok()) << (*answer)->status();
  for (const auto& change : (**answer)->changes()) {
    EXPECT_EQ(change.effect(), v1::CHANGE_EFFECT_IMMEDIATE) << change.field();
  }
  EXPECT_EQ(Get().spec().workers(), 2);
  EXPECT_EQ(Get().spec().port(), 0) << "the one that it had is forgotten";
  EXPECT_EQ(Get().state(), v1::SERVER_STATE_STOPPED);
}

TEST_F(FleetUpdateTest, ToAskARunningServerForAnyPortIsNoChange) {
  StartReady(1);  // with port 0
  v1::UpdateServerRequest request;
  request.mutable_spec()->set_port(0);
  const auto answer = Update(request);
  ASSERT_TRUE(answer->has_value() && (*answer)->ok());
  EXPECT_EQ((**answer)->changes_size(), 0);
  EXPECT_GT(Get().spec().port(), 0);
}

TEST_F(FleetUpdateTest, SettingsOutliveTheCoordinator) {
  StartReady(1);
  v1::UpdateServerRequest request = Idle(60);
  request.set_roll(v1::UpdateServerRequest::ROLL_LATER);
  Update(request);
  NewFleet();
  Reconcile();
  EXPECT_EQ(Get().spec().idle_timeout().seconds(), 60);
  EXPECT_EQ(Get().generation(), 2);
}

TEST_F(FleetUpdateTest, ARollThatFailsLeavesTheSettingsAndSaysSo) {
  StartReady(2);
  auto answer = Update(Idle(60));
  Exit(Pid(0));
  Exit(Pid(0), 1);
  ASSERT_TRUE(answer->has_value());
  EXPECT_EQ(ReasonOf(answer), "ROLL_FAILED");
  EXPECT_THAT(std::string((*answer)->status().message()), HasSubstr("the settings are stored; "));
  EXPECT_EQ(Get().spec().idle_timeout().seconds(), 60);
}

TEST_F(FleetUpdateTest, AnotherRollUnderWayChangesNothing) {
  StartReady(1);
  auto first = Restart();
  auto second = Update(Idle(60));
  EXPECT_EQ(ReasonOf(second), "SERVER_BUSY");
  EXPECT_EQ(Get().spec().idle_timeout().seconds(), 0);
}

TEST_F(FleetUpdateTest, ADeadlineSaysThatTheSettingsAreStored) {
  StartReady(1);
  auto answer = Update(Idle(60), clock_.Steady() + seconds(1));
  Advance(seconds(1));
  ASSERT_TRUE(answer->has_value());
  EXPECT_TRUE(absl::IsDeadlineExceeded((*answer)->status()));
  EXPECT_THAT(std::string((*answer)->status().message()), HasSubstr("the settings are stored"));
}

TEST_F(FleetUpdateTest, UnknownServersAndMalformedSettings) {
  EXPECT_EQ(ReasonOf(Update(Idle(60))), "SERVER_NOT_FOUND");
  StartReady(1);
  v1::UpdateServerRequest request;
  request.mutable_spec()->set_compute_threads(17);
  EXPECT_EQ(ReasonOf(Update(request)), "INVALID_FIELDS");
}

TEST_F(FleetUpdateTest, WhatCannotBeStoredIsAnsweredAndChangesNothing) {
  StartReady(1);
  auto database = state::Database::Open(data_dir_->database());
  ASSERT_TRUE(database.ok()) << database.status();
  ASSERT_TRUE(database
                  ->Execute("CREATE TRIGGER full BEFORE INSERT ON servers BEGIN "
                            "SELECT RAISE(ABORT, 'no room'); END")
                  .ok());
  auto answer = Update(Idle(60));
  ASSERT_TRUE(answer->has_value());
  EXPECT_THAT((*answer)->status().ToString(), HasSubstr("no room"));
  EXPECT_FALSE(Get().spec().has_idle_timeout() && Get().spec().idle_timeout().seconds() == 60);
  EXPECT_EQ(launcher_->launches, 1);
}

TEST_F(FleetUpdateTest, APureComputePoolBindsNothing) {
  listen_error_ = absl::InternalError("nobody may bind");
  v1::StartServerRequest request = StartRequest(1);
  request.mutable_spec()->set_no_listen(true);
  const FleetTest::Answer started = Start(request);
  ASSERT_TRUE(started.ok()) << started.status();
  EXPECT_EQ(started->address(), "");
  EXPECT_TRUE(directory_->Get("default")->workers.empty());
  MakeReady(0);
  Fail(0);
  auto answer = Restart();
  MakeReady(0);
  ASSERT_TRUE(answer->has_value());
  EXPECT_TRUE((*answer)->ok()) << (*answer)->status();
}

}  // namespace
}  // namespace center::coordinator
