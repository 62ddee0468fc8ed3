#include "services/worker/api/registry_client.h"

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/rpc/channel.h"
#include "tests/unit/common/scratch_dir.h"
#include "tests/unit/journal/testing.h"
#include "tests/unit/worker_api/batches.h"
#include "tests/unit/worker_api/fake_registry.h"

namespace center::worker {
namespace {

using ::testing::ElementsAre;
using ::testing::MatchesRegex;

v1::Hello MakeHello() {
  v1::Hello hello;
  hello.set_worker(kWorker);
  hello.set_pid(4711);
  hello.set_token("secret");
  hello.set_address("unix:/run/w.sock");
  hello.set_version("1.2.3");
  return hello;
}

v1::Heartbeat MakeHeartbeat(uint64_t payloads) {
  v1::Heartbeat heartbeat;
  heartbeat.set_state(v1::WORKER_STATE_READY);
  heartbeat.mutable_stats()->set_payloads(payloads);
  heartbeat.mutable_stats()->set_end_offset(payloads + 1);
  return heartbeat;
}

v1::Event MakeNumbered(uint64_t number) {
  v1::Event event;
  event.set_reason(absl::StrCat(number));
  return event;
}

class RegistryClientTest : public ::testing::Test {
 protected:
  using Committed = absl::optional<uint64_t>;

  RegistryClientTest()
      : address_(*ParseNetAddress(absl::StrCat("unix:", scratch_.path(), "/c.sock"))),
        registry_(address_) {
    RegistryClient::Handlers handlers;
    handlers.on_welcome = [this](const v1::Welcome& welcome) {
      absl::MutexLock lock(&mutex_);
      welcomes_.push_back(welcome.handover_address());
    };
    handlers.on_drain = [this](bool now) {
      absl::MutexLock lock(&mutex_);
      drains_.push_back(now);
    };
    handlers.on_committed = [this](Committed offset) {
      absl::MutexLock lock(&mutex_);
      committed_.push_back(offset);
    };
    handlers.on_unknown = [this](const absl::Status& status) {
      absl::MutexLock lock(&mutex_);
      unknown_.push_back(status);
    };
    channel_ = rpc::MakeChannel(address_);
    client_ = std::make_unique<RegistryClient>(channel_, std::move(handlers), clock_);
  }
  ~RegistryClientTest() override {
    client_.reset();
    registry_.Die();
  }

  std::vector<bool> WaitForDrains(size_t count) {
    return WaitFor(&RegistryClientTest::drains_, count);
  }
  std::vector<Committed> WaitForCommitted(size_t count) {
    return WaitFor(&RegistryClientTest::committed_, count);
  }
  std::vector<std::string> WaitForWelcomes(size_t count) {
    return WaitFor(&RegistryClientTest::welcomes_, count);
  }
  std::vector<absl::Status> WaitForUnknown(size_t count) {
    return WaitFor(&RegistryClientTest::unknown_, count);
  }
  template <typename T>
  std::vector<T> WaitFor(std::vector<T> RegistryClientTest::* member, size_t count) {
    absl::MutexLock lock(&mutex_);
    const std::vector<T>& told = this->*member;
    const auto enough = [&]()
                            ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return told.size() >= count; };
    EXPECT_TRUE(mutex_.AwaitWithTimeout(absl::Condition(&enough), kPatience));
    return told;
  }
  void StartAndRegister() {
    registry_.Up();
    client_->Start(MakeHello());
    client_->SendHeartbeat(MakeHeartbeat(0));
    registry_.WaitForHeartbeats(1);
  }
  void Advance(absl::Duration duration) {
    clock_.Set(clock_.WallNanos() + absl::ToInt64Nanoseconds(duration));
  }
  // As a worker does, until the registry has heard `count` hellos.
  bool HeartbeatUntilHellos(size_t count) {
    return journal::Eventually([&] {
      client_->SendHeartbeat(MakeHeartbeat(0));
      return registry_.hellos() >= count;
    });
  }

  // Until the event is there: a call that is under way may still be refused, or be the one.
  bool HeartbeatUntilEvents(size_t count) {
    return journal::Eventually([&] {
      client_->SendHeartbeat(MakeHeartbeat(0));
      return registry_.events() >= count;
    });
  }

