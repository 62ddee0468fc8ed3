#include "services/worker/api/stream_scheduler.h"

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/journal/testing.h"

namespace center::worker {
namespace {

using ::testing::ElementsAre;

constexpr absl::Duration kPatience = absl::Seconds(30);

// The order in which streams are resumed.
class Log {
 public:
  void Add(const std::string& entry) {
    absl::MutexLock lock(&mutex_);
    entries_.push_back(entry);
  }
  // The entries, as soon as there are `count`.
  std::vector<std::string> Wait(size_t count) {
    absl::MutexLock lock(&mutex_);
    const auto enough = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return entries_.size() >= count;
    };
    mutex_.AwaitWithTimeout(absl::Condition(&enough), kPatience);
    return entries_;
  }

 private:
  absl::Mutex mutex_;
  std::vector<std::string> entries_ ABSL_GUARDED_BY(mutex_);
};

class FakeStream final : public StreamScheduler::Stream {
 public:
  FakeStream(std::string name, Log& log) : name_(std::move(name)), log_(log) {}
  void Resume() override {
    log_.Add(name_);
    if (then) then();
  }
  std::function<void()> then;

 private:
  const std::string name_;
  Log& log_;
};

class StreamSchedulerTest : public ::testing::Test {
 protected:
  StreamSchedulerTest()
      : signal_(*TailSignal::Create()),
        scheduler_(std::make_unique<StreamScheduler>(clock_, *signal_,
                                                     [this] { return visible_end_.load(); })) {}

  void Publish(uint64_t visible_end) {
    visible_end_ = visible_end;
    signal_->Published();
  }
  void Advance(absl::Duration duration) {
    clock_.Set(clock_.WallNanos() + absl::ToInt64Nanoseconds(duration));
  }
  SteadyTime In(absl::Duration duration) const {
    return clock_.Steady() + absl::ToChronoNanoseconds(duration);
  }

