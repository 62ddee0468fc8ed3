#include "services/worker/api/registry_client.h"

#include <utility>

#include "grpcpp/grpcpp.h"
#include "services/common/log.h"
#include "services/common/rpc/status.h"

namespace center::worker {
namespace {

// A line that was up for less is not called again before the next heartbeat: a coordinator that
// turns workers away must not be hammered.
constexpr auto kUpForAWhile = std::chrono::seconds(1);

}  // namespace

// One call. It lives until gRPC is done with it and the client has forgotten it.
class RegistryClient::Call final
    : public grpc::ClientBidiReactor<v1::RegisterRequest, v1::RegisterResponse> {
 public:
  explicit Call(RegistryClient& client) : client_(client) { context_.set_wait_for_ready(true); }

  void Begin(v1::RegistryService::Stub& stub, std::shared_ptr<Call> self) {
    self_ = std::move(self);
    stub.async()->Register(&context_, this);
    // Writes start on any thread: the call must not end under them. Released by OnBroken.
    AddHold();
    StartRead(&response_);
    StartCall();
  }
  void Cancel() { context_.TryCancel(); }
  void Release() { RemoveHold(); }
  void Write() { StartWrite(&request_); }
  v1::RegisterRequest* request() { return &request_; }

  void OnReadDone(bool ok) override {
    if (!ok) return client_.OnBroken(this);
    client_.OnMessage(response_);
    StartRead(&response_);
  }
  void OnWriteDone(bool ok) override {
    if (ok) return client_.OnSent();
    client_.OnNotSent(&request_);  // the read fails as well
  }
  void OnDone(const grpc::Status& status) override {
    client_.OnEnded(std::move(self_), rpc::FromGrpc(status));  // may delete this
  }

 private:
  RegistryClient& client_;
  grpc::ClientContext context_;
  v1::RegisterRequest request_;    // owned by the write that is under way
  v1::RegisterResponse response_;  // owned by the read
  std::shared_ptr<Call> self_;
};

RegistryClient::RegistryClient(std::shared_ptr<grpc::ChannelInterface> channel, Handlers handlers,
                               Clock& clock)
    : handlers_(std::move(handlers)), clock_(clock), stub_(v1::RegistryService::NewStub(channel)) {}

RegistryClient::~RegistryClient() { Stop(); }

void RegistryClient::Start(v1::Hello hello) {
  {
    absl::MutexLock lock(&mutex_);
    hello_ = std::move(hello);
    alone_since_ = clock_.Steady();
  }
  EnsureCall();
}

void RegistryClient::SendHeartbeat(v1::Heartbeat heartbeat) {
  {
    absl::MutexLock lock(&mutex_);
    heartbeat_ = std::move(heartbeat);
  }
  EnsureCall();
  SendNext();
}

void RegistryClient::SendEvent(v1::Event event) {
  {
    absl::MutexLock lock(&mutex_);
    if (events_.size() >= kEventsMax) {
      events_.pop_front();
      ++events_lost_;
    }
    events_.push_back(std::move(event));
  }
  SendNext();
}

SteadyTime RegistryClient::alone_since() {
  absl::MutexLock lock(&mutex_);
  return alone_since_;
}

void RegistryClient::Stop() {
  std::shared_ptr<Call> call;
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
    call = call_;
  }
  if (call != nullptr) call->Cancel();
  const auto is_idle = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return call_ == nullptr && ending_ == 0;
  };
  absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(&is_idle));
}

void RegistryClient::EnsureCall() {
  std::shared_ptr<Call> call;
  {
    absl::MutexLock lock(&mutex_);
    if (!hello_.has_value() || call_ != nullptr || refused_ || stopping_) return;
    call = call_ = std::make_shared<Call>(*this);
    hello_sent_ = writing_ = broken_ = false;
    starting_ = true;  // nobody writes before the call has begun
    up_since_ = SteadyTime::max();
  }
  call->Begin(*stub_, call);
  bool cancel = false;
  bool release = false;
  {
    absl::MutexLock lock(&mutex_);
    starting_ = false;
    cancel = stopping_;
    release = broken_;
  }
  if (cancel) call->Cancel();
  if (release) return call->Release();
  SendNext();
}

