// A fleet with everything outside it faked or in a scratch folder: processes and time move only
// when told, posted tasks run when told; sockets and the store are real.
#pragma once

#include <fcntl.h>

#include <algorithm>
#include <csignal>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/net_address.h"
#include "services/coordinator/api/fleet.h"
#include "services/coordinator/api/spec.h"
#include "tests/unit/common/scratch_dir.h"
#include "tests/unit/supervision/fakes.h"

namespace center::coordinator {

class FakeLine final : public WorkerLine {
 public:
  void SendWelcome(const std::string& handover_address) override {
    said.push_back(handover_address.empty() ? "welcome" : "welcome, bring");
  }
  void SendDrain(bool now) override { said.push_back(now ? "drain now" : "drain"); }
  void SendCommitted(absl::optional<uint64_t> offset) override {
    said.push_back(offset.has_value() ? absl::StrCat("committed ", *offset) : "committed nothing");
  }
  void Close(const absl::Status& status) override { said.push_back("close"); }

  std::vector<std::string> said;
};

class FleetTest : public testing::Test {
 protected:
  using Answer = absl::StatusOr<v1::Server>;
  inline static const Fleet::Addresses kAddresses = {.coordinator = "unix:/run/center.sock",
                                                     .handover = "unix:/run/handover.sock"};

  FleetTest() {
    auto dir = DataDir::Open(scratch_.path() + "/data");
    EXPECT_TRUE(dir.ok()) << dir.status();
    data_dir_.emplace(*std::move(dir));
    auto store = state::Store::Open(data_dir_->database());
    EXPECT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
    NewFleet();
  }

  // As a new coordinator on the same data directory; what the old one's launcher runs is forgotten.
  void NewFleet() {
    fleet_.reset();
    tasks_.clear();
    launcher_ = std::make_unique<supervision::FakeLauncher>();
    directory_ = std::make_unique<relay::WorkerDirectory>();
    events_ = std::make_unique<EventLog>(*store_, clock_);
    fleet_ = std::make_unique<Fleet>(
        Fleet::Dependencies{
            .launcher = launcher_.get(),
            .clock = &clock_,
            .store = store_.get(),
            .directory = directory_.get(),
            .events = events_.get(),
            .post = [this](std::function<void()> task) { tasks_.push_back(std::move(task)); },
            .arm_timer = [this](SteadyTime when) { timer_ = std::min(timer_, when); },
            .listen = [this](const std::string& host, uint16_t port,
                             Fleet::Listened done) { Listen(host, port, std::move(done)); },
            .open_process =
                [this](const state::ProcessRecord& process) {
                  return ScopedFd(living_.contains(process.worker)
                                      ? ::open("/dev/null", O_RDONLY | O_CLOEXEC)
                                      : -1);
                },
            .end_process =
                [this](const state::ProcessRecord& process, absl::Duration grace,
                       std::function<void()> ended) {
                  if (!living_.contains(process.worker)) return false;
                  orphans_[process.worker] = std::move(ended);
                  grace_[process.worker] = grace;
                  return true;
                },
            .set_health = [this](const std::string& server,
                                 bool serving) { health_[server] = serving; },
            .judge_oom = [this] { return oom_; },
            .take_stacks =
                [this](int64_t pid,
                       std::function<void(absl::StatusOr<supervision::ProcessStacks>)> done) {
                  stacks_of_.push_back(pid);
                  stacks_done_ = std::move(done);
                },
            .make_backend = make_backend_},
        LaunchContext{.data_dir = &*data_dir_, .worker_program = "/bin/center-worker"});
  }

  void Reconcile() {
    ASSERT_TRUE(fleet_->Reconcile(kAddresses).ok());
    Settle();
  }

  void Listen(const std::string& host, uint16_t port, Fleet::Listened done) {
    if (!listen_error_.ok()) return done(listen_error_);
    done(ListenTcp(host, port, 16));
  }

  // Runs what was posted, and what that posts.
  void Settle() {
    while (!tasks_.empty()) {
      const auto task = std::exchange(tasks_.front(), nullptr);
      tasks_.pop_front();
      task();
    }
  }

  // Moves time on as the control thread's timer would, which fires at every deadline on the way.
  void Advance(SteadyDuration duration) {
    const SteadyTime end = clock_.Steady() + duration;
    while (timer_ < end) {
      clock_.AdvanceTo(std::max(timer_, clock_.Steady()));
      FireTimer();
    }
    clock_.AdvanceTo(end);
    FireTimer();
  }
  void FireTimer() {
    timer_ = SteadyTime::max();
    timer_ = std::min(timer_, fleet_->OnTimer());
    Settle();
  }

