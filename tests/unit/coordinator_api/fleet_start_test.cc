#include "tests/unit/coordinator_api/fleet_fixture.h"

namespace center::coordinator {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST_F(FleetTest, AStartedServerListensIsStoredAndHasItsWorkers) {
  const Answer answer = Start(StartRequest(2));
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->name(), "default");
  EXPECT_EQ(answer->state(), v1::SERVER_STATE_STARTING);
  EXPECT_EQ(answer->workers_size(), 2);
  EXPECT_NE(answer->spec().port(), 0u);
  EXPECT_EQ(answer->address(), absl::StrCat("127.0.0.1:", answer->spec().port()));
  EXPECT_TRUE(ConnectTcp("127.0.0.1", static_cast<uint16_t>(answer->spec().port())).ok());
  auto stored = store_->GetServer("default");
  ASSERT_TRUE(stored.ok());
  EXPECT_TRUE(stored->desired_running);
  EXPECT_EQ(stored->port, answer->spec().port());
  EXPECT_EQ(store_->ListProcesses()->size(), 2u);
  EXPECT_THAT(EventNames(), ElementsAre("default SERVER_STARTED", "default/0 WORKER_STARTED",
                                        "default/1 WORKER_STARTED"));
}

TEST_F(FleetTest, WorkersGetTheListenerAndTheScoreboard) {
  ASSERT_TRUE(Start(StartRequest()).ok());
  const supervision::LaunchSpec& spec = launcher_->processes.begin()->second.spec;
  ASSERT_EQ(spec.inherited_fds.size(), 2u);
  EXPECT_EQ(*LocalPort(spec.inherited_fds[0]), Get().spec().port());
  EXPECT_THAT(spec.env, testing::Contains("LISTEN_FDS=4"));
  EXPECT_THAT(spec.args, testing::Contains("--name=default/0"));
}

TEST_F(FleetTest, WaitReadyAnswersWhenEveryWorkerIsReady) {
  v1::StartServerRequest request = StartRequest(2);
  request.set_wait_ready(true);
  auto answer = StartLater(request);
  EXPECT_FALSE(answer->has_value());
  MakeReady(0);
  EXPECT_FALSE(answer->has_value());
  MakeReady(1);
  ASSERT_TRUE(answer->has_value());
  ASSERT_TRUE((*answer)->ok());
  EXPECT_EQ((**answer)->state(), v1::SERVER_STATE_RUNNING);
}

TEST_F(FleetTest, WaitReadyGivesUpAtItsDeadlineAndTheServerGoesOn) {
  v1::StartServerRequest request = StartRequest();
  request.set_wait_ready(true);
  auto answer = StartLater(request, clock_.Steady() + std::chrono::seconds(3));
  Advance(std::chrono::seconds(2));
  EXPECT_FALSE(answer->has_value());
  Advance(std::chrono::seconds(1));
  ASSERT_TRUE(answer->has_value());
  EXPECT_TRUE(absl::IsDeadlineExceeded((*answer)->status()));
  MakeReady(0);
  EXPECT_EQ(Get().state(), v1::SERVER_STATE_RUNNING);
}

TEST_F(FleetTest, WaitReadyIsAbortedWhenTheWorkersDieAgainAndAgain) {
  v1::StartServerRequest request = StartRequest();
  request.set_wait_ready(true);
  auto answer = StartLater(request);
  for (int death = 0; death < 5; ++death) {
    Advance(std::chrono::seconds(2));
    launcher_->Exit(Pid(0), {.exit_code = 4, .stderr_tail = "no such luck\n"});
    Settle();
  }
  ASSERT_TRUE(answer->has_value());
  EXPECT_TRUE(absl::IsAborted((*answer)->status())) << (*answer)->status();
  EXPECT_EQ(Reason(**answer), "START_FAILED");
  EXPECT_THAT(std::string((*answer)->status().message()),
              testing::AllOf(HasSubstr("exited with code 4"), HasSubstr("no such luck")));
  EXPECT_EQ(Get().state(), v1::SERVER_STATE_FAILED);
  // Nobody would accept, so nobody may connect.
  EXPECT_FALSE(ConnectTcp("127.0.0.1", static_cast<uint16_t>(Get().spec().port())).ok());
}

TEST_F(FleetTest, AFailedServerCanBeStartedAgainOnItsPort) {
  ASSERT_TRUE(Start(StartRequest()).ok());
  const uint32_t port = Get().spec().port();
  for (int death = 0; death < 5; ++death) {
    Advance(std::chrono::seconds(2));
    Exit(Pid(0), 4);
  }
  ASSERT_EQ(Get().state(), v1::SERVER_STATE_FAILED);
  const Answer again = Start(v1::StartServerRequest());
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->state(), v1::SERVER_STATE_STARTING);
  EXPECT_EQ(again->spec().port(), port);
}

TEST_F(FleetTest, ASecondStartIsRefused) {
  ASSERT_TRUE(Start(StartRequest()).ok());
  const Answer second = Start(StartRequest());
  EXPECT_TRUE(absl::IsAlreadyExists(second.status()));
  EXPECT_EQ(Reason(second), "SERVER_RUNNING");
}

TEST_F(FleetTest, APortThatAnotherServerHasIsRefusedByNameAndNothingIsLeft) {
  ASSERT_TRUE(Start(StartRequest(1, "first")).ok());
  v1::StartServerRequest request = StartRequest(1, "second");
  request.mutable_spec()->set_port(Get("first").spec().port());
  const Answer refused = Start(request);
  EXPECT_TRUE(absl::IsAlreadyExists(refused.status()));
  EXPECT_EQ(Reason(refused), "PORT_IN_USE");
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("server 'first'"));
  EXPECT_TRUE(absl::IsNotFound(fleet_->GetServer("second").status()));
  EXPECT_TRUE(absl::IsNotFound(store_->GetServer("second").status()));
  EXPECT_EQ(launcher_->launches, 1);
}

