// A pool of workers that is measured: a private one, of which nothing is left, or a server that
// runs already.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "center/v1/job.pb.h"
#include "cli/context.h"
#include "cli/daemon.h"
#include "cli/job_run.h"
#include "cli/record_reader.h"
#include "cli/signals.h"

namespace center::cli {

// Created before the first channel, when Ctrl-C is watched already. Run on one thread, Interrupt on
// any.
class Pool {
 public:
  // A coordinator of its own in a temporary folder, with one server that takes no connections. It
  // ends with the pool. Whatever else runs on this machine is not touched.
  static absl::StatusOr<std::unique_ptr<Pool>> StartPrivate(Context& context, uint32_t workers);
  // A server of the coordinator that `context` speaks to. NotRunning when it is stopped.
  static absl::StatusOr<std::unique_ptr<Pool>> UseServer(Context& context,
                                                         const std::string& server);
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;
  ~Pool();

  // Runs a job to its end. `inputs` may be null. Aborted when not every input has a result.
  using OnResults = std::function<absl::Status(const v1::ResultBatch&)>;
  absl::StatusOr<v1::Job> Run(v1::JobSpec spec, RecordReader* inputs, OnResults on_results)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Ends what runs; every later Run fails.
  void Interrupt() ABSL_LOCKS_EXCLUDED(mutex_);

  const std::string& server() const { return server_; }
  uint32_t workers() const { return workers_; }
  Context& context() { return context_; }
  // A folder for files of the measurement; empty for a server that runs already.
  const std::string& folder() const { return folder_; }

 private:
  explicit Pool(Context& outer);

  absl::Status StartCoordinator();
  absl::Status StartWorkers(uint32_t workers);

  std::string folder_;  // private ones only, as is the daemon
  Context context_;
  std::unique_ptr<DaemonProcess> daemon_;
  std::string server_;
  uint32_t workers_ = 0;
  absl::Mutex mutex_;
  JobRun* running_ ABSL_GUARDED_BY(mutex_) = nullptr;
  bool interrupted_ ABSL_GUARDED_BY(mutex_) = false;
};

// Ctrl-C ends what runs on a pool, so that the pool can be taken down in order. Create it before
// the first channel; the scope is shorter than the pool's life.
class PoolInterrupt {
 public:
  PoolInterrupt() : watcher_([this](int) { OnSignal(); }) {}

  class Scope {
   public:
    Scope(PoolInterrupt& interrupt, Pool& pool) : interrupt_(interrupt) { interrupt_.Set(&pool); }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;
    ~Scope() { interrupt_.Set(nullptr); }

   private:
    PoolInterrupt& interrupt_;
  };

  // True once Ctrl-C was pressed.
  const std::atomic<bool>& stopped() const { return stopped_; }

 private:
  void Set(Pool* pool) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    pool_ = pool;
    if (pool != nullptr && stopped_) pool->Interrupt();
  }
  void OnSignal() ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    stopped_ = true;
    if (pool_ != nullptr) pool_->Interrupt();
  }

  std::atomic<bool> stopped_{false};
  absl::Mutex mutex_;
  Pool* pool_ ABSL_GUARDED_BY(mutex_) = nullptr;
  SignalWatcher watcher_;  // last: its thread uses the others
};

}  // namespace center::cli
