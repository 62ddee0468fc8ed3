// Lets payload streams wait for new payloads, and takes turns when they have much to search.
//
// The ingest thread only says that there is more (see TailSignal); it never touches gRPC. The pump
// thread resumes the streams that wait at the journal's tail, and those whose deadline has come. A
// stream that has searched a slice of the journal without finding anything yields: the search
// thread resumes it after the others that search. So neither gRPC's threads nor the tail are held
// up by a filter that matches nothing.
//
// Who may touch a stream at any time: gRPC while it has a write outstanding; else the thread that
// runs it; else, while it waits or has yielded, nobody: the scheduler has it.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "services/common/clock.h"
#include "services/worker/api/tail_signal.h"

namespace center::worker {

class StreamScheduler {
 public:
  class Stream {
   public:
    virtual ~Stream() = default;
    // Goes on; called on one of the scheduler's threads.
    virtual void Resume() = 0;

   private:
    friend class StreamScheduler;
    static constexpr size_t kNotWaiting = SIZE_MAX;
    // Guarded by the scheduler's mutex.
    size_t index_ = kNotWaiting;  // in waiting_
    uint64_t next_ = 0;           // wakes when this offset is visible
    SteadyTime deadline_;
    bool cancelled_ = false;
  };

  // `visible_end` is the journal's; callable on any thread. `signal` is told when it has grown.
  StreamScheduler(Clock& clock, TailSignal& signal, std::function<uint64_t()> visible_end);
  // Stops the threads. REQUIRES: no stream waits or has yielded.
  ~StreamScheduler();
  StreamScheduler(const StreamScheduler&) = delete;
  StreamScheduler& operator=(const StreamScheduler&) = delete;

  // Takes the stream until there is something at or beyond `next`, until `deadline`, or until End.
  // False: there is something already, or the stream was cancelled, or everything ends: the caller
  // keeps the stream and looks again.
  bool Wait(Stream* stream, uint64_t next, SteadyTime deadline);
  // Takes the stream and resumes it on the search thread.
  void Yield(Stream* stream);
  // Marks the stream as cancelled. True: it was waiting, and belongs to the caller now. False:
  // whoever has it will see the mark.
  bool Cancel(Stream* stream);
  bool IsCancelled(const Stream* stream) const;

  // From now on Wait says false, and everyone who waits is resumed: the process is ending.
  void End();
  bool ending() const { return ending_.load(std::memory_order_acquire); }

 private:
  void PumpLoop();
  void SearchLoop();
  // The streams to resume now; says in `timeout_ms` how long to sleep afterwards.
  std::vector<Stream*> TakeDue(int* timeout_ms) ABSL_LOCKS_EXCLUDED(mutex_);
  void RemoveWaiting(Stream* stream) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Clock& clock_;
  TailSignal& signal_;
  const std::function<uint64_t()> visible_end_;

  std::atomic<bool> ending_{false};
  std::atomic<bool> stopping_{false};

  mutable absl::Mutex mutex_;
  std::vector<Stream*> waiting_ ABSL_GUARDED_BY(mutex_);
  std::deque<Stream*> searching_ ABSL_GUARDED_BY(mutex_);
  SteadyTime pump_wakes_ ABSL_GUARDED_BY(mutex_);  // at the latest, by itself

  std::thread pump_;
  std::thread search_;
};

}  // namespace center::worker
