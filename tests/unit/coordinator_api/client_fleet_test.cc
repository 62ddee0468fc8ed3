// Clients: started, supervised, finished, stopped.
#include <csignal>

#include "services/coordinator/api/client_spec.h"
#include "tests/unit/coordinator_api/client_fleet_fixture.h"

namespace center::coordinator {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsSupersetOf;
using testing::Not;

TEST_F(ClientFleetTest, AStartIsAnsweredWhenEveryProcessHasReported) {
  const Later answer = StartLater(Request(2));
  EXPECT_EQ(Get().state(), v1::CLIENT_STATE_STARTING);
  ASSERT_TRUE(Report("default/0").ok());
  EXPECT_FALSE(answer->has_value());
  ASSERT_TRUE(Report("default/1").ok());
  ASSERT_TRUE(answer->has_value());
  ASSERT_TRUE((*answer)->ok()) << (*answer)->status();
  const v1::Client& client = ***answer;
  EXPECT_EQ(client.name(), "default");
  EXPECT_EQ(client.state(), v1::CLIENT_STATE_RUNNING);
  EXPECT_EQ(client.address(), "127.0.0.1:5000");
  EXPECT_EQ(client.spec().server(), "default");
  EXPECT_EQ(client.spec().framing(), v1::FRAMING_LINE);
  EXPECT_EQ(client.stats().connections(), 2u);
  EXPECT_EQ(client.processes_size(), 2);
}

TEST_F(ClientFleetTest, AStartIsAnsweredAtTheDeadlineAtTheLatest) {
  const Later answer = StartLater(Request(), clock_.Steady() + std::chrono::seconds(1));
  Advance(std::chrono::milliseconds(999));
  EXPECT_FALSE(answer->has_value());
  Advance(std::chrono::milliseconds(1));
  ASSERT_TRUE(answer->has_value());
  ASSERT_TRUE((*answer)->ok());
  EXPECT_EQ((**answer)->state(), v1::CLIENT_STATE_STARTING);
}

TEST_F(ClientFleetTest, ProcessesAreToldWhatToSendAndWhere) {
  v1::StartClientRequest request = Request();
  request.mutable_spec()->mutable_pace()->set_rate(0.25);
  request.mutable_spec()->set_count(7);
  servers_["default"].framing = v1::FRAMING_OCTET;
  StartLater(request);
  EXPECT_EQ(launcher_->processes.at(Pid()).spec.program, "/bin/center-client");
  EXPECT_THAT(Arguments(Pid()),
              IsSupersetOf({"--name=default/0", "--to=127.0.0.1:5000", "--rate=0.25", "--count=7",
                            "--framing=octet", "--mix=json=1,string=1", "--connections=1"}));
}

TEST_F(ClientFleetTest, AServerThatIsUnknownStoppedOrAPoolIsRefused) {
  v1::StartClientRequest request = Request();
  request.mutable_spec()->set_server("games");
  EXPECT_EQ(Reason(StartLater(request)), "SERVER_NOT_FOUND");
  servers_["games"] = {.address = "127.0.0.1:1", .running = false};
  const Later stopped = StartLater(request);
  EXPECT_EQ(Reason(stopped), "SERVER_STOPPED");
  EXPECT_THAT(std::string((*stopped)->status().message()),
              AllOf(HasSubstr("'games'"), HasSubstr("nobody to send to")));
  EXPECT_FALSE(fleet_->GetClient("").ok()) << "something was left behind";
  EXPECT_TRUE(store_->ListClients()->empty());
}

TEST_F(ClientFleetTest, AnAddressNeedsNoServer) {
  servers_.clear();
  v1::StartClientRequest request = Request();
  request.mutable_spec()->set_address("10.0.0.7:99");
  StartRunning(request);
  EXPECT_EQ(Get().address(), "10.0.0.7:99");
  EXPECT_EQ(Get().spec().server(), "");
  EXPECT_THAT(Arguments(Pid()), Contains("--to=10.0.0.7:99"));
}

TEST_F(ClientFleetTest, WrongSettingsAreNamedAndStartNothing) {
  v1::StartClientRequest request = Request(65, "Bad Name");
  request.mutable_spec()->set_connections(10'001);
  const Later answer = StartLater(request);
  EXPECT_EQ(Reason(answer), "INVALID_FIELDS");
  EXPECT_THAT(std::string((*answer)->status().message()),
              AllOf(HasSubstr("spec.processes"), HasSubstr("spec.connections"), HasSubstr("name")));
  EXPECT_EQ(launcher_->launches, 0);
}

TEST_F(ClientFleetTest, ARunningClientIsNotStartedTwice) {
  StartRunning(Request());
  EXPECT_EQ(Reason(StartLater(Request())), "CLIENT_RUNNING");
  EXPECT_EQ(launcher_->launches, 1);
}

TEST_F(ClientFleetTest, ARequestIdAnswersAsBefore) {
  v1::StartClientRequest request = Request();
  request.set_request_id("once");
  StartRunning(request);
  const Later again = StartLater(request);
  ASSERT_TRUE(again->has_value());
  ASSERT_TRUE((*again)->ok()) << (*again)->status();
  EXPECT_EQ((**again)->state(), v1::CLIENT_STATE_RUNNING);
  EXPECT_EQ(launcher_->launches, 1);
}

TEST_F(ClientFleetTest, AFailedLaunchLeavesNothingBehind) {
  launcher_->launch_error = absl::ResourceExhaustedError("EAGAIN");
  const Later answer = StartLater(Request());
  ASSERT_TRUE(answer->has_value());
  EXPECT_TRUE(absl::IsResourceExhausted((*answer)->status()));
  EXPECT_FALSE(fleet_->GetClient("").ok());
  EXPECT_TRUE(store_->ListClients()->empty());
}

TEST_F(ClientFleetTest, CountersOfEndedProcessesCount) {
  StartRunning(Request());
  ASSERT_TRUE(Report("default/0", 100).ok());
  const int64_t before = Pid();
  DieOf(before, SIGKILL);
  EXPECT_NE(Pid(), before);
  EXPECT_EQ(Get().state(), v1::CLIENT_STATE_DEGRADED);
  EXPECT_EQ(Get().processes(0).last_exit().signal(), SIGKILL);
  EXPECT_EQ(Get().processes(0).last_exit().cause(), v1::DEATH_CAUSE_KILLED);
  EXPECT_EQ(Get().processes(0).restarts(), 1u);
  ASSERT_TRUE(Report("default/0", 5).ok());
  EXPECT_EQ(Get().state(), v1::CLIENT_STATE_RUNNING);
  EXPECT_EQ(Get().stats().payloads_sent(), 105u);
  EXPECT_EQ(Get().processes(0).stats().payloads_sent(), 5u);
  EXPECT_THAT(EventNames(),
              IsSupersetOf({"client/default CLIENT_STARTED", "client/default/0 WORKER_READY",
                            "client/default/0 WORKER_DIED"}));
}

TEST_F(ClientFleetTest, AProcessThatHasSentItsCountFinishes) {
  v1::StartClientRequest request = Request(2);
  request.mutable_spec()->set_count(10);
  StartRunning(request);
  const int64_t second = Pid(1);
  ASSERT_TRUE(Report("default/0", 10, /*ending=*/true).ok());
  Exit(Pid(0));
  EXPECT_EQ(Get().state(), v1::CLIENT_STATE_RUNNING);
  EXPECT_EQ(Get().processes(0).state(), v1::WORKER_STATE_STOPPED);
  EXPECT_EQ(Get().processes(0).last_exit().reason(), "finished: 10 payloads sent");
  ASSERT_TRUE(Report("default/1", 10, /*ending=*/true).ok());
  Exit(second);
  EXPECT_EQ(Get().state(), v1::CLIENT_STATE_FINISHED);
  EXPECT_EQ(Get().stats().payloads_sent(), 20u);
  EXPECT_EQ(launcher_->launches, 2);
  EXPECT_THAT(EventNames(), AllOf(Contains("client/default CLIENT_FINISHED"),
                                  Not(Contains("client/default/0 WORKER_DIED"))));
  EXPECT_EQ(Reason(StopLater()), "CLIENT_STOPPED");
  NewFleet();
  Reconcile();
  EXPECT_EQ(Get().state(), v1::CLIENT_STATE_FINISHED);
  EXPECT_EQ(Get().stats().payloads_sent(), 20u);
  EXPECT_EQ(launcher_->launches, 0);
}

TEST_F(ClientFleetTest, AProcessThatDiedIsFollowedByOneThatSendsTheRest) {
  v1::StartClientRequest request = Request();
  request.mutable_spec()->set_count(10);
  StartRunning(request);
  ASSERT_TRUE(Report("default/0", 4).ok());
  DieOf(Pid(), SIGKILL);
  EXPECT_THAT(Arguments(Pid()), Contains("--count=6"));
}

TEST_F(ClientFleetTest, OneThatSomebodyElseEndsIsStartedAgain) {
  v1::StartClientRequest request = Request();
  request.mutable_spec()->set_count(10);
  StartRunning(request);
  ASSERT_TRUE(Report("default/0", 4, /*ending=*/true).ok());
  EXPECT_EQ(Get().processes(0).state(), v1::WORKER_STATE_DRAINING);
  Exit(Pid());
  EXPECT_EQ(launcher_->launches, 2);
  EXPECT_THAT(Arguments(Pid()), Contains("--count=6"));
}

TEST_F(ClientFleetTest, AStopEndsProcessesInOrderAndKeepsTheCounters) {
  StartRunning(Request());
  ASSERT_TRUE(Report("default/0", 3).ok());
  const int64_t pid = Pid();
  const Later answer = StopLater();
  EXPECT_THAT(launcher_->signals(pid), ElementsAre(SIGTERM));
  EXPECT_EQ(Get().state(), v1::CLIENT_STATE_STOPPING);
  EXPECT_EQ(Reason(StartLater(Request())), "CLIENT_RUNNING");
  Advance(std::chrono::seconds(4));
  EXPECT_THAT(launcher_->signals(pid), ElementsAre(SIGTERM)) << "a second one cuts connections";
  ASSERT_TRUE(Report("default/0", 4, /*ending=*/true).ok());
  EXPECT_FALSE(answer->has_value());
  Exit(pid);
  ASSERT_TRUE(answer->has_value());
  ASSERT_TRUE((*answer)->ok()) << (*answer)->status();
  EXPECT_EQ((**answer)->state(), v1::CLIENT_STATE_STOPPED);
  EXPECT_EQ((**answer)->stats().payloads_sent(), 4u);
  EXPECT_EQ((**answer)->stats().payloads_acknowledged(), 4u);
  EXPECT_EQ((**answer)->stats().connections(), 0u);
  EXPECT_EQ((**answer)->processes_size(), 0);
  EXPECT_EQ(Reason(StopLater()), "CLIENT_STOPPED");
}

TEST_F(ClientFleetTest, AStopNowSaysSoWithASecondSignal) {
  StartRunning(Request());
  const int64_t pid = Pid();
  StopLater(/*now=*/true);
  EXPECT_THAT(launcher_->signals(pid), ElementsAre(SIGTERM, SIGINT));
  Advance(std::chrono::seconds(3));
  EXPECT_THAT(launcher_->signals(pid), Contains(SIGKILL));
}

TEST_F(ClientFleetTest, AStoppedClientKeepsItsSettingsAndCountsAnew) {
  v1::StartClientRequest request = Request(2);
  request.mutable_spec()->mutable_pace()->set_unlimited(true);
  StartRunning(request);
  ASSERT_TRUE(Report("default/0", 3).ok());
  const int64_t first = Pid(0);
  const int64_t second = Pid(1);
  StopLater();
  Exit(first);
  Exit(second);
  EXPECT_EQ(Get().stats().payloads_sent(), 3u);
  StartRunning(v1::StartClientRequest());
  EXPECT_EQ(Get().processes_size(), 2);
  EXPECT_TRUE(Get().spec().pace().unlimited());
  EXPECT_EQ(Get().stats().payloads_sent(), 0u);
}

TEST_F(ClientFleetTest, OneThatFailsAgainAndAgainIsFailedAndCanBeStarted) {
  const Later answer = StartLater(Request());
  Exit(Pid(), 2);  // it does not understand its command line
  EXPECT_EQ(Get().state(), v1::CLIENT_STATE_FAILED);
  EXPECT_THAT(Get().detail(), HasSubstr("default/0 is FAILED (exited with code 2)"));
  ASSERT_TRUE(answer->has_value());
  StartRunning(Request());
  EXPECT_EQ(Get().state(), v1::CLIENT_STATE_RUNNING);
}

TEST_F(ClientFleetTest, ASilentProcessIsKilledAsHung) {
  StartRunning(Request());
  const int64_t pid = Pid();
  for (int i = 0; i < 11; ++i) Advance(std::chrono::milliseconds(500));
  EXPECT_THAT(launcher_->signals(pid), Contains(SIGKILL));
  DieOf(pid, SIGKILL);
  EXPECT_EQ(Get().processes(0).last_exit().cause(), v1::DEATH_CAUSE_HUNG);
}

TEST_F(ClientFleetTest, AReportOfAStrangerIsRefused) {
  StartRunning(Request());
  v1::ReportClientRequest report = ReportOf("default/0");
  report.set_token("guessed");
  EXPECT_EQ(rpc::ReasonOf(fleet_->Report(report).status()), "CLIENT_UNKNOWN");
  report = ReportOf("default/0");
  report.set_pid(report.pid() + 1);
  EXPECT_EQ(rpc::ReasonOf(fleet_->Report(report).status()), "CLIENT_UNKNOWN");
  report = ReportOf("default/0");
  report.set_client("other/0");
  EXPECT_EQ(rpc::ReasonOf(fleet_->Report(report).status()), "CLIENT_UNKNOWN");
}

TEST_F(ClientFleetTest, AReportIsAnsweredWithWhereTheServerIsNow) {
  StartRunning(Request());
  servers_["default"] = {
      .address = "127.0.0.1:6000", .framing = v1::FRAMING_LENGTH, .running = true};
  const auto answer = Report("default/0");
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer->address(), "127.0.0.1:6000");
  EXPECT_EQ(answer->framing(), v1::FRAMING_LENGTH);
  servers_.clear();  // what was known last stays
  EXPECT_EQ(Report("default/0")->address(), "127.0.0.1:6000");
}

TEST_F(ClientFleetTest, AReportIsAnsweredWithWhetherTheServerDrains) {
  StartRunning(Request());
  EXPECT_FALSE(Report("default/0")->hold());
  servers_["default"].drains = 3;
  EXPECT_EQ(Report("default/0")->drains(), 3u);
  servers_["default"].stopping = true;
  EXPECT_TRUE(Report("default/0")->hold());
  EXPECT_EQ(fleet_->GetClient("default")->detail(),
            "server default is stopped: it goes on sending when that runs again");
  servers_["default"].stopping = false;
  EXPECT_FALSE(Report("default/0")->hold());
  EXPECT_EQ(fleet_->GetClient("default")->detail(), "");
}

TEST_F(ClientFleetTest, ListsComeInPages) {
  for (const char* name : {"c", "a", "b"}) StartLater(Request(1, name));
  v1::ListClientsRequest request;
  request.set_page_size(2);
  auto page = fleet_->ListClients(request);
  ASSERT_TRUE(page.ok());
  ASSERT_EQ(page->clients_size(), 2);
  EXPECT_EQ(page->clients(0).name(), "a");
  request.set_page_token(page->next_page_token());
  page = fleet_->ListClients(request);
  ASSERT_EQ(page->clients_size(), 1);
  EXPECT_EQ(page->clients(0).name(), "c");
  EXPECT_EQ(page->next_page_token(), "");
  request.set_page_token("Not A Token");
  EXPECT_TRUE(absl::IsInvalidArgument(fleet_->ListClients(request).status()));
}

TEST_F(ClientFleetTest, ThereAreNotMoreThanTheLimit) {
  for (size_t i = 0; i < kClientsMax; ++i) {
    ASSERT_TRUE(store_->PutClient({.name = absl::StrCat("c", i)}).ok());
  }
  NewFleet();
  Reconcile();
  EXPECT_EQ(Reason(StartLater(Request())), "CLIENT_LIMIT");
  EXPECT_THAT(EventNames(), Contains("coordinator LIMIT_REACHED"));
}

TEST_F(ClientFleetTest, AShutdownEndsProcessesAndKeepsWhatIsWanted) {
  StartRunning(Request());
  const int64_t pid = Pid();
  bool done = false;
  fleet_->Shutdown(/*now=*/false, [&] { done = true; });
  Settle();
  EXPECT_FALSE(done);
  EXPECT_EQ(Reason(StartLater(Request(1, "other"))), "COORDINATOR_STOPPING");
  Exit(pid);
  EXPECT_TRUE(done);
  NewFleet();
  Reconcile();
  EXPECT_EQ(launcher_->launches, 1) << "the next coordinator starts it again";
}

// What an earlier coordinator left.

TEST_F(ClientFleetTest, AProcessThatLivesIsAdoptedAndItsCountersGoOn) {
  StartRunning(Request());
  ASSERT_TRUE(Report("default/0", 10).ok());
  DieOf(Pid(), SIGKILL);
  ASSERT_TRUE(Report("default/0", 20).ok());
  const v1::ReportClientRequest report = ReportOf("default/0", 30);
  living_ = {"default/0"};
  NewFleet();
  Reconcile();
  EXPECT_EQ(launcher_->launches, 0);
  EXPECT_EQ(Get().state(), v1::CLIENT_STATE_STARTING);
  ASSERT_TRUE(fleet_->Report(report).ok());
  Settle();
  EXPECT_EQ(Get().state(), v1::CLIENT_STATE_RUNNING);
  EXPECT_EQ(Pid(), report.pid());
  EXPECT_EQ(Get().stats().payloads_sent(), 40u);
  EXPECT_EQ(Get().processes(0).restarts(), 1u);
  EXPECT_THAT(EventNames(), Contains("client/default/0 WORKER_ADOPTED"));
}

TEST_F(ClientFleetTest, AnAdoptedProcessThatFinishesIsNotTakenForDead) {
  v1::StartClientRequest request = Request();
  request.mutable_spec()->set_count(10);
  StartRunning(request);
  v1::ReportClientRequest report = ReportOf("default/0", 10, /*ending=*/true);
  living_ = {"default/0"};
  NewFleet();
  Reconcile();
  ASSERT_TRUE(fleet_->Report(report).ok());
  launcher_->Exit(report.pid(), {.known = false});
  Settle();
  EXPECT_EQ(Get().state(), v1::CLIENT_STATE_FINISHED);
  EXPECT_EQ(launcher_->launches, 0);
}

TEST_F(ClientFleetTest, AProcessThatDiedMeanwhileIsReplacedAndItsDeathTold) {
  StartRunning(Request(2));
  living_ = {"default/1"};
  NewFleet();
  Reconcile();
  EXPECT_EQ(launcher_->launches, 1);
  EXPECT_THAT(Get().processes(0).last_exit().reason(), HasSubstr("while there was no coordinator"));
  EXPECT_EQ(store_->ListProcesses(state::Owner::kClient)->size(), 2u);
}

TEST_F(ClientFleetTest, AStopThatWasBegunIsCarriedOn) {
  StartRunning(Request());
  const int64_t pid = Pid();
  StopLater();
  living_ = {"default/0"};
  NewFleet();
  Reconcile();
  EXPECT_EQ(Get().state(), v1::CLIENT_STATE_STOPPING);
  EXPECT_THAT(launcher_->signals(pid), Contains(SIGTERM));
  launcher_->Exit(pid, {.known = false});
  Settle();
  EXPECT_EQ(Get().state(), v1::CLIENT_STATE_STOPPED);
  EXPECT_TRUE(store_->ListProcesses(state::Owner::kClient)->empty());
}

TEST_F(ClientFleetTest, AProcessOfNoClientIsEnded) {
  ASSERT_TRUE(store_->PutProcess({.worker = "gone/0", .pid = 7}, state::Owner::kClient).ok());
  living_ = {"gone/0"};
  NewFleet();
  Reconcile();
  ASSERT_TRUE(orphans_.contains("gone/0"));
  orphans_["gone/0"]();
  EXPECT_TRUE(store_->ListProcesses(state::Owner::kClient)->empty());
}

}  // namespace
}  // namespace center::coordinator
