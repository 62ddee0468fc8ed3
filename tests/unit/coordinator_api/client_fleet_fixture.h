// A fleet of clients with everything outside it faked: processes and time move only when told,
// posted tasks run when told; the store is real.
#pragma once

#include <fcntl.h>

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/rpc/status.h"
#include "services/coordinator/api/client_fleet.h"
#include "tests/unit/common/scratch_dir.h"
#include "tests/unit/supervision/fakes.h"

namespace center::coordinator {

class ClientFleetTest : public testing::Test {
 protected:
  using Result = absl::StatusOr<v1::Client>;
  using Later = std::shared_ptr<absl::optional<Result>>;

  ClientFleetTest() {
    auto store = state::Store::Open(scratch_.path() + "/center.db");
    EXPECT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
    servers_["default"] = {.address = "127.0.0.1:5000", .running = true};
    NewFleet();
  }

  // As a new coordinator on the same store; what the old one's launcher runs is forgotten.
  void NewFleet() {
    fleet_.reset();
    tasks_.clear();
    launcher_ = std::make_unique<supervision::FakeLauncher>();
    events_ = std::make_unique<EventLog>(*store_, clock_);
    fleet_ = std::make_unique<ClientFleet>(
        ClientFleet::Dependencies{
            .launcher = launcher_.get(),
            .clock = &clock_,
            .store = store_.get(),
            .events = events_.get(),
            .post = [this](std::function<void()> task) { tasks_.push_back(std::move(task)); },
            .arm_timer = [](SteadyTime) {},
            .find_server = [this](const std::string& name) -> absl::StatusOr<ServerTarget> {
              const auto found = servers_.find(name);
              if (found == servers_.end()) return ServerNotFound(name);
              return found->second;
            },
            .open_process =
                [this](const state::ProcessRecord& process) {
                  return ScopedFd(living_.contains(process.worker)
                                      ? ::open("/dev/null", O_RDONLY | O_CLOEXEC)
                                      : -1);
                },
            .end_process =
                [this](const state::ProcessRecord& process, absl::Duration /*grace*/,
                       std::function<void()> ended) {
                  if (!living_.contains(process.worker)) return false;
                  orphans_[process.worker] = std::move(ended);
                  return true;
                }},
        LaunchContext{.client_program = "/bin/center-client"});
  }
  void Reconcile() {
    ASSERT_TRUE(fleet_->Reconcile("unix:/run/center.sock").ok());
    Settle();
  }

  // Runs what was posted, and what that posts.
  void Settle() {
    while (!tasks_.empty()) {
      const auto task = std::exchange(tasks_.front(), nullptr);
      tasks_.pop_front();
      task();
    }
  }
  void Advance(SteadyDuration duration) {
    clock_.Advance(duration);
    fleet_->OnTimer();
    Settle();
  }

  static v1::StartClientRequest Request(uint32_t processes = 1, const std::string& name = "") {
    v1::StartClientRequest request;
    request.set_name(name);
    request.mutable_spec()->set_processes(processes);
    return request;
  }
  // The answer, or nothing as long as there is none.
  Later StartLater(const v1::StartClientRequest& request, SteadyTime deadline = SteadyTime::max()) {
    auto answer = std::make_shared<absl::optional<Result>>();
    fleet_->StartClient(request, deadline, Into(answer));
    Settle();
    return answer;
  }
  Later StopLater(const v1::StopClientRequest& request) {
    auto answer = std::make_shared<absl::optional<Result>>();
    fleet_->StopClient(request, Into(answer));
    Settle();
    return answer;
  }
  Later StopLater(bool now = false) {
    v1::StopClientRequest request;
    request.set_now(now);
    return StopLater(request);
  }
  // Starts and lets every process report.
  void StartRunning(const v1::StartClientRequest& request) {
    const Later answer = StartLater(request);
    const v1::Client client = Get(request.name());
    for (const v1::ClientProcess& process : client.processes()) {
      EXPECT_TRUE(Report(process.name()).ok());
    }
    ASSERT_TRUE(answer->has_value());
    ASSERT_TRUE((*answer)->ok()) << (*answer)->status();
  }

  v1::Client Get(const std::string& name = "") {
    auto client = fleet_->GetClient(name);
    EXPECT_TRUE(client.ok()) << client.status();
    return client.value_or(v1::Client());
  }
  int64_t Pid(int process = 0, const std::string& name = "") {
    return Get(name).processes(process).pid();
  }
  std::string Token(int64_t pid) {
    for (absl::string_view variable : launcher_->processes.at(pid).spec.env) {
      if (absl::ConsumePrefix(&variable, "CENTER_CLIENT_TOKEN=")) return std::string(variable);
    }
    return "";
  }
  const std::vector<std::string>& Arguments(int64_t pid) {
    return launcher_->processes.at(pid).spec.args;
  }

  // What the process of this name would say.
  v1::ReportClientRequest ReportOf(const std::string& process, uint64_t sent = 0,
                                   bool ending = false) {
    v1::ReportClientRequest report;
    report.set_client(process);
    report.set_pid(static_cast<int32_t>(
        Pid(static_cast<int>(process.back() - '0'), process.substr(0, process.find('/')))));
    const auto known = tokens_.find(report.pid());
    report.set_token(known != tokens_.end() ? known->second : Token(report.pid()));
    tokens_[report.pid()] = report.token();
    report.mutable_stats()->set_connections(ending ? 0 : 1);
    report.mutable_stats()->set_payloads_sent(sent);
    report.mutable_stats()->set_payloads_acknowledged(ending ? sent : 0);
    report.set_ending(ending);
    return report;
  }
  absl::StatusOr<v1::ReportClientResponse> Report(const std::string& process, uint64_t sent = 0,
                                                  bool ending = false) {
    auto answer = fleet_->Report(ReportOf(process, sent, ending));
    Settle();
    return answer;
  }
  void Exit(int64_t pid, int code = 0) {
    launcher_->ExitWithCode(pid, code);
    Settle();
  }
  void DieOf(int64_t pid, int signal) {
    launcher_->DieOf(pid, signal);
    Settle();
  }

  std::vector<std::string> EventNames() {
    std::vector<std::string> names;
    auto page = events_->Read({.limit = 1000});
    EXPECT_TRUE(page.ok()) << page.status();
    if (!page.ok()) return names;
    for (const v1::Event& event : page->events) {
      names.push_back(absl::StrCat(event.subject(), " ",
                                   v1::EventType_Name(event.type()).substr(strlen("EVENT_TYPE_"))));
    }
    return names;
  }
  static std::string Reason(const Later& answer) {
    return answer->has_value() ? rpc::ReasonOf((*answer)->status()) : "no answer";
  }

  ScratchDir scratch_;
  supervision::FakeClock clock_;
  std::unique_ptr<state::Store> store_;
  std::unique_ptr<supervision::FakeLauncher> launcher_;
  std::unique_ptr<EventLog> events_;
  std::deque<std::function<void()>> tasks_;
  std::map<std::string, ServerTarget> servers_;
  std::set<std::string> living_;  // processes of an earlier coordinator
  std::map<std::string, std::function<void()>> orphans_;
  std::map<int64_t, std::string> tokens_;  // by pid, as the processes know them
  std::unique_ptr<ClientFleet> fleet_;

 private:
  static ClientAnswer Into(const Later& answer) {
    return [answer](const Result& result) {
      EXPECT_FALSE(answer->has_value()) << "answered twice";
      *answer = result;
    };
  }
};

}  // namespace center::coordinator
