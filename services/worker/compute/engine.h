// Runs chunks on compute threads.
//
//   Submit ─▶ WAITING ── a thread is free ─▶ RUNNING ─▶ done(result)
//                │ Cancel                      │ Cancel: the task is told to stop
//                └──────▶ done(cancelled)      └──────▶ done(what was finished, cancelled)
//
// Every chunk that was taken is answered by exactly one call of its `done`, unless it is abandoned.
// A task that does not heed its stop token keeps its thread: the engine cannot do anything about
// that, only whoever owns the process can.
//
// Compute threads give way to the others of the process (Options::nice): ingestion must not feel
// that a task burns a core.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "services/common/clock.h"
#include "services/common/flight_recorder.h"
#include "services/worker/compute/chunk.h"
#include "services/worker/compute/chunk_runner.h"
#include "services/worker/compute/task_registry.h"
#include "services/worker/compute/timeout_watch.h"

namespace center::compute {

// Thread-safe.
class Engine {
 public:
  struct Options {
    uint32_t threads = 1;  // 1 to FlightRecorder::kThreadsMax
    int nice = 10;         // of the compute threads; 0 to 19
    // Chunks that wait, and the bytes of their inputs; more are refused.
    size_t waiting_max = 256;
    size_t waiting_bytes_max = size_t{256} << 20;
  };
  struct Stats {
    uint64_t inputs_done = 0;
    absl::Duration task_time;
    size_t chunks = 0;  // waiting, running or being answered
  };
  // Called on a compute thread, or on the one that cancels. It may block: then that thread takes
  // no other chunk meanwhile.
  using Done = std::function<void(ChunkResult)>;
  using Ticket = uint64_t;

  // A thread that has had nothing to do for this long destroys the states of its tasks.
  static constexpr absl::Duration kStatesKept = absl::Seconds(10);

  // `tasks`, `clock` and `recorder` (may be null) outlive the engine.
  Engine(const Options& options, const TaskRegistry& tasks, FlightRecorder* recorder, Clock& clock);
  // Stops, and waits for the running tasks.
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // ResourceExhausted when too many wait; Unavailable after Refuse or Stop.
  absl::StatusOr<Ticket> Submit(Chunk chunk, Done done);
  // A ticket that is not known (any more) is ignored.
  void Cancel(Ticket ticket);
  // Cancels, and forgets who asked: `done` is not called unless that has begun already, and what
  // the flight recorder says of the chunk is wiped out.
  void Abandon(Ticket ticket);

  // From now on chunks are refused, and those that wait are cancelled. Running ones go on.
  void Refuse();
  // Cancels what waits and what runs. Nothing is refused.
  void CancelAll();
  // Refuses, and cancels the running ones. True: all threads have ended. False: a task runs still
  // after `grace`.
  bool Stop(absl::Duration grace);

  Stats stats() const;

 private:
  struct Run {
    Ticket ticket = 0;
    Chunk chunk;
    Done done;  // guarded by the engine's mutex
    StopToken stop;
    SteadyTime submitted;
  };
  // One compute thread.
  struct Seat {
    std::shared_ptr<Run> run;  // null: idle
    SteadyTime started;
    TimeoutWatch watch;
    std::thread thread;
  };

  void ThreadLoop(size_t index);
  // Waits for a chunk; null at the end.
  std::shared_ptr<Run> Take(size_t index, TaskStateCache& states);
  ChunkResult Execute(size_t index, const Run& run, TaskStateCache& states);
  void Answer(size_t index, const std::shared_ptr<Run>& run, ChunkResult result);
  void CancelWaiting();
  void AnswerCancelled(const Run& run, const Done& done) const;
  void WatchLoop();
  // Tells inputs that take too long to stop; returns how long to wait before doing it again.
  absl::Duration CheckTimeouts() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Options options_;
  const TaskRegistry& tasks_;
  Clock& clock_;
  // Where the threads say what they run: the recorder's, or this.
  std::unique_ptr<FlightRecorder> own_recorder_;
  FlightRecorder::Running* const running_;

  mutable absl::Mutex mutex_;
  absl::CondVar work_;   // a chunk waits, or everything ends
  absl::CondVar watch_;  // a chunk with a timeout has begun, or everything ends
  absl::CondVar ended_;  // a compute thread has
  std::map<Ticket, std::shared_ptr<Run>> runs_ ABSL_GUARDED_BY(mutex_);
  std::deque<std::shared_ptr<Run>> waiting_ ABSL_GUARDED_BY(mutex_);
  size_t waiting_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<Seat> seats_ ABSL_GUARDED_BY(mutex_);
  uint64_t inputs_done_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Duration task_time_ ABSL_GUARDED_BY(mutex_);
  size_t threads_alive_ ABSL_GUARDED_BY(mutex_) = 0;
  Ticket next_ticket_ ABSL_GUARDED_BY(mutex_) = 1;
  bool refusing_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread watcher_;
};

}  // namespace center::compute
