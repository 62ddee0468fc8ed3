// A whole coordinator in this process, on a unix socket, and what speaks to it. Its workers are
// real processes that do nothing; a test registers in their place.
#pragma once

#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/types/optional.h"
#include "center/v1/event.grpc.pb.h"
#include "center/v1/server.grpc.pb.h"
#include "center/v1/worker.grpc.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/rpc/channel.h"
#include "services/common/rpc/server.h"
#include "services/common/rpc/status.h"
#include "services/coordinator/api/coordinator.h"
#include "services/coordinator/api/fleet.h"
#include "tests/unit/common/scratch_dir.h"
#include "tests/unit/coordinator_api/posted_tasks.h"

namespace center::coordinator {

inline void SetPatience(grpc::ClientContext& context) {
  context.set_deadline(std::chrono::system_clock::now() + absl::ToChronoNanoseconds(kPatience));
}

// A worker's end of RegistryService.Register.
class WorkerPeer {
 public:
  explicit WorkerPeer(v1::RegistryService::Stub& stub) {
    SetPatience(context_);
    stream_ = stub.Register(&context_);
  }
  ~WorkerPeer() {
    if (finished_) return;
    context_.TryCancel();
    End().IgnoreError();
  }

  void Send(const v1::RegisterRequest& request) { stream_->Write(request); }
  void SayHello(const v1::Hello& hello) {
    v1::RegisterRequest request;
    *request.mutable_hello() = hello;
    Send(request);
  }
  void Beat(v1::WorkerState state, const v1::WorkerStats& stats = {}) {
    v1::RegisterRequest request;
    request.mutable_heartbeat()->set_state(state);
    *request.mutable_heartbeat()->mutable_stats() = stats;
    Send(request);
  }
  // "welcome", "committed 7", "committed nothing", "drain", "drain now"; "" at the end.
  std::string Hear() {
    v1::RegisterResponse response;
    if (!stream_->Read(&response)) return "";
    if (response.has_welcome()) return "welcome";
    if (response.has_drain()) return response.drain().now() ? "drain now" : "drain";
    const auto& committed = response.committed_offset();
    return committed.has_subscriptions() ? absl::StrCat("committed ", committed.offset())
                                         : "committed nothing";
  }
  // Hangs up when it is not over yet.
  void HangUp() { stream_->WritesDone(); }
  // Hears all that is left and returns how it ended.
  absl::Status End() {
    while (!Hear().empty()) {
    }
    finished_ = true;
    return rpc::FromGrpc(stream_->Finish());
  }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::RegisterRequest, v1::RegisterResponse>> stream_;
  bool finished_ = false;
};

class CoordinatorTest : public testing::Test {
 protected:
  using Servers = v1::ServerService::Stub;

  CoordinatorTest() {
    static const bool once = [] {
      rpc::InitServerPlugins();
      return true;
    }();
    EXPECT_TRUE(once);
    const std::string worker = scratch_.path() + "/worker";
    std::ofstream(worker) << "#!/bin/sh\nexec sleep 600\n";
    EXPECT_EQ(::chmod(worker.c_str(), 0700), 0);
    options_ = {.data_dir = scratch_.path() + "/data",
                .listen = {{.is_unix = true, .path = scratch_.path() + "/c.sock"}},
                .worker_program = worker};
  }
  ~CoordinatorTest() override { StopNow(); }

  void StartCoordinator() {
    auto created = Coordinator::Create(options_);
    ASSERT_TRUE(created.ok()) << created.status();
    coordinator_ = *std::move(created);
    running_ = std::thread([this] { coordinator_->Run(); });
    channel_ = rpc::MakeChannel(coordinator_->addresses().front());
    servers_ = v1::ServerService::NewStub(channel_);
    registry_ = v1::RegistryService::NewStub(channel_);
    events_ = v1::EventService::NewStub(channel_);
  }
  // As two signals: workers are told to end at once.
  void StopNow() {
    if (coordinator_ == nullptr) return;
    coordinator_->Stop();
    coordinator_->Stop();
    AwaitEnd();
  }
  void AwaitEnd() {
    running_.join();
    coordinator_.reset();
  }

