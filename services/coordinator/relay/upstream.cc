#include "services/coordinator/relay/upstream.h"

#include <utility>

#include "services/common/rpc/status.h"

namespace center::relay {
namespace {

constexpr char kWorkerMethod[] = "/center.v1.WorkerService/StreamPayloads";
constexpr char kRelayMethod[] = "/center.v1.PayloadService/StreamPayloads";

grpc::ByteBuffer ToByteBuffer(const std::string& bytes) {
  const grpc::Slice slice(bytes);
  return grpc::ByteBuffer(&slice, 1);
}

}  // namespace

Upstream::Upstream(std::weak_ptr<Listener> listener, size_t lane, WorkerEndpoint endpoint,
                   const std::string& request, Service service)
    : listener_(std::move(listener)),
      lane_(lane),
      endpoint_(std::move(endpoint)),
      request_(ToByteBuffer(request)),
      method_(service == Service::kWorker ? kWorkerMethod : kRelayMethod) {}

void Upstream::Start(ChannelCache& channels) {
  auto channel = channels.Get(endpoint_);
  if (!channel.ok()) {
    if (auto listener = listener_.lock()) {
      listener->OnUpstreamDone(this, lane_, channel.status());
    }
    return;
  }
  {
    absl::MutexLock lock(&mutex_);
    if (closed_) return;
    reading_ = true;
    holding_ = true;
  }
  self_ = shared_from_this();
  stub_ = std::make_unique<grpc::GenericStub>(*std::move(channel));
  stub_->PrepareBidiStreamingCall(&context_, method_, grpc::StubOptions(), this);
  AddHold();
  StartWriteLast(&request_, grpc::WriteOptions());
  StartRead(&message_);
  StartCall();
}

void Upstream::Read() {
  {
    absl::MutexLock lock(&mutex_);
    if (closed_) return;
    reading_ = true;
  }
  StartRead(&message_);
}

void Upstream::Close() {
  bool release = false;
  {
    absl::MutexLock lock(&mutex_);
    if (closed_) return;
    closed_ = true;
    // A read that is under way fails by the cancellation and releases the hold itself.
    if (!reading_) release = std::exchange(holding_, false);
  }
  context_.TryCancel();
  if (release) RemoveHold();
}

void Upstream::OnReadDone(bool ok) {
  bool closed = false;
  bool release = false;
  {
    absl::MutexLock lock(&mutex_);
    reading_ = false;
    closed = closed_;
    if (!ok || closed) release = std::exchange(holding_, false);
  }
  if (ok && !closed) {
    grpc::ByteBuffer message;
    message.Swap(&message_);
    if (auto listener = listener_.lock()) {
      listener->OnUpstreamMessage(this, lane_, &message);
    } else {
      Close();
    }
  }
  if (release) RemoveHold();
}

void Upstream::OnDone(const grpc::Status& status) {
  bool closed = false;
  {
    absl::MutexLock lock(&mutex_);
    closed = closed_;
  }
  message_.Clear();
  if (!closed) {
    if (auto listener = listener_.lock()) {
      listener->OnUpstreamDone(this, lane_, rpc::FromGrpc(status));
    }
  }
  // The last use of the members: without another owner this destroys the object.
  const std::shared_ptr<Upstream> self = std::move(self_);
}

}  // namespace center::relay
