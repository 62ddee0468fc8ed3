#include "services/coordinator/api/compute_link.h"

#include <utility>

#include "services/common/rpc/status.h"
#include "services/coordinator/api/job_messages.h"

namespace center::coordinator {

void ComputeLink::Start(std::shared_ptr<grpc::Channel> channel) {
  self_ = shared_from_this();
  stub_ = v1::WorkerService::NewStub(channel);
  stub_->async()->Compute(&context_, this);
  AddHold();  // writes come from outside the call's own callbacks
  StartRead(&response_);
  StartCall();
}

void ComputeLink::SendChunk(v1::ComputeRequest request, jobs::Chunk chunk) {
  {
    absl::MutexLock lock(&mutex_);
    if (over_) return;
    const jobs::ChunkId id = chunk.id;
    chunks_[id] = std::move(chunk);
  }
  Write(std::move(request));
}

void ComputeLink::CancelChunk(jobs::ChunkId chunk) {
  v1::ComputeRequest request;
  request.mutable_cancel()->set_chunk_id(chunk);
  Write(std::move(request));
}

void ComputeLink::Write(v1::ComputeRequest request) {
  absl::MutexLock lock(&mutex_);
  if (over_) return;
  requests_.push_back(std::move(request));
  if (std::exchange(writing_, true)) return;
  // With the lock: the hold must not be released between the look at over_ and this.
  StartWrite(&requests_.front());
}

void ComputeLink::OnWriteDone(bool ok) {
  absl::MutexLock lock(&mutex_);
  requests_.pop_front();
  writing_ = false;
  if (!ok || over_ || requests_.empty()) return;  // a broken call ends by its read
  writing_ = true;
  StartWrite(&requests_.front());
}

void ComputeLink::OnReadDone(bool ok) {
  if (ok) {
    Handle(&response_);
    StartRead(&response_);
    return;
  }
  {
    absl::MutexLock lock(&mutex_);
    over_ = true;
  }
  RemoveHold();
}

void ComputeLink::Handle(v1::ComputeResponse* response) {
  if (response->has_hello()) return handlers_.on_hello(std::move(*response->mutable_hello()));
  if (!response->has_result()) return;
  v1::ChunkResult* result = response->mutable_result();
  jobs::Chunk chunk;
  {
    absl::MutexLock lock(&mutex_);
    auto found = chunks_.extract(result->chunk_id());
    if (found.empty()) return;
    chunk = std::move(found.mapped());
  }
  handlers_.on_result(chunk.id, ToOutcome(result, chunk, worker_));
}

void ComputeLink::Close() {
  {
    absl::MutexLock lock(&mutex_);
    over_ = true;
  }
  context_.TryCancel();  // the read fails and releases the hold
}

void ComputeLink::OnDone(const grpc::Status& status) {
  handlers_.on_closed(rpc::FromGrpc(status));
  // The last use of the members: without another owner this destroys the object.
  const std::shared_ptr<ComputeLink> self = std::move(self_);
}

}  // namespace center::coordinator