  // One unary call of ServerService.
  template <typename Request, typename Response>
  absl::StatusOr<Response> Call(grpc::Status (Servers::*method)(grpc::ClientContext*,
                                                                const Request&, Response*),
                                const Request& request) {
    grpc::ClientContext context;
    SetPatience(context);
    Response response;
    last_ = (servers_.get()->*method)(&context, request, &response);
    if (!last_.ok()) return rpc::FromGrpc(last_);
    return response;
  }
  static v1::StartServerRequest StartRequest(const std::string& name, uint32_t workers = 1) {
    v1::StartServerRequest request;
    request.set_name(name);
    request.mutable_spec()->set_port(0);
    request.mutable_spec()->set_workers(workers);
    return request;
  }
  absl::StatusOr<v1::Server> Start(const v1::StartServerRequest& request) {
    auto response = Call(&Servers::StartServer, request);
    if (!response.ok()) return response.status();
    return response->server();
  }
  absl::StatusOr<v1::Server> Stop(const std::string& name) {
    v1::StopServerRequest request;
    request.set_name(name);
    request.set_now(true);
    auto response = Call(&Servers::StopServer, request);
    if (!response.ok()) return response.status();
    return response->server();
  }
  absl::StatusOr<v1::Server> Get(const std::string& name) {
    v1::GetServerRequest request;
    request.set_name(name);
    auto response = Call(&Servers::GetServer, request);
    if (!response.ok()) return response.status();
    return response->server();
  }
  v1::Worker WorkerOf(const std::string& server) {
    auto got = Get(server);
    EXPECT_TRUE(got.ok()) << got.status();
    return got.ok() && got->workers_size() > 0 ? got->workers(0) : v1::Worker();
  }
  // Asks until it is so; each question waits for an answer of the control thread.
  static bool Eventually(const std::function<bool()>& condition) {
    const absl::Time deadline = absl::Now() + kPatience;
    while (!condition()) {
      if (absl::Now() > deadline) return false;
      std::this_thread::yield();
    }
    return true;
  }

  // What a worker knows that was launched for the first slot of this server.
  v1::Hello HelloOf(const std::string& server) {
    const v1::Worker worker = WorkerOf(server);
    v1::Hello hello;
    hello.set_worker(worker.name());
    hello.set_pid(worker.pid());
    hello.set_address("unix:/run/worker.sock");
    // A process has no environment for a moment while it becomes another program.
    EXPECT_TRUE(Eventually([&] {
      hello.set_token(TokenOf(worker.pid()));
      return !hello.token().empty();
    }));
    return hello;
  }
  static std::string TokenOf(int64_t pid) {
    std::ifstream file(absl::StrCat("/proc/", pid, "/environ"));
    for (std::string variable; std::getline(file, variable, '\0');) {
      absl::string_view value = variable;
      if (absl::ConsumePrefix(&value, "CENTER_WORKER_TOKEN=")) return std::string(value);
    }
    return "";
  }
  // Registers for the first slot of this server and reports READY.
  std::unique_ptr<WorkerPeer> MakeReady(const std::string& server) {
    auto peer = std::make_unique<WorkerPeer>(*registry_);
    peer->SayHello(HelloOf(server));
    EXPECT_EQ(peer->Hear(), "welcome");
    EXPECT_EQ(peer->Hear(), "committed nothing");
    peer->Beat(v1::WORKER_STATE_READY);
    EXPECT_TRUE(Eventually([&] { return WorkerOf(server).state() == v1::WORKER_STATE_READY; }));
    return peer;
  }
  static void EndWorker(int64_t pid) {
    ASSERT_GT(pid, 1);
    EXPECT_EQ(::kill(static_cast<pid_t>(pid), SIGTERM), 0);
  }

  ScratchDir scratch_;
  CoordinatorOptions options_;
  std::unique_ptr<Coordinator> coordinator_;
  std::thread running_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<Servers> servers_;
  std::unique_ptr<v1::RegistryService::Stub> registry_;
  std::unique_ptr<v1::EventService::Stub> events_;
  grpc::Status last_;  // of the last call
};

}  // namespace center::coordinator