  ScratchDir scratch_;
  journal::FakeClock clock_;
  const NetAddress address_;
  FakeRegistry registry_;
  absl::Mutex mutex_;
  std::vector<std::string> welcomes_ ABSL_GUARDED_BY(mutex_);
  std::vector<bool> drains_ ABSL_GUARDED_BY(mutex_);
  std::vector<Committed> committed_ ABSL_GUARDED_BY(mutex_);
  std::vector<absl::Status> unknown_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<RegistryClient> client_;
};

TEST_F(RegistryClientTest, TheWelcomeIsPassedOn) {
  StartAndRegister();
  EXPECT_THAT(WaitForWelcomes(1), ElementsAre("unix:/run/handover.sock"));
}

TEST_F(RegistryClientTest, ItKnowsSinceWhenItIsAlone) {
  EXPECT_EQ(client_->alone_since(), SteadyTime::max()) << "it has not begun";
  const SteadyTime start = clock_.Steady();
  client_->Start(MakeHello());
  EXPECT_EQ(client_->alone_since(), start);
  Advance(absl::Seconds(10));
  registry_.Up();
  WaitForWelcomes(1);
  EXPECT_EQ(client_->alone_since(), SteadyTime::max());
  const SteadyTime lost = clock_.Steady();
  registry_.Die();
  ASSERT_TRUE(journal::Eventually([&] { return client_->alone_since() != SteadyTime::max(); }));
  EXPECT_EQ(client_->alone_since(), lost);
  Advance(absl::Seconds(10));
  client_->SendHeartbeat(MakeHeartbeat(0));
  EXPECT_EQ(client_->alone_since(), lost) << "calling is not being there";
}

TEST_F(RegistryClientTest, TheFirstMessageSaysWhoItIs) {
  registry_.Up();
  client_->Start(MakeHello());
  const auto hellos = registry_.WaitForHellos(1);
  ASSERT_EQ(hellos.size(), 1u);
  EXPECT_EQ(hellos[0].SerializeAsString(), MakeHello().SerializeAsString());
  EXPECT_EQ(hellos[0].token(), "secret");
}

TEST_F(RegistryClientTest, HeartbeatsCarryTheCounters) {
  StartAndRegister();
  for (uint64_t i = 1; i < 20; ++i) {
    client_->SendHeartbeat(MakeHeartbeat(i));
    const auto heartbeats = registry_.WaitForHeartbeats(i + 1);
    ASSERT_EQ(heartbeats.size(), i + 1);
    EXPECT_EQ(heartbeats.back().SerializeAsString(), MakeHeartbeat(i).SerializeAsString());
  }
  EXPECT_EQ(registry_.last_call(), absl::StrCat("h", std::string(20, 'b'))) << "one line for all";
}

TEST_F(RegistryClientTest, HeartbeatsBeforeTheStartAreKeptAndOnlyTheNewest) {
  registry_.Up();
  for (uint64_t i = 0; i < 100; ++i) client_->SendHeartbeat(MakeHeartbeat(i));
  client_->Start(MakeHello());
  const auto heartbeats = registry_.WaitForHeartbeats(1);
  ASSERT_EQ(heartbeats.size(), 1u);
  EXPECT_EQ(heartbeats[0].stats().payloads(), 99u);
}

TEST_F(RegistryClientTest, EventsArriveInOrder) {
  StartAndRegister();
  for (uint64_t i = 0; i < 100; ++i) client_->SendEvent(MakeNumbered(i));
  const auto events = registry_.WaitForEvents(100);
  ASSERT_EQ(events.size(), 100u);
  for (uint64_t i = 0; i < 100; ++i) EXPECT_EQ(events[i].reason(), absl::StrCat(i));
}

TEST_F(RegistryClientTest, EventsWaitForALineAndAreBounded) {
  constexpr uint64_t kLost = 44;
  for (uint64_t i = 0; i < RegistryClient::kEventsMax + kLost; ++i) {
    client_->SendEvent(MakeNumbered(i));
  }
  client_->Start(MakeHello());
  registry_.Up();
  const auto events = registry_.WaitForEvents(RegistryClient::kEventsMax);
  ASSERT_EQ(events.size(), RegistryClient::kEventsMax);
  EXPECT_EQ(events.front().reason(), absl::StrCat(kLost)) << "the oldest are forgotten";
  EXPECT_EQ(events.front().details().at("events_lost"), absl::StrCat(kLost)) << "and it is said";
  EXPECT_EQ(events[1].details().count("events_lost"), 0u);
  EXPECT_EQ(events.back().reason(), absl::StrCat(RegistryClient::kEventsMax + kLost - 1));
}

TEST_F(RegistryClientTest, CommittedOffsetsArrive) {
  StartAndRegister();
  registry_.SendCommitted(true, 42);
  registry_.SendCommitted(true, 0);
  registry_.SendCommitted(false, 7);
  EXPECT_THAT(WaitForCommitted(3), ElementsAre(Committed(42), Committed(0), absl::nullopt));
}

TEST_F(RegistryClientTest, DrainArrives) {
  StartAndRegister();
  v1::RegisterResponse response;
  response.mutable_drain();
  registry_.Send(response);
  response.mutable_drain()->set_now(true);
  registry_.Send(response);
  EXPECT_THAT(WaitForDrains(2), ElementsAre(false, true));
}

TEST_F(RegistryClientTest, AMessageFromANewerCoordinatorIsPassedOver) {
  StartAndRegister();
  registry_.Send(v1::RegisterResponse());
  registry_.SendCommitted(true, 5);
  EXPECT_THAT(WaitForCommitted(1), ElementsAre(Committed(5)));
}

TEST_F(RegistryClientTest, ACoordinatorThatComesLateIsFound) {
  client_->Start(MakeHello());
  client_->SendHeartbeat(MakeHeartbeat(3));
  registry_.Up();
  EXPECT_EQ(registry_.WaitForHeartbeats(1).at(0).stats().payloads(), 3u);
}

TEST_F(RegistryClientTest, ALineThatWasUpForAWhileIsCalledAgainByItself) {
  StartAndRegister();
  for (size_t round = 1; round < 10; ++round) {
    // An event arrives only after the welcome, from which on the line counts as up.
    client_->SendEvent(MakeNumbered(round));
    registry_.WaitForEvents(round);
    Advance(absl::Seconds(2));
    registry_.BreakLines();
    ASSERT_EQ(registry_.WaitForHellos(round + 1).size(), round + 1) << "without a heartbeat";
  }
}

TEST_F(RegistryClientTest, ACoordinatorThatGoesAndComesIsFoundEachTime) {
  StartAndRegister();
  for (size_t round = 1; round <= 8; ++round) {
    registry_.Die();
    // A call that finds nobody is one that was made after the line had been lost.
    ASSERT_TRUE(journal::Eventually([&] {
      client_->SendHeartbeat(MakeHeartbeat(0));
      return channel_->GetState(/*try_to_connect=*/false) == GRPC_CHANNEL_TRANSIENT_FAILURE;
    }));
    client_->SendEvent(MakeNumbered(round));
    const size_t hellos = registry_.hellos();
    registry_.Up();
    ASSERT_TRUE(HeartbeatUntilHellos(hellos + 1)) << round;
    const auto events = registry_.WaitForEvents(round);
    ASSERT_EQ(events.size(), round);
    EXPECT_EQ(events.back().reason(), absl::StrCat(round));
    EXPECT_THAT(registry_.last_call(), MatchesRegex("h[be]*"));
  }
  EXPECT_TRUE(registry_.WaitForLines(1));
  registry_.SendCommitted(true, 9);
  EXPECT_THAT(WaitForCommitted(1), ElementsAre(Committed(9)));
}

TEST_F(RegistryClientTest, ALineThatBreaksAtOnceIsCalledOnceForEachHeartbeat) {
  registry_.Refuse(absl::UnavailableError("not now"));
  registry_.Up();
  client_->Start(MakeHello());
  registry_.WaitForHellos(1);
  // A client that called by itself would be far ahead of the heartbeats.
  for (size_t calls = 2; calls < 30; ++calls) {
    const size_t before = registry_.hellos();
    size_t heartbeats = 0;
    ASSERT_TRUE(journal::Eventually([&] {
      client_->SendHeartbeat(MakeHeartbeat(0));
      ++heartbeats;
      return registry_.hellos() > before;
    }));
    EXPECT_LE(registry_.hellos(), before + heartbeats);
    EXPECT_TRUE(registry_.WaitForLines(0));
  }
  registry_.Refuse(absl::OkStatus());
  client_->SendEvent(MakeNumbered(1));
  ASSERT_TRUE(HeartbeatUntilEvents(1)) << "it gave up";
  EXPECT_EQ(registry_.WaitForEvents(1).size(), 1u);
}

TEST_F(RegistryClientTest, EventsAreNotWastedOnACoordinatorThatRefuses) {
  registry_.Refuse(absl::UnavailableError("not now"));
  registry_.Up();
  client_->SendEvent(MakeNumbered(1));
  client_->Start(MakeHello());
  ASSERT_TRUE(HeartbeatUntilHellos(5));
  registry_.Refuse(absl::OkStatus());
  ASSERT_TRUE(HeartbeatUntilEvents(1));
  EXPECT_EQ(registry_.WaitForEvents(1).at(0).reason(), "1");
}

TEST_F(RegistryClientTest, AWorkerThatIsNotKnownIsToldOnceAndCallsNoMore) {
  registry_.Refuse(
      rpc::WithReason(absl::FailedPreconditionError("no such slot"), "WORKER_UNKNOWN"));
  registry_.Up();
  client_->Start(MakeHello());
  const auto unknown = WaitForUnknown(1);
  ASSERT_EQ(unknown.size(), 1u);
  EXPECT_EQ(unknown[0].message(), "no such slot");
  EXPECT_EQ(rpc::ReasonOf(unknown[0]), "WORKER_UNKNOWN");
  registry_.Refuse(absl::OkStatus());
  for (uint64_t i = 0; i < 100; ++i) client_->SendHeartbeat(MakeHeartbeat(i));
  // Another worker's call comes after what this one would have called.
  RegistryClient other(rpc::MakeChannel(address_), RegistryClient::Handlers(), clock_);
  v1::Hello hello = MakeHello();
  hello.set_worker("default/1");
  other.Start(hello);
  EXPECT_EQ(registry_.WaitForHellos(2).at(1).worker(), "default/1");
  client_->Stop();
  EXPECT_EQ(registry_.hellos(), 2u);
}

TEST_F(RegistryClientTest, StopReturnsWhateverTheLineDoes) {
  client_->Start(MakeHello());
  client_->Stop();  // while nobody answers
  client_->Stop();  // again
  client_->SendHeartbeat(MakeHeartbeat(1));
  client_->SendEvent(MakeNumbered(1));
  registry_.Up();
  EXPECT_EQ(registry_.hellos(), 0u);
}

TEST_F(RegistryClientTest, StopEndsALineThatIsUp) {
  StartAndRegister();
  ASSERT_TRUE(registry_.WaitForLines(1));
  client_->Stop();
  EXPECT_TRUE(registry_.WaitForLines(0));
  absl::MutexLock lock(&mutex_);
  EXPECT_TRUE(unknown_.empty());
}

// Whoever drops a channel's last reference ends gRPC's callback threads, and must be none of them.
TEST_F(RegistryClientTest, NothingHoldsTheChannelWhenStopReturns) {
  registry_.Up();
  for (size_t round = 1; round <= 200; ++round) {
    const auto channel = rpc::MakeChannel(address_);
    auto client = std::make_unique<RegistryClient>(channel, RegistryClient::Handlers(), clock_);
    client->Start(MakeHello());
    registry_.WaitForHellos(round);
    client.reset();
    ASSERT_EQ(channel.use_count(), 1) << round;
  }
}

TEST_F(RegistryClientTest, AClientThatNeverStartedStops) { client_->Stop(); }

TEST_F(RegistryClientTest, AnythingMayHappenAtTheSameTime) {
  StartAndRegister();
  std::atomic<bool> stop{false};
  std::vector<std::thread> senders;
  for (uint64_t sender = 0; sender < 3; ++sender) {
    senders.emplace_back([&, sender] {
      for (uint64_t i = 0; !stop; ++i) {
        if (sender == 0) client_->SendHeartbeat(MakeHeartbeat(i));
        if (sender != 0 && i % 16 == 0) client_->SendEvent(MakeNumbered(i));
        Advance(absl::Milliseconds(1));
        std::this_thread::yield();
      }
    });
  }
  for (size_t round = 0; round < 30; ++round) {
    const size_t hellos = registry_.hellos();
    registry_.BreakLines();
    ASSERT_EQ(registry_.WaitForHellos(hellos + 1).back().worker(), kWorker);
    registry_.WaitForEvents(registry_.events() + 1);
  }
  client_->Stop();  // beside the senders
  stop = true;
  for (std::thread& sender : senders) sender.join();
  EXPECT_TRUE(registry_.WaitForLines(0));
}

}  // namespace
}  // namespace center::worker
