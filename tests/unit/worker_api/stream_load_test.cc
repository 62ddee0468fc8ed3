// Many streams, and streams that nobody reads.
#include <memory>
#include <string>
#include <vector>

#include "services/worker/api/process_stats.h"
#include "tests/unit/worker_api/stream_fixture.h"

namespace center::worker {
namespace {

class StreamLoadTest : public StreamFixture {
 protected:
  static std::vector<std::unique_ptr<Subscriber>> Subscribe(
      v1::WorkerService::Stub& stub, size_t count, const v1::StreamPayloadsRequest& request) {
    std::vector<std::unique_ptr<Subscriber>> subscribers;
    for (size_t i = 0; i < count; ++i) {
      subscribers.push_back(std::make_unique<Subscriber>(stub, request));
    }
    return subscribers;
  }
  // A client whose windows do not grow with the bandwidth: what it does not read, the worker holds.
  std::unique_ptr<v1::WorkerService::Stub> SmallWindows() const {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
    arguments.SetInt(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, rpc::kMaxMessageBytes);
    return v1::WorkerService::NewStub(grpc::CreateCustomChannel(
        address_.ToString(), grpc::InsecureChannelCredentials(), arguments));
  }
};

TEST_F(StreamLoadTest, StalledReadersHoldLittleAndSlowNobody) {
  constexpr size_t kStalled = 24;
  constexpr uint64_t kPayloads = 6400;  // of 10 KB: each stalled reader lacks 64 MB
  journal_.Fill(kPayloads / 100, /*per_batch=*/100, /*bytes=*/10'000);

  const uint64_t before = ReadProcessStats().resident_bytes;
  const auto small = SmallWindows();
  auto stalled = Subscribe(*small, kStalled, Earliest(/*follow=*/true));
  ASSERT_TRUE(WaitForStreams(kStalled));
  // A reader reads everything while they stall, which also gives them all the time to misbehave.
  size_t received = 0;
  {
    Subscriber reader(*stub_, Earliest());
    while (const auto response = reader.Read()) received = reader.payloads().size();
    EXPECT_TRUE(reader.End().ok());
    EXPECT_EQ(FaultIn(reader.payloads(), 0, kPayloads), "");
  }
  EXPECT_EQ(received, kPayloads);
  const uint64_t after = ReadProcessStats().resident_bytes;
  // The reader's own copies are 64 MB; without a bound the stalled ones would add 1.5 GB.
  EXPECT_LT(after, before + (uint64_t{256} << 20));

  Subscriber tail(*stub_, Latest());
  tail.ReadProgress();
  journal_.Append({"news"});
  EXPECT_TRUE(tail.ReadUntil(kPayloads + 1)) << "the tail is not held up either";

  EXPECT_EQ(service_->streams(), kStalled + 1) << "a slow reader is not thrown out";
  Subscriber& woken = *stalled.front();
  ASSERT_TRUE(woken.ReadUntil(kPayloads));
  EXPECT_EQ(FaultIn({woken.payloads().begin(), woken.payloads().begin() + kPayloads}, 0, kPayloads),
            "")
      << "one that goes on has missed nothing";
  stalled.clear();
  EXPECT_TRUE(WaitForStreams(1));
}

TEST_F(StreamLoadTest, TwoHundredStreamsEachGetEverything) {
  constexpr size_t kStreams = 200;
  journal_.Fill(/*batches=*/10, /*per_batch=*/10, /*bytes=*/100);
  auto from_start = Subscribe(*stub_, kStreams / 2, Earliest(/*follow=*/true));
  auto from_end = Subscribe(*stub_, kStreams / 2, Latest());
  ASSERT_TRUE(WaitForStreams(kStreams));
  for (auto& subscriber : from_end) subscriber->ReadProgress();
  for (int round = 0; round < 5; ++round) {
    journal_.Fill(/*batches=*/4, /*per_batch=*/10, /*bytes=*/100);
    const uint64_t end = journal_->visible_end();
    for (auto& subscriber : from_start) ASSERT_TRUE(subscriber->ReadUntil(end));
    for (auto& subscriber : from_end) ASSERT_TRUE(subscriber->ReadUntil(end));
  }
  for (auto& subscriber : from_start) EXPECT_EQ(FaultIn(subscriber->payloads(), 0, 300), "");
  for (auto& subscriber : from_end) EXPECT_EQ(FaultIn(subscriber->payloads(), 100, 300), "");
  from_start.clear();
  from_end.clear();
  EXPECT_TRUE(WaitForStreams(0));
}

TEST_F(StreamLoadTest, TwoHundredStreamsEndWithTheServer) {
  auto subscribers = Subscribe(*stub_, 200, Latest());
  for (auto& subscriber : subscribers) subscriber->ReadProgress();
  ShutDown(kCallLimit);
  for (auto& subscriber : subscribers) {
    EXPECT_EQ(subscriber->End().code(), absl::StatusCode::kUnavailable);
  }
}

}  // namespace
}  // namespace center::worker
