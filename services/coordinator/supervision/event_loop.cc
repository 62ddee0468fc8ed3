#include "services/coordinator/supervision/event_loop.h"

#include <asio/post.hpp>
#include <chrono>
#include <string>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"

namespace center::supervision {

EventLoop::EventLoop() : work_(asio::make_work_guard(context_)), signals_(context_) {}

EventLoop::~EventLoop() = default;

void EventLoop::Post(std::function<void()> task) { asio::post(context_, std::move(task)); }

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
                                      std::function<void(int)> handler) {
  for (const int signal : signals) {
    std::error_code error;
    signals_.add(signal, error);
    if (error) {
      return absl::InternalError(
          absl::StrCat("cannot handle signal ", signal, ": ", error.message()));
    }
  }
  signal_handler_ = std::move(handler);
  AwaitSignal();
  return absl::OkStatus();
}

void EventLoop::AwaitSignal() {
  signals_.async_wait([this](const std::error_code& error, int signal) {
    if (error) return;
    AwaitSignal();
    signal_handler_(signal);
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

}  // namespace center::supervision