  static v1::StartServerRequest StartRequest(uint32_t workers = 1, const std::string& name = "") {
    v1::StartServerRequest request;
    request.set_name(name);
    request.mutable_spec()->set_port(0);
    request.mutable_spec()->set_workers(workers);
    return request;
  }

  // The answer, or nothing as long as there is none.
  std::shared_ptr<absl::optional<Answer>> StartLater(const v1::StartServerRequest& request,
                                                     SteadyTime deadline = SteadyTime::max()) {
    auto answer = std::make_shared<absl::optional<Answer>>();
    fleet_->StartServer(request, deadline, [answer](const Answer& result) {
      EXPECT_FALSE(answer->has_value()) << "answered twice";
      *answer = result;
    });
    Settle();
    return answer;
  }
  std::shared_ptr<absl::optional<Answer>> StopLater(const v1::StopServerRequest& request) {
    auto answer = std::make_shared<absl::optional<Answer>>();
    fleet_->StopServer(request, [answer](const Answer& result) {
      EXPECT_FALSE(answer->has_value()) << "answered twice";
      *answer = result;
    });
    Settle();
    return answer;
  }
  Answer Start(const v1::StartServerRequest& request) {
    auto answer = StartLater(request);
    return answer->has_value() ? **answer : absl::UnknownError("no answer");
  }
  Answer Stop(const std::string& name = "") {
    v1::StopServerRequest request;
    request.set_name(name);
    auto answer = StopLater(request);
    return answer->has_value() ? **answer : absl::UnknownError("no answer");
  }

  v1::Server Get(const std::string& name = "") {
    auto server = fleet_->GetServer(name);
    EXPECT_TRUE(server.ok()) << server.status();
    return server.value_or(v1::Server());
  }

  // The pid of a slot's process, and the token that it was given.
  int64_t Pid(uint32_t slot, const std::string& server = "default") {
    return Get(server).workers(static_cast<int>(slot)).pid();
  }
  std::string Token(int64_t pid) {
    constexpr absl::string_view kName = "CENTER_WORKER_TOKEN=";
    for (const std::string& variable : launcher_->processes.at(pid).spec.env) {
      if (variable.rfind(kName.data(), 0) == 0) return variable.substr(kName.size());
    }
    return "";
  }

  v1::Hello HelloOf(uint32_t slot, const std::string& server = "default") {
    v1::Hello hello;
    hello.set_worker(WorkerName(server, slot));
    hello.set_pid(Pid(slot, server));
    hello.set_token(Token(hello.pid()));
    hello.set_address(absl::StrCat("unix:/run/", server, ".", slot, ".sock"));
    return hello;
  }

  // Registers a slot's process and lets it report READY.
  std::shared_ptr<FakeLine> MakeReady(uint32_t slot, const std::string& server = "default") {
    auto line = std::make_shared<FakeLine>();
    const absl::Status status = fleet_->Register(HelloOf(slot, server), line);
    EXPECT_TRUE(status.ok()) << status;
    Beat(WorkerName(server, slot), line, v1::WORKER_STATE_READY);
    return line;
  }
  void Beat(const std::string& worker, const std::shared_ptr<FakeLine>& line,
            v1::WorkerState state) {
    v1::Heartbeat heartbeat;
    heartbeat.set_state(state);
    heartbeat.mutable_stats()->set_payloads(42);
    fleet_->OnHeartbeat(worker, line.get(), heartbeat);
    Settle();
  }
  void Exit(int64_t pid, int code = 0) {
    launcher_->ExitWithCode(pid, code);
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

  static std::string Reason(const Answer& answer) { return rpc::ReasonOf(answer.status()); }

  ScratchDir scratch_;
  absl::optional<DataDir> data_dir_;
  supervision::FakeClock clock_;
  SteadyTime timer_ = SteadyTime::max();  // when the fleet wants to be called
  std::unique_ptr<state::Store> store_;
  std::unique_ptr<supervision::FakeLauncher> launcher_;
  std::unique_ptr<relay::WorkerDirectory> directory_;
  std::unique_ptr<EventLog> events_;
  std::deque<std::function<void()>> tasks_;
  absl::Status listen_error_;
  std::set<std::string> living_;  // workers of an earlier coordinator
  std::map<std::string, std::function<void()>> orphans_;
  std::map<std::string, absl::Duration> grace_;
  supervision::OomVerdict oom_;
  std::vector<int64_t> stacks_of_;  // processes whose stacks are wanted
  std::function<void(absl::StatusOr<supervision::ProcessStacks>)> stacks_done_;
  std::map<std::string, bool> health_;  // by server
  // Empty: the workers are processes, by launcher_.
  std::function<std::unique_ptr<supervision::Backend>(supervision::Observer&)> make_backend_;
  std::unique_ptr<Fleet> fleet_;
};

}  // namespace center::coordinator