  journal::FakeClock clock_;
  std::unique_ptr<TailSignal> signal_;
  std::atomic<uint64_t> visible_end_{5};
  Log log_;
  FakeStream a_{"a", log_};
  FakeStream b_{"b", log_};
  FakeStream c_{"c", log_};
  absl::Notification released_;  // outlives the threads that wait for it
  std::unique_ptr<StreamScheduler> scheduler_;
};

TEST_F(StreamSchedulerTest, WhoeverMissedSomethingDoesNotWait) {
  EXPECT_FALSE(scheduler_->Wait(&a_, 4, In(absl::Hours(1))));
  EXPECT_TRUE(scheduler_->Wait(&a_, 5, In(absl::Hours(1))));
  EXPECT_TRUE(scheduler_->Cancel(&a_));
}

TEST_F(StreamSchedulerTest, WhatBecomesVisibleResumesThoseWhoWaitForIt) {
  ASSERT_TRUE(scheduler_->Wait(&a_, 5, In(absl::Hours(1))));
  ASSERT_TRUE(scheduler_->Wait(&b_, 6, In(absl::Hours(1))));
  Publish(6);
  EXPECT_THAT(log_.Wait(1), ElementsAre("a"));
  Publish(7);
  EXPECT_THAT(log_.Wait(2), ElementsAre("a", "b"));
}

TEST_F(StreamSchedulerTest, AStreamMayWaitAgainFromItsResume) {
  std::atomic<uint64_t> waits_for{5};
  a_.then = [&] {
    uint64_t next = visible_end_.load();
    while (!scheduler_->Wait(&a_, next, In(absl::Hours(1)))) next = visible_end_.load();
    waits_for = next;
  };
  ASSERT_TRUE(scheduler_->Wait(&a_, waits_for, In(absl::Hours(1))));
  for (uint64_t end = 6; end < 2000; ++end) Publish(end);
  EXPECT_TRUE(journal::Eventually([&] { return waits_for == 1999; }));
  EXPECT_TRUE(scheduler_->Cancel(&a_)) << "it waits for the next";
}

TEST_F(StreamSchedulerTest, ADeadlineResumesAStream) {
  ASSERT_TRUE(scheduler_->Wait(&a_, 5, In(absl::Seconds(10))));
  ASSERT_TRUE(scheduler_->Wait(&b_, 5, In(absl::Seconds(20))));
  Advance(absl::Seconds(10));
  EXPECT_THAT(log_.Wait(1), ElementsAre("a"));
  Advance(absl::Seconds(10));
  EXPECT_THAT(log_.Wait(2), ElementsAre("a", "b"));
}

TEST_F(StreamSchedulerTest, AWaitingStreamThatIsCancelledBelongsToTheCaller) {
  ASSERT_TRUE(scheduler_->Wait(&a_, 5, In(absl::Hours(1))));
  ASSERT_TRUE(scheduler_->Wait(&b_, 5, In(absl::Hours(1))));
  ASSERT_TRUE(scheduler_->Wait(&c_, 5, In(absl::Hours(1))));
  EXPECT_TRUE(scheduler_->Cancel(&a_));
  EXPECT_TRUE(scheduler_->IsCancelled(&a_));
  EXPECT_FALSE(scheduler_->IsCancelled(&b_));
  EXPECT_TRUE(scheduler_->Cancel(&c_));
  Publish(6);
  EXPECT_THAT(log_.Wait(1), ElementsAre("b"));
}

TEST_F(StreamSchedulerTest, AStreamThatIsCancelledWhileItRunsDoesNotWait) {
  EXPECT_FALSE(scheduler_->Cancel(&a_)) << "the caller of Wait has it";
  EXPECT_FALSE(scheduler_->Wait(&a_, 5, In(absl::Hours(1))));
  EXPECT_FALSE(scheduler_->Cancel(&a_));
}

TEST_F(StreamSchedulerTest, AStreamThatSearchesSeesThatItIsCancelled) {
  std::atomic<bool> seen{false};
  b_.then = [&] { seen = scheduler_->IsCancelled(&b_); };
  a_.then = [&] { released_.WaitForNotificationWithTimeout(kPatience); };
  scheduler_->Yield(&a_);  // keeps the search thread busy
  scheduler_->Yield(&b_);
  EXPECT_FALSE(scheduler_->Cancel(&b_)) << "the search thread will see it";
  released_.Notify();
  EXPECT_TRUE(journal::Eventually([&] { return seen.load(); }));
}

TEST_F(StreamSchedulerTest, StreamsThatSearchTakeTurns) {
  c_.then = [&] { released_.WaitForNotificationWithTimeout(kPatience); };
  // Its last turn may end after the test has.
  a_.then = [this, turns = 0]() mutable {
    if (++turns < 3) scheduler_->Yield(&a_);
  };
  scheduler_->Yield(&c_);
  scheduler_->Yield(&a_);
  scheduler_->Yield(&b_);
  released_.Notify();
  EXPECT_THAT(log_.Wait(5), ElementsAre("c", "a", "b", "a", "a"));
}

TEST_F(StreamSchedulerTest, ASearchDoesNotHoldUpTheTail) {
  b_.then = [&] { released_.WaitForNotificationWithTimeout(kPatience); };
  scheduler_->Yield(&b_);
  EXPECT_THAT(log_.Wait(1), ElementsAre("b"));
  ASSERT_TRUE(scheduler_->Wait(&a_, 5, In(absl::Hours(1))));
  Publish(6);
  EXPECT_THAT(log_.Wait(2), ElementsAre("b", "a")) << "while b is still searching";
  released_.Notify();
}

TEST_F(StreamSchedulerTest, EndResumesEveryoneAndLetsNobodyWait) {
  ASSERT_TRUE(scheduler_->Wait(&a_, 5, In(absl::Hours(1))));
  ASSERT_TRUE(scheduler_->Wait(&b_, 5, In(absl::Hours(1))));
  EXPECT_FALSE(scheduler_->ending());
  scheduler_->End();
  EXPECT_TRUE(scheduler_->ending());
  EXPECT_EQ(log_.Wait(2).size(), 2u);
  EXPECT_FALSE(scheduler_->Wait(&a_, 5, In(absl::Hours(1))));
}

}  // namespace
}  // namespace center::worker
