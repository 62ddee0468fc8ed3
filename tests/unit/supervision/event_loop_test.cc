#include "services/coordinator/supervision/event_loop.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

namespace center::supervision {
namespace {

using std::chrono::milliseconds;

SteadyTime Now() { return std::chrono::steady_clock::now(); }

TEST(EventLoopTest, RunsPostedTasksInOrderOnTheControlThread) {
  EventLoop loop;
  std::vector<int> order;
  EXPECT_FALSE(loop.InControlThread());
  loop.Post([&] { order.push_back(1); });  // before Run
  std::thread poster([&] {
    loop.Post([&] {
      EXPECT_TRUE(loop.InControlThread());
      order.push_back(2);
    });
    loop.Post([&] {
      order.push_back(3);
      loop.Stop();
    });
  });
  loop.Run();
  poster.join();
  EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
  EXPECT_FALSE(loop.InControlThread());
}

TEST(EventLoopTest, StopFromAnotherThreadEndsAnIdleLoop) {
  EventLoop loop;
  std::thread runner([&] { loop.Run(); });
  loop.Stop();
  runner.join();
}

TEST(EventLoopTest, TasksThatPostForEverLeaveTimersTheirTurn) {
  EventLoop loop;
  std::function<void()> again = [&] { loop.Post(again); };
  loop.Post(again);
  DeadlineTimer timer(loop, [&] {
    loop.Stop();
    return SteadyTime::max();
  });
  timer.ArmBy(Now() + milliseconds(1));
  loop.Run();
}

TEST(EventLoopTest, TasksThatAreLeftAreDestroyedAndNotRun) {
  const auto token = std::make_shared<int>();
  {
    EventLoop loop;
    loop.Post([&] { loop.Stop(); });
    loop.Post([token] { ADD_FAILURE() << "it is run"; });
    loop.Run();
    loop.Post([token] { ADD_FAILURE() << "it is run"; });
    EXPECT_EQ(token.use_count(), 3);
  }
  EXPECT_EQ(token.use_count(), 1);
}

// A task whose destruction posts: a stream that it held is the last to go.
TEST(EventLoopTest, WhatIsLeftMayPostWhenItIsDestroyed) {
  const auto token = std::make_shared<int>();
  {
    EventLoop loop;
    const std::shared_ptr<void> posts(nullptr, [&](void*) { loop.Post([token] {}); });
    loop.Post([posts] {});
  }
  EXPECT_EQ(token.use_count(), 1);
}

TEST(EventLoopTest, ManyThreadsPostAndEveryTaskRunsOnce) {
  constexpr int kThreads = 4;
  constexpr int kTasks = 2000;
  EventLoop loop;
  int runs = 0;
  std::vector<std::thread> posters;
  for (int i = 0; i < kThreads; ++i) {
    posters.emplace_back([&] {
      for (int task = 0; task < kTasks; ++task) {
        loop.Post([&] {
          if (++runs == kThreads * kTasks) loop.Stop();
        });
      }
    });
  }
  loop.Run();
  for (std::thread& poster : posters) poster.join();
  EXPECT_EQ(runs, kThreads * kTasks);
}

TEST(EventLoopTest, HandlesEverySignal) {
  EventLoop loop;
  std::vector<int> seen;
  ASSERT_TRUE(loop.HandleSignals({SIGUSR1, SIGUSR2},
                                 [&](const SignalPipe::Arrival& arrival) {
                                   seen.push_back(arrival.signal);
                                   EXPECT_EQ(arrival.sender.pid, getpid());
                                   if (seen.size() == 2) return loop.Stop();
                                   EXPECT_EQ(raise(SIGUSR2), 0);
                                 })
                  .ok());
  EXPECT_EQ(raise(SIGUSR1), 0);
  loop.Run();
  EXPECT_EQ(seen, (std::vector<int>{SIGUSR1, SIGUSR2}));
}

TEST(EventLoopTest, SignalThatCannotBeHandledIsAnError) {
  EventLoop loop;
  EXPECT_FALSE(loop.HandleSignals({SIGKILL}, [](const SignalPipe::Arrival&) {}).ok());
}

TEST(DeadlineTimerTest, TicksWhenTheTickItselfAsksForIt) {
  EventLoop loop;
  int ticks = 0;
  DeadlineTimer timer(loop, [&] {
    if (++ticks == 3) loop.Stop();
    return Now() + milliseconds(1);
  });
  timer.ArmBy(Now());
  loop.Run();
  EXPECT_EQ(ticks, 3);
}

TEST(DeadlineTimerTest, EarlierDeadlineReplacesALaterOneAndNotTheReverse) {
  EventLoop loop;
  const SteadyTime begin = Now();
  SteadyTime ticked;
  DeadlineTimer timer(loop, [&] {
    ticked = Now();
    loop.Stop();
    return SteadyTime::max();
  });
  timer.ArmBy(SteadyTime::max());
  timer.ArmBy(begin + std::chrono::hours(1));
  timer.ArmBy(begin + milliseconds(20));
  timer.ArmBy(begin + std::chrono::hours(2));
  loop.Run();
  EXPECT_GE(ticked, begin + milliseconds(20));
  EXPECT_LT(ticked, begin + std::chrono::minutes(1));
}

TEST(DeadlineTimerTest, DestroyedTimerTicksNoMore) {
  EventLoop loop;
  {
    DeadlineTimer timer(loop, []() -> SteadyTime {
      ADD_FAILURE() << "ticked";
      return SteadyTime::max();
    });
    timer.ArmBy(Now());
  }
  DeadlineTimer other(loop, [&] {
    loop.Stop();
    return SteadyTime::max();
  });
  other.ArmBy(Now() + milliseconds(5));
  loop.Run();
}

}  // namespace
}  // namespace center::supervision
