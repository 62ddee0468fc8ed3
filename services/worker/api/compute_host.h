// The worker's compute half, put together: its tasks, its engine, and the one stream that uses it.
//
// There is one stream at a time, the coordinator's. A stream that is broken makes room at once,
// also while a task that it has started does not heed its stop token; while a stream is sound, a
// second one is turned away (COMPUTE_BUSY).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "services/common/clock.h"
#include "services/common/flight_recorder.h"
#include "services/worker/api/compute_stream.h"
#include "services/worker/compute/engine.h"
#include "services/worker/compute/task_registry.h"

namespace center::worker {

// Thread-safe. Outlives the gRPC server whose calls it serves.
class ComputeHost {
 public:
  struct Options {
    compute::Engine::Options engine;
    std::vector<std::string> modules;  // libraries with tasks
  };

  // Loads the modules and starts the compute threads; InvalidArgument when a module cannot be used.
  // `recorder` may be null.
  static absl::StatusOr<std::unique_ptr<ComputeHost>> Create(std::string worker,
                                                             const Options& options,
                                                             FlightRecorder* recorder,
                                                             Clock& clock);

  // The reactor of a call of WorkerService.Compute.
  grpc::ServerBidiReactor<v1::ComputeRequest, v1::ComputeResponse>* Connect();

  // Whether a stream is open.
  bool connected() const {
    absl::MutexLock lock(&mutex_);
    return stream_ != nullptr;
  }

  // Chunks that wait, and those that come, are given back; running ones go on. New streams are
  // refused.
  void Drain();
  // Chunks that run are told to stop.
  void CancelRunning() { engine_.CancelAll(); }
  // Ends the stream once it has answered everything.
  void End();
  // Cancels everything. True: all threads have ended within `grace`. False: a task does not heed
  // its stop token, and the host must not be destroyed.
  bool Stop(absl::Duration grace) { return engine_.Stop(grace); }

  compute::Engine::Stats stats() const { return engine_.stats(); }

 private:
  ComputeHost(std::string worker, const Options& options, compute::TaskRegistry tasks,
              FlightRecorder* recorder, Clock& clock);

  void OnOver(ComputeStream* stream);

  const std::string worker_;
  const uint32_t threads_;
  const compute::TaskRegistry tasks_;

  mutable absl::Mutex mutex_;
  std::shared_ptr<ComputeStream> stream_ ABSL_GUARDED_BY(mutex_);
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;

  compute::Engine engine_;  // first to end
};

}  // namespace center::worker
