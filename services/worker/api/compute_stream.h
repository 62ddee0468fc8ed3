// The stream on which the coordinator has chunks of jobs run: WorkerService.Compute.
//
//   Start ─▶ hello ─▶ OPEN ── run ──▶ engine ── done ──▶ result …
//                       │
//                       ├── half-closed by the coordinator ─▶ ENDING(OK): what was asked for
//                       │                                     is answered still
//                       ├── End, the worker is ending ──────▶ ENDING(UNAVAILABLE): what is
//                       │                                     answered goes out
//                       ├── malformed request ──────────────▶ BROKEN(INVALID_ARGUMENT)
//                       └── cancelled, connection lost ─────▶ BROKEN: running tasks are told
//                                                             to stop
//
// Memory: chunks that wait are bounded by the engine; results that the coordinator does not take by
// kUnsentBytesMax and one result for each compute thread, which then waits and runs nothing else.
//
// One message is being written at a time. Whoever has something to write or to end calls Pump;
// gRPC is called by one thread at a time, and never with the lock held.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/optional.h"
#include "center/v1/worker.grpc.pb.h"
#include "services/worker/compute/engine.h"

namespace center::worker {

class ComputeStream final : public grpc::ServerBidiReactor<v1::ComputeRequest, v1::ComputeResponse>,
                            public std::enable_shared_from_this<ComputeStream> {
 public:
  static constexpr size_t kUnsentBytesMax = size_t{64} << 20;

  // It takes no more chunks: another stream may come. Any thread, maybe more than once.
  using OnOver = std::function<void(ComputeStream* stream)>;

  ComputeStream(std::string worker, compute::Engine& engine, OnOver on_over);

  // Once: sends hello, and reads. It keeps itself alive until gRPC is done with it.
  void Start(v1::ComputeHello hello);
  // Ends with `status` when every chunk that it has is answered.
  void End(absl::Status status);

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

 private:
  struct Unsent {
    v1::ComputeResponse response;
    size_t bytes;
  };
  enum class Step { kNothing, kWrite, kFinish };

  // False: the stream is broken.
  bool OnRequest();
  absl::Status Run(v1::RunChunk run);
  void Cancel(uint64_t chunk_id);
  void OnChunkDone(compute::ChunkResult result);
  // Gives all chunks up. The first status counts.
  void Break(absl::Status status);
  void Pump();
  Step NextStep() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::string worker_;
  compute::Engine& engine_;
  const OnOver on_over_;
  v1::ComputeRequest request_;           // owned by the read
  v1::ComputeResponse response_;         // owned by the write
  std::shared_ptr<ComputeStream> self_;  // until OnDone

  absl::Mutex mutex_;
  // What the engine has for us: chunk -> ticket. 0: being submitted.
  absl::flat_hash_map<uint64_t, compute::Engine::Ticket> tickets_ ABSL_GUARDED_BY(mutex_);
  std::deque<Unsent> unsent_ ABSL_GUARDED_BY(mutex_);
  size_t unsent_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t writing_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool broken_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  absl::optional<absl::Status> ending_ ABSL_GUARDED_BY(mutex_);
  bool pumping_ ABSL_GUARDED_BY(mutex_) = false;
  bool pump_again_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace center::worker
