// Slow, stalled, cancelled and many subscribers.
#include "tests/unit/relay/relay_fixture.h"

namespace center::relay {
namespace {

class LoadTest : public RelayTest {};

TEST_F(LoadTest, StalledSubscriberHoldsLittleAndSlowsNobody) {
  constexpr uint64_t kMessages = 128;
  constexpr uint64_t kMessageBytes = 1 << 20;
  FakeWorker& worker = AddWorker({.payloads_per_batch = 1, .batches_per_message = 1});
  worker.Append(kMessages, kMessageBytes);
  Publish();
  Subscriber stalled(*stub_, Earliest());
  ASSERT_TRUE(stalled.ReadOne());  // its stream stands, and it reads no more
  Subscriber quick(*stub_, Earliest());
  ASSERT_TRUE(quick.ReadAll().ok());
  EXPECT_EQ(quick.payloads(), kMessages);
  // What gRPC's windows of both hops and the relay took for the stalled one, beside all of the
  // quick one's.
  const uint64_t held = worker.bytes_written() - kMessages * kMessageBytes;
  EXPECT_LT(held, 32u << 20);
  ASSERT_TRUE(stalled.ReadAll().ok());
  EXPECT_EQ(stalled.payloads(), kMessages);
  EXPECT_EQ(stalled.fault(), "");
}

TEST_F(LoadTest, CancelledSubscribersReleaseEverything) {
  FakeWorker& worker = AddWorker({.payloads_per_batch = 1, .batches_per_message = 1});
  worker.Append(64, 1 << 20);
  Publish();
  {
    Subscriber caught_up(*stub_, Latest());
    Subscriber stalled(*stub_, Earliest(true));
    ASSERT_TRUE(caught_up.ReadOne());
    ASSERT_TRUE(stalled.ReadOne());
    EXPECT_EQ(relay_->stream_count(), 2u);
  }
  EXPECT_TRUE(worker.WaitForCalls(0));
  EXPECT_TRUE(WaitForStreams(0));
}

TEST_F(LoadTest, CancellingWhileTheWorkerIsDownReleasesTheStream) {
  FakeWorker& worker = AddWorker();
  Publish(true, {&worker});
  {
    Subscriber subscriber(*stub_, Latest());
    ASSERT_TRUE(WaitForStreams(1));
  }
  EXPECT_TRUE(WaitForStreams(0));
  Publish();  // nobody is left to call it
  EXPECT_EQ(worker.requests().size(), 0u);
}

TEST_F(LoadTest, WorkersAreConnectedToAsTheRelayIsTold) {
  std::atomic<int> connects{0};
  StartRelay({.connect = [&connects](const NetAddress& address) {
    ++connects;
    return rpc::MakeChannel(address);
  }});
  AddWorker().Append(4);
  Publish();
  ASSERT_TRUE(Subscriber(*stub_, Earliest()).ReadAll().ok());
  EXPECT_EQ(connects.load(), 1);
}

TEST_F(LoadTest, TwoHundredSubscribers) {
  constexpr size_t kSubscribers = 200;
  AddWorker().Append(40);
  AddWorker().Append(40);
  Publish();
  std::vector<std::unique_ptr<Subscriber>> subscribers;
  for (size_t i = 0; i < kSubscribers; ++i) {
    subscribers.push_back(std::make_unique<Subscriber>(*stub_, Earliest(true)));
    subscribers.back()->ReadInBackground();
  }
  for (auto& subscriber : subscribers) {
    ASSERT_TRUE(subscriber->WaitForOffset("default/0", 40));
    ASSERT_TRUE(subscriber->WaitForOffset("default/1", 40));
  }
  EXPECT_EQ(relay_->stream_count(), kSubscribers);
  workers_[0]->Append(40);
  Restart(*workers_[1]);
  workers_[1]->Append(40);
  for (auto& subscriber : subscribers) {
    ASSERT_TRUE(subscriber->WaitForOffset("default/0", 80));
    ASSERT_TRUE(subscriber->WaitForOffset("default/1", 80));
    EXPECT_EQ(subscriber->fault(), "");
    EXPECT_EQ(subscriber->payloads(), 160u);
  }
  for (auto& subscriber : subscribers) subscriber->Cancel();
  subscribers.clear();
  EXPECT_TRUE(WaitForStreams(0));
  EXPECT_TRUE(workers_[0]->WaitForCalls(0));
  EXPECT_TRUE(workers_[1]->WaitForCalls(0));
}

// Everything at once, for the sanitizers: streams come and go while the worker dies and returns.
TEST_F(LoadTest, StreamsComeAndGoWhileWorkersDie) {
  FakeWorker& worker = AddWorker();
  AddWorker().Append(200);
  worker.Append(200);
  Publish();
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([this, i] {
      for (int round = 0; round < 15; ++round) {
        Subscriber subscriber(*stub_, Earliest(true));
        for (int k = 0; k < i * 5 + round; ++k) subscriber.ReadOne();
        EXPECT_EQ(subscriber.fault(), "");
      }
    });
  }
  for (int round = 0; round < 10; ++round) {
    worker.Append(100);
    Restart(worker);
  }
  // Whoever waits for a message gets one.
  std::atomic<bool> done = false;
  std::thread feeder([&] {
    while (!done) {
      worker.Append(10);
      std::this_thread::yield();
    }
  });
  for (std::thread& thread : threads) thread.join();
  done = true;
  feeder.join();
  EXPECT_TRUE(WaitForStreams(0));
}

}  // namespace
}  // namespace center::relay
