#include "services/coordinator/supervision/event_loop.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <asio/buffer.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/post.hpp>
#include <chrono>
#include <string>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/status_macros.h"

namespace center::supervision {

EventLoop::EventLoop()
    : work_(asio::make_work_guard(context_)), wake_(context_), signal_descriptor_(context_) {
  ScopedFd fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  std::error_code error;
  if (fd.valid()) wake_.assign(fd.get(), error);
  if (!fd.valid() || error) return;  // Post does without
  static_cast<void>(fd.Release());   // the descriptor's now
  AwaitWake();
}

EventLoop::~EventLoop() {
  if (signals_ != nullptr) signal_descriptor_.release();
  std::vector<std::function<void()>> tasks;
  do {  // what is destroyed may post
    tasks.clear();
    absl::MutexLock lock(&mutex_);
    tasks.swap(posted_);
  } while (!tasks.empty());
}

void EventLoop::Post(std::function<void()> task) {
  {
    absl::MutexLock lock(&mutex_);
    posted_.push_back(std::move(task));
    if (posted_.size() > 1) return;  // who posted the first one wakes the thread
  }
  constexpr uint64_t kOne = 1;
  if (!InControlThread() && wake_.is_open() &&
      ::write(wake_.native_handle(), &kOne, sizeof kOne) == sizeof kOne) {
    return;
  }
  asio::post(context_, [this] { RunPosted(); });
}

void EventLoop::AwaitWake() {
  wake_.async_read_some(asio::buffer(wakes_), [this](const std::error_code& error, size_t) {
    if (error) return;
    AwaitWake();
    RunPosted();
  });
}

// Those that are there now: timers and descriptors get their turn before what these post.
void EventLoop::RunPosted() {
  std::vector<std::function<void()>> tasks;
  {
    absl::MutexLock lock(&mutex_);
    tasks.swap(posted_);
  }
  auto next = tasks.begin();
  while (next != tasks.end() && !context_.stopped()) {
    const std::function<void()> task = std::move(*next++);
    task();
  }
  if (next == tasks.end()) return;
  absl::MutexLock lock(&mutex_);
  posted_.insert(posted_.begin(), std::make_move_iterator(next),
                 std::make_move_iterator(tasks.end()));
}

void EventLoop::Run() {
  control_thread_.store(std::this_thread::get_id());
  context_.run();
  control_thread_.store(std::thread::id());
}

void EventLoop::Stop() { context_.stop(); }

bool EventLoop::InControlThread() const {
  return control_thread_.load() == std::this_thread::get_id();
}

absl::Status EventLoop::HandleSignals(const std::vector<int>& signals,
                                      std::function<void(const SignalPipe::Arrival&)> handler) {
  ASSIGN_OR_RETURN(std::unique_ptr<SignalPipe> pipe, SignalPipe::Open(signals));
  std::error_code error;
  signal_descriptor_.assign(pipe->fd(), error);
  if (error) return absl::InternalError(absl::StrCat("watch for signals: ", error.message()));
  signals_ = std::move(pipe);
  signal_handler_ = std::move(handler);
  AwaitSignal();
  return absl::OkStatus();
}

void EventLoop::AwaitSignal() {
  signal_descriptor_.async_wait(asio::posix::descriptor_base::wait_read,
                                [this](const std::error_code& error) {
                                  if (error) return;
                                  AwaitSignal();
                                  while (const auto arrival = signals_->Read()) {
                                    signal_handler_(*arrival);
                                  }
                                });
}

// Waits hold it weakly: a handler that is queued already may run after the timer is gone.
struct DeadlineTimer::State : std::enable_shared_from_this<DeadlineTimer::State> {
  State(EventLoop& loop, std::function<SteadyTime()> tick_function)
      : timer(loop.context()), tick(std::move(tick_function)) {}

  void ArmBy(SteadyTime when) {
    if (when >= armed) return;
    armed = when;
    timer.expires_at(when);  // cancels the wait that was under way
    timer.async_wait([weak = weak_from_this()](const std::error_code& error) {
      const std::shared_ptr<State> self = weak.lock();
      if (!error && self != nullptr) self->Fire();
    });
  }

  void Fire() {
    if (std::chrono::steady_clock::now() < armed) return;  // armed anew after this had fired
    armed = SteadyTime::max();
    ArmBy(tick());
  }

  asio::steady_timer timer;
  std::function<SteadyTime()> tick;
  SteadyTime armed = SteadyTime::max();
};

DeadlineTimer::DeadlineTimer(EventLoop& loop, std::function<SteadyTime()> tick)
    : state_(std::make_shared<State>(loop, std::move(tick))) {}

DeadlineTimer::~DeadlineTimer() = default;

void DeadlineTimer::ArmBy(SteadyTime when) { state_->ArmBy(when); }

struct ReadWatch::State : std::enable_shared_from_this<ReadWatch::State> {
  State(EventLoop& loop, std::function<void()> handler)
      : descriptor(loop.context()), on_readable(std::move(handler)) {}

  void Await() {
    descriptor.async_wait(asio::posix::descriptor_base::wait_read,
                          [weak = weak_from_this()](const std::error_code& error) {
                            const std::shared_ptr<State> self = weak.lock();
                            if (error || self == nullptr || self->ended) return;
                            self->on_readable();
                            if (!self->ended) self->Await();
                          });
  }

  asio::posix::stream_descriptor descriptor;
  const std::function<void()> on_readable;
  bool ended = false;
};

ReadWatch::ReadWatch(std::shared_ptr<State> state) : state_(std::move(state)) {}

ReadWatch::~ReadWatch() {
  state_->ended = true;
  std::error_code ignored;  // closing what was only read loses nothing
  state_->descriptor.close(ignored);
}

absl::StatusOr<std::unique_ptr<ReadWatch>> ReadWatch::Start(EventLoop& loop, ScopedFd fd,
                                                            std::function<void()> on_readable) {
  auto state = std::make_shared<State>(loop, std::move(on_readable));
  std::error_code error;
  state->descriptor.assign(fd.get(), error);
  if (error) return absl::InternalError(absl::StrCat("watch a descriptor: ", error.message()));
  static_cast<void>(fd.Release());  // the descriptor's now
  state->Await();
  // Not make_unique: the constructor is private.
  return std::unique_ptr<ReadWatch>(new ReadWatch(std::move(state)));
}

int ReadWatch::fd() const { return state_->descriptor.native_handle(); }

}  // namespace center::supervision
