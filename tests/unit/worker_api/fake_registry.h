// A coordinator's RegistryService that keeps what it hears, and does what the test says.
#pragma once

#include <chrono>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "center/v1/worker.grpc.pb.h"
#include "gtest/gtest.h"
#include "services/common/rpc/server.h"
#include "services/common/rpc/status.h"
#include "tests/unit/worker_api/grpc_environment.h"

namespace center::worker {

// How long a test waits for something to happen.
inline constexpr absl::Duration kPatience = absl::Seconds(30);

class FakeRegistry final : public v1::RegistryService::Service {
 public:
  explicit FakeRegistry(NetAddress address) : address_(std::move(address)) {}
  ~FakeRegistry() override { Die(); }

  // The coordinator comes and goes. What it has heard stays.
  void Up() {
    auto bound = rpc::StartServer({.addresses = {address_}, .services = {this}});
    ASSERT_TRUE(bound.ok()) << bound.status();
    server_ = std::move(bound->server);
  }
  void Die() {
    if (server_ == nullptr) return;
    BreakLines();
    server_->Shutdown(std::chrono::system_clock::now());
    server_->Wait();
    server_.reset();
  }
  // Ends the calls that are open.
  void BreakLines() {
    absl::MutexLock lock(&mutex_);
    for (grpc::ServerContext* context : lines_) context->TryCancel();
  }

  // Calls from now on end with this right after their hello; ok: they are welcomed.
  void Refuse(absl::Status status) {
    absl::MutexLock lock(&mutex_);
    refusal_ = std::move(status);
  }
  // Sends a message down the line. REQUIRES: exactly one is up.
  void Send(const v1::RegisterResponse& response) {
    absl::MutexLock lock(&mutex_);
    ASSERT_NE(line_, nullptr);
    ASSERT_TRUE(line_->Write(response));
  }
  void SendCommitted(bool has_subscriptions, uint64_t offset) {
    v1::RegisterResponse response;
    response.mutable_committed_offset()->set_has_subscriptions(has_subscriptions);
    response.mutable_committed_offset()->set_offset(offset);
    Send(response);
  }

  // What has been heard, as soon as there are `count` of it.
  std::vector<v1::Hello> WaitForHellos(size_t count) {
    return WaitFor(&FakeRegistry::hellos_, count);
  }
  std::vector<v1::Heartbeat> WaitForHeartbeats(size_t count) {
    return WaitFor(&FakeRegistry::heartbeats_, count);
  }
  std::vector<v1::Event> WaitForEvents(size_t count) {
    return WaitFor(&FakeRegistry::events_, count);
  }
  size_t hellos() const {
    absl::MutexLock lock(&mutex_);
    return hellos_.size();
  }
  size_t events() const {
    absl::MutexLock lock(&mutex_);
    return events_.size();
  }
  // Whether so many calls are open.
  bool WaitForLines(size_t count) {
    absl::MutexLock lock(&mutex_);
    const auto so_many = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return lines_.size() == count;
    };
    return mutex_.AwaitWithTimeout(absl::Condition(&so_many), kPatience);
  }
  // The kinds of message of the last call, in order: "h" hello, "b" heartbeat, "e" event.
  std::string last_call() const {
    absl::MutexLock lock(&mutex_);
    return last_call_;
  }

 private:
  using Stream = grpc::ServerReaderWriter<v1::RegisterResponse, v1::RegisterRequest>;

  grpc::Status Register(grpc::ServerContext* context, Stream* stream) override {
    {
      absl::MutexLock lock(&mutex_);
      lines_.insert(context);
      last_call_.clear();
    }
    const grpc::Status status = Listen(stream);
    absl::MutexLock lock(&mutex_);
    lines_.erase(context);
    if (line_ == stream) line_ = nullptr;
    return status;
  }
  grpc::Status Listen(Stream* stream) {
    v1::RegisterRequest request;
    while (stream->Read(&request)) {
      absl::MutexLock lock(&mutex_);
      switch (request.message_case()) {
        case v1::RegisterRequest::kHello: {
          last_call_ += 'h';
          hellos_.push_back(request.hello());
          if (!refusal_.ok()) return rpc::ToGrpc(refusal_);
          v1::RegisterResponse response;
          response.mutable_welcome()->set_handover_address("unix:/run/handover.sock");
          stream->Write(response);
          line_ = stream;
          break;
        }
        case v1::RegisterRequest::kHeartbeat:
          last_call_ += 'b';
          heartbeats_.push_back(request.heartbeat());
          break;
        case v1::RegisterRequest::kEvent:
          last_call_ += 'e';
          events_.push_back(request.event());
          break;
        case v1::RegisterRequest::MESSAGE_NOT_SET:
          ADD_FAILURE() << "an empty request";
      }
    }
    return grpc::Status::OK;
  }

  template <typename T>
  std::vector<T> WaitFor(std::vector<T> FakeRegistry::* member, size_t count) {
    absl::MutexLock lock(&mutex_);
    const std::vector<T>& heard = this->*member;
    const auto enough = [&]()
                            ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return heard.size() >= count; };
    EXPECT_TRUE(mutex_.AwaitWithTimeout(absl::Condition(&enough), kPatience))
        << "heard " << heard.size() << " of " << count;
    return heard;
  }

  const NetAddress address_;
  std::unique_ptr<grpc::Server> server_;

  mutable absl::Mutex mutex_;
  std::set<grpc::ServerContext*> lines_ ABSL_GUARDED_BY(mutex_);
  Stream* line_ ABSL_GUARDED_BY(mutex_) = nullptr;  // the one that was welcomed last
  absl::Status refusal_ ABSL_GUARDED_BY(mutex_);
  std::vector<v1::Hello> hellos_ ABSL_GUARDED_BY(mutex_);
  std::vector<v1::Heartbeat> heartbeats_ ABSL_GUARDED_BY(mutex_);
  std::vector<v1::Event> events_ ABSL_GUARDED_BY(mutex_);
  std::string last_call_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace center::worker
