// Coroutines that take turns on one thread: what async means in `centerctl experiment`.
#pragma once

#include <coroutine>
#include <cstdlib>
#include <deque>

namespace center::cli {

// A coroutine that belongs to nobody: it runs when it is called, and is gone when it has ended.
struct Coroutine {
  struct promise_type {
    Coroutine get_return_object() { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::abort(); }  // ours throw none
  };
};

// Runs coroutines in turn until none is left. One thread.
class Turns {
 public:
  // co_await turns.Next(): lets the others go first.
  auto Next() {
    struct Awaiter {
      Turns& turns;
      bool await_ready() const noexcept { return false; }
      void await_suspend(std::coroutine_handle<> handle) { turns.waiting_.push_back(handle); }
      void await_resume() const noexcept {}
    };
    return Awaiter{*this};
  }

  void Run() {
    while (!waiting_.empty()) {
      const std::coroutine_handle<> next = waiting_.front();
      waiting_.pop_front();
      next.resume();
    }
  }

 private:
  std::deque<std::coroutine_handle<>> waiting_;
};

}  // namespace center::cli
