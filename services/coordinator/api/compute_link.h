// The stream on which one worker gets chunks and returns results.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "center/v1/worker.grpc.pb.h"
#include "grpcpp/grpcpp.h"
#include "services/coordinator/jobs/types.h"

namespace center::coordinator {

// Counts what is open, for those who must outlive it. Thread-safe.
class OpenCount {
 public:
  void Add() {
    absl::MutexLock lock(&mutex_);
    ++open_;
  }
  void Remove() {
    absl::MutexLock lock(&mutex_);
    --open_;
  }
  void AwaitNone() {
    absl::MutexLock lock(&mutex_);
    const auto none = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return open_ == 0; };
    mutex_.Await(absl::Condition(&none));
  }

 private:
  absl::Mutex mutex_;
  int open_ ABSL_GUARDED_BY(mutex_) = 0;
};

// A call of WorkerService.Compute.
//
//     made ─Start─▶ calling ─hello─▶ open ─end of the call─▶ closed
//                      └────────── Close (any time) ──────────┘
//
// Thread-safe. Answers are read and made ready for storing on gRPC's threads; the handlers are
// called there, with no lock held, in order, on_closed last and always. The call keeps the object
// alive until gRPC has let go of it.
class ComputeLink final : public grpc::ClientBidiReactor<v1::ComputeRequest, v1::ComputeResponse>,
                          public std::enable_shared_from_this<ComputeLink> {
 public:
  struct Handlers {
    std::function<void(v1::ComputeHello)> on_hello;
    std::function<void(jobs::ChunkId, jobs::ChunkOutcome)> on_result;
    std::function<void(absl::Status)> on_closed;
  };

  ComputeLink(std::string worker, Handlers handlers)
      : worker_(std::move(worker)), handlers_(std::move(handlers)) {}

  // Once.
  void Start(std::shared_ptr<grpc::Channel> channel);
  // `request` runs this chunk. Swallowed when the call is over.
  void SendChunk(v1::ComputeRequest request, jobs::Chunk chunk);
  void CancelChunk(jobs::ChunkId chunk);
  // Cancels the call. May be repeated.
  void Close();

 private:
  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnDone(const grpc::Status& status) override;
  void Handle(v1::ComputeResponse* response);
  void Write(v1::ComputeRequest request);

  const std::string worker_;
  const Handlers handlers_;
  std::unique_ptr<v1::WorkerService::Stub> stub_;  // keeps the channel
  grpc::ClientContext context_;
  v1::ComputeResponse response_;  // owned by the read that is under way

  absl::Mutex mutex_;
  bool over_ ABSL_GUARDED_BY(mutex_) = false;  // nothing may be written any more
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  // Bounded by the chunks in flight of a worker. The first is being written.
  std::deque<v1::ComputeRequest> requests_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<jobs::ChunkId, jobs::Chunk> chunks_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<ComputeLink> self_;  // from Start until OnDone
};

}  // namespace center::coordinator