TEST_F(FleetTest, APortThatAnotherProcessHasIsRefused) {
  auto taken = ListenTcp("127.0.0.1", 0, 1);
  ASSERT_TRUE(taken.ok());
  v1::StartServerRequest request = StartRequest();
  request.mutable_spec()->set_port(*LocalPort(taken->get()));
  EXPECT_EQ(Reason(Start(request)), "PORT_IN_USE");
}

TEST_F(FleetTest, OtherBindErrorsKeepTheirMeaning) {
  listen_error_ = absl::PermissionDeniedError("listen on 127.0.0.1:80: Permission denied");
  EXPECT_EQ(Reason(Start(StartRequest())), "PORT_NOT_PERMITTED");
  listen_error_ = absl::NotFoundError("cannot resolve host 'nowhere'");
  EXPECT_EQ(Reason(Start(StartRequest())), "HOST_NOT_FOUND");
}

TEST_F(FleetTest, AnAddressThatIsNotOursIsAnInvalidHost) {
  v1::StartServerRequest request = StartRequest();
  request.mutable_spec()->set_host("192.0.2.1");  // TEST-NET-1
  const Answer refused = Start(request);
  EXPECT_TRUE(absl::IsInvalidArgument(refused.status())) << refused.status();
}

TEST_F(FleetTest, AWorkerThatCannotBeLaunchedUndoesTheStart) {
  launcher_->launch_error = absl::ResourceExhaustedError("posix_spawn: no processes left");
  const Answer refused = Start(StartRequest());
  EXPECT_TRUE(absl::IsResourceExhausted(refused.status()));
  EXPECT_TRUE(absl::IsNotFound(fleet_->GetServer("").status()));
  EXPECT_TRUE(absl::IsNotFound(store_->GetServer("default").status()));
}

TEST_F(FleetTest, AFailedRestartLeavesTheStoppedServerAsItWas) {
  ASSERT_TRUE(Start(StartRequest()).ok());
  const uint32_t port = Get().spec().port();
  auto stopped = StopLater(v1::StopServerRequest());
  Exit(launcher_->processes.begin()->first);
  ASSERT_TRUE(stopped->has_value());
  launcher_->launch_error = absl::ResourceExhaustedError("no processes left");
  EXPECT_FALSE(Start(StartRequest(3)).ok());
  EXPECT_EQ(Get().state(), v1::SERVER_STATE_STOPPED);
  EXPECT_EQ(Get().spec().workers(), 1u);
  EXPECT_EQ(store_->GetServer("default")->port, port);
  EXPECT_FALSE(store_->GetServer("default")->desired_running);
}

TEST_F(FleetTest, EveryWrongFieldIsNamedAtOnce) {
  v1::StartServerRequest request;
  request.set_name("-x");
  request.mutable_spec()->set_port(70000);
  request.mutable_spec()->set_workers(1000);
  request.set_request_id(std::string(200, 'x'));
  const Answer refused = Start(request);
  EXPECT_TRUE(absl::IsInvalidArgument(refused.status()));
  EXPECT_THAT(std::string(refused.status().message()),
              testing::AllOf(HasSubstr("name:"), HasSubstr("spec.port:"),
                             HasSubstr("spec.workers:"), HasSubstr("request_id:")));
}

TEST_F(FleetTest, ARepeatedRequestAnswersAsTheFirstDid) {
  v1::StartServerRequest request = StartRequest();
  request.set_request_id("r1");
  const Answer first = Start(request);
  ASSERT_TRUE(first.ok());
  const Answer second = Start(request);
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(second->SerializeAsString(), first->SerializeAsString());
  EXPECT_EQ(launcher_->launches, 1);
}

TEST_F(FleetTest, ARequestRepeatedWhileItRunsWaitsForTheSameAnswer) {
  v1::StartServerRequest request = StartRequest();
  request.set_request_id("r1");
  request.set_wait_ready(true);
  auto first = StartLater(request);
  auto second = StartLater(request);
  EXPECT_FALSE(second->has_value());
  MakeReady(0);
  ASSERT_TRUE(first->has_value());
  ASSERT_TRUE(second->has_value());
  EXPECT_TRUE((*second)->ok());
}

TEST_F(FleetTest, ARefusedRequestIsTriedAnewWhenItIsRepeated) {
  listen_error_ = absl::AlreadyExistsError("in use");
  v1::StartServerRequest request = StartRequest();
  request.set_request_id("r1");
  EXPECT_FALSE(Start(request).ok());
  listen_error_ = absl::OkStatus();
  EXPECT_TRUE(Start(request).ok());
}

TEST_F(FleetTest, SettingsThatARequestLeavesOutKeepTheirStoredValues) {
  v1::StartServerRequest request = StartRequest(2);
  request.mutable_spec()->set_banner("hello");
  request.mutable_spec()->set_framing(v1::FRAMING_OCTET);
  ASSERT_TRUE(Start(request).ok());
  const uint32_t port = Get().spec().port();
  auto stopped = StopLater(v1::StopServerRequest());
  for (const auto& [pid, process] : std::map(launcher_->processes)) Exit(pid);
  ASSERT_TRUE(stopped->has_value());
  v1::StartServerRequest again;
  again.mutable_spec()->set_workers(1);
  const Answer answer = Start(again);
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->spec().banner(), "hello");
  EXPECT_EQ(answer->spec().framing(), v1::FRAMING_OCTET);
  EXPECT_EQ(answer->spec().workers(), 1u);
  EXPECT_EQ(answer->spec().port(), port) << "the port that was chosen stays";
}

}  // namespace
}  // namespace center::coordinator
