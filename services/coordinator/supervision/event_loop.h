// The control thread: one io_context on which the supervisor, the launcher and everything else that
// decides runs. Others post to it and never wait for it.
#pragma once

#include <array>
#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/steady_timer.hpp>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "services/common/clock.h"
#include "services/common/fd.h"
#include "services/common/signal_pipe.h"

namespace center::supervision {

// Lifecycle: construct, wire, Run (the calling thread becomes the control thread) until somebody
// calls Stop, destroy. Tasks that are still queued then are destroyed without being run.
class EventLoop {
 public:
  EventLoop();
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  asio::io_context& context() { return context_; }
  // Runs `task` on the control thread, after those posted before it. Any thread; also before Run.
  void Post(std::function<void()> task);
  // Until Stop. Once.
  void Run();
  // Makes Run return after the task that is running. Any thread.
  void Stop();
  bool InControlThread() const;

  // Calls `handler` on the control thread for each arrival of one of these signals, from now on.
  // Call before threads are started that must not be interrupted. Once per loop.
  absl::Status HandleSignals(const std::vector<int>& signals,
                             std::function<void(const SignalPipe::Arrival&)> handler);

 private:
  void AwaitSignal();
  void AwaitWake();
  void RunPosted();

  asio::io_context context_{1};
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  std::atomic<std::thread::id> control_thread_{};
  absl::Mutex mutex_;
  std::vector<std::function<void()>> posted_ ABSL_GUARDED_BY(mutex_);
  // An eventfd of our own. Asio wakes its thread while it holds the lock that the thread takes
  // next: each task would make it sleep once more.
  asio::posix::stream_descriptor wake_;
  std::array<uint64_t, 2> wakes_{};  // more than a read returns: Asio need not try another
  // Control thread only.
  std::unique_ptr<SignalPipe> signals_;
  asio::posix::stream_descriptor signal_descriptor_;  // borrows that of signals_
  std::function<void(const SignalPipe::Arrival&)> signal_handler_;
};

// Calls a `tick` function at the times that it itself asks for: it returns when it wants to be
// called next. ArmBy moves that forward. Fits Supervisor:
//
//   DeadlineTimer timer(loop, [&] { return supervisor->Tick(); });
//   options.on_deadline = [&](SteadyTime when) { timer.ArmBy(when); };
//
// Control thread only (construction and destruction too, or while the loop does not run).
class DeadlineTimer {
 public:
  DeadlineTimer(EventLoop& loop, std::function<SteadyTime()> tick);
  ~DeadlineTimer();
  DeadlineTimer(const DeadlineTimer&) = delete;
  DeadlineTimer& operator=(const DeadlineTimer&) = delete;

  // Ticks at `when` at the latest. SteadyTime::max() is no deadline.
  void ArmBy(SteadyTime when);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// Calls a function on the control thread whenever a descriptor has something to read (or its other
// end is gone), until it is destroyed: also within that function. Control thread only.
class ReadWatch {
 public:
  static absl::StatusOr<std::unique_ptr<ReadWatch>> Start(EventLoop& loop, ScopedFd fd,
                                                          std::function<void()> on_readable);
  ~ReadWatch();
  ReadWatch(const ReadWatch&) = delete;
  ReadWatch& operator=(const ReadWatch&) = delete;

  int fd() const;

 private:
  struct State;
  explicit ReadWatch(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

}  // namespace center::supervision