void RegistryClient::SendNext() {
  std::shared_ptr<Call> call;
  {
    absl::MutexLock lock(&mutex_);
    if (call_ == nullptr || broken_ || writing_ || starting_) return;
    if (!TakeNext(call_->request())) return;
    writing_ = true;
    starting_ = true;
    call = call_;
  }
  call->Write();
  bool release = false;
  {
    absl::MutexLock lock(&mutex_);
    starting_ = false;
    release = broken_;
  }
  if (release) return call->Release();
  // The write may be done already, and what came meanwhile found `starting_` set.
  SendNext();
}

bool RegistryClient::TakeNext(v1::RegisterRequest* request) {
  request->Clear();
  if (!hello_sent_) {
    *request->mutable_hello() = *hello_;
    hello_sent_ = true;
  } else if (heartbeat_.has_value()) {
    *request->mutable_heartbeat() = *std::move(heartbeat_);
    heartbeat_.reset();
  } else if (!events_.empty() && up_since_ != SteadyTime::max()) {
    // Only to a coordinator that has taken us: what a refused line swallows is lost.
    *request->mutable_event() = std::move(events_.front());
    events_.pop_front();
    if (events_lost_ > 0) {
      (*request->mutable_event()->mutable_details())["events_lost"] = std::to_string(events_lost_);
      events_lost_ = 0;
    }
  } else {
    return false;
  }
  return true;
}

void RegistryClient::OnSent() {
  {
    absl::MutexLock lock(&mutex_);
    writing_ = false;
  }
  SendNext();
}

void RegistryClient::OnNotSent(v1::RegisterRequest* request) {
  if (!request->has_event()) return;  // hello and heartbeat are made anew
  absl::MutexLock lock(&mutex_);
  if (events_.size() < kEventsMax) {
    events_.push_front(std::move(*request->mutable_event()));
  } else {
    ++events_lost_;
  }
}

void RegistryClient::OnMessage(const v1::RegisterResponse& response) {
  switch (response.message_case()) {
    case v1::RegisterResponse::kWelcome: {
      {
        absl::MutexLock lock(&mutex_);
        up_since_ = clock_.Steady();
        alone_since_ = SteadyTime::max();
        reported_ = false;
      }
      spdlog::info("registered with the coordinator");
      if (handlers_.on_welcome) handlers_.on_welcome(response.welcome());
      SendNext();
      break;
    }
    case v1::RegisterResponse::kDrain:
      handlers_.on_drain(response.drain().now());
      break;
    case v1::RegisterResponse::kCommittedOffset: {
      const auto& committed = response.committed_offset();
      handlers_.on_committed(committed.has_subscriptions()
                                 ? absl::optional<uint64_t>(committed.offset())
                                 : absl::nullopt);
      break;
    }
    case v1::RegisterResponse::MESSAGE_NOT_SET:
      spdlog::debug("the coordinator sent a message that this worker does not know");
      break;
  }
}

void RegistryClient::OnBroken(Call* call) {
  bool release = false;
  {
    absl::MutexLock lock(&mutex_);
    broken_ = true;
    release = !starting_;  // else whoever starts does it
  }
  if (release) call->Release();
}

void RegistryClient::OnEnded(std::shared_ptr<Call> call, const absl::Status& status) {
  bool unknown = false;
  bool again = false;
  {
    absl::MutexLock lock(&mutex_);
    ++ending_;
    const SteadyTime now = clock_.Steady();
    if (alone_since_ == SteadyTime::max()) alone_since_ = now;
    again = up_since_ != SteadyTime::max() && now - up_since_ >= kUpForAWhile;
    unknown = absl::IsFailedPrecondition(status) && !stopping_;
    refused_ = refused_ || unknown;
    if (!stopping_ && !unknown && !std::exchange(reported_, true)) {
      spdlog::warn("the line to the coordinator is down: {}; the worker goes on, and calls again",
                   status);
    }
    call_.reset();
  }
  // It refers to the channel. Whoever drops a channel's last reference waits for gRPC's threads to
  // end, and this is one of them: so before Stop returns.
  call.reset();
  if (unknown) handlers_.on_unknown(status);
  if (again) EnsureCall();
  absl::MutexLock lock(&mutex_);
  --ending_;
}

}  // namespace center::worker
