// Streams that stay: they deliver what comes, say how far they are, and go when they are told.
#include <algorithm>
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "tests/unit/worker_api/stream_fixture.h"

namespace center::worker {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

class StreamFollowTest : public StreamFixture {
 protected:
  // Appends on a thread of its own, at most as much as it is allowed to.
  class BusyWriter {
   public:
    explicit BusyWriter(TestJournal& journal)
        : thread_([this, &journal] {
            while (!stop_) {
              if (journal->visible_end() < limit_) {
                journal.Fill(1, 5, 50);
              } else {
                std::this_thread::yield();
              }
            }
          }) {}
    ~BusyWriter() {
      stop_ = true;
      thread_.join();
    }
    void AllowUntil(uint64_t offset) { limit_ = offset; }

   private:
    std::atomic<bool> stop_{false};
    std::atomic<uint64_t> limit_{0};
    std::thread thread_;
  };
};

TEST_F(StreamFollowTest, WhatIsAppendedLaterIsDelivered) {
  journal_.Append({"old"});
  Subscriber latest(*stub_, Latest());
  Subscriber earliest(*stub_, Earliest(/*follow=*/true));
  EXPECT_EQ(latest.ReadProgress().next_offset(), 1u) << "caught up, says where";
  ASSERT_TRUE(earliest.ReadUntil(1));
  journal_.Append({"a", "b"});
  ASSERT_TRUE(latest.ReadUntil(3));
  journal_.Append({"c"});
  ASSERT_TRUE(latest.ReadUntil(4));
  ASSERT_TRUE(earliest.ReadUntil(4));
  EXPECT_THAT(latest.payloads(), ElementsAre(Pair(1, "a"), Pair(2, "b"), Pair(3, "c")));
  EXPECT_THAT(earliest.payloads(),
              ElementsAre(Pair(0, "old"), Pair(1, "a"), Pair(2, "b"), Pair(3, "c")));
}

TEST_F(StreamFollowTest, EachAppendIsDeliveredWithoutFurtherOnes) {
  Subscriber subscriber(*stub_, Latest());
  subscriber.ReadProgress();
  for (uint64_t i = 0; i < 2000; ++i) {
    journal_.Append({TestJournal::FillPayload(i, 10)});
    ASSERT_TRUE(subscriber.ReadUntil(i + 1)) << i;
  }
  EXPECT_EQ(FaultIn(subscriber.payloads(), 0, 2000), "");
}

TEST_F(StreamFollowTest, NothingIsLostBesideABusyWriter) {
  constexpr uint64_t kBatches = 3000;
  Subscriber subscriber(*stub_, Earliest(/*follow=*/true));
  std::thread writer([&] { journal_.Fill(kBatches, /*per_batch=*/7, /*bytes=*/60); });
  EXPECT_TRUE(subscriber.ReadUntil(kBatches * 7));
  writer.join();
  EXPECT_EQ(FaultIn(subscriber.payloads(), 0, kBatches * 7), "");
}

TEST_F(StreamFollowTest, WithoutFollowAStreamEndsBesideABusyWriter) {
  BusyWriter writer(journal_);
  for (int i = 0; i < 50; ++i) {
    const uint64_t stored = journal_->visible_end();
    writer.AllowUntil(stored + 10'000);
    const uint64_t from = stored - std::min<uint64_t>(stored, 1000);
    const auto payloads = PayloadsFrom(FromOffset(from));
    EXPECT_GE(payloads.size(), stored - from);
    EXPECT_EQ(FaultIn(payloads, from, from + payloads.size()), "");
  }
}

TEST_F(StreamFollowTest, ProgressIsToldEveryTenSeconds) {
  Subscriber subscriber(*stub_, Latest());
  EXPECT_EQ(subscriber.ReadProgress().end_offset(), 0u);
  for (int i = 0; i < 3; ++i) {
    journal_.Advance(absl::Seconds(10));
    const v1::Progress progress = subscriber.ReadProgress();
    EXPECT_EQ(progress.worker(), kWorker);
    EXPECT_EQ(progress.next_offset(), progress.end_offset());
  }
  EXPECT_EQ(subscriber.messages(), 4u) << "and no more often";
}

TEST_F(StreamFollowTest, WhatAFilterLeavesOutIsToldAsProgress) {
  v1::StreamPayloadsRequest request = Latest();
  request.mutable_filter()->set_contains("wanted");
  Subscriber subscriber(*stub_, request);
  EXPECT_EQ(subscriber.ReadProgress().next_offset(), 0u);
  journal_.Append({"dull", "dull"});
  journal_.Advance(absl::Seconds(1));
  const v1::Progress progress = subscriber.ReadProgress();
  EXPECT_EQ(progress.next_offset(), 2u);
  EXPECT_EQ(progress.end_offset(), 2u);
  journal_.Append({"dull", "wanted"});
  ASSERT_TRUE(subscriber.ReadUntil(4));
  EXPECT_THAT(subscriber.payloads(), ElementsAre(Pair(3, "wanted")));
}

TEST_F(StreamFollowTest, ALongSearchFindsItsNeedleAndHoldsUpNobody) {
  // More than a few slices of the search, before and behind the needle.
  journal_.Fill(/*batches=*/200, /*per_batch=*/100, /*bytes=*/500);
  journal_.Append({"needle"});
  journal_.Fill(/*batches=*/200, /*per_batch=*/100, /*bytes=*/500);
  v1::StreamPayloadsRequest request = Earliest(/*follow=*/true);
  request.mutable_filter()->set_regex("ne+dle");
  std::vector<std::unique_ptr<Subscriber>> searching;
  for (int i = 0; i < 8; ++i) searching.push_back(std::make_unique<Subscriber>(*stub_, request));
  Subscriber tail(*stub_, Latest());
  tail.ReadProgress();
  journal_.Append({"news"});
  ASSERT_TRUE(tail.ReadUntil(40'002));
  EXPECT_THAT(tail.payloads(), ElementsAre(Pair(40'001, "news")));
  for (auto& subscriber : searching) {
    ASSERT_TRUE(subscriber->ReadUntil(20'001));
    EXPECT_THAT(subscriber->payloads(), ElementsAre(Pair(20'000, "needle")));
  }
}

TEST_F(StreamFollowTest, ACancelledStreamIsReleasedWhateverItDoes) {
  Subscriber waiting(*stub_, Latest());
  waiting.ReadProgress();
  ASSERT_TRUE(WaitForStreams(1));
  waiting.Cancel();
  EXPECT_EQ(waiting.End().code(), absl::StatusCode::kCancelled);
  EXPECT_TRUE(WaitForStreams(0)) << "one that waits";

  journal_.Fill(/*batches=*/300, /*per_batch=*/100, /*bytes=*/1000);
  Subscriber writing(*stub_, Earliest(/*follow=*/true));
  ASSERT_TRUE(writing.Read().has_value());
  writing.Cancel();
  EXPECT_EQ(writing.End().code(), absl::StatusCode::kCancelled);
  EXPECT_TRUE(WaitForStreams(0)) << "one that writes";

  v1::StreamPayloadsRequest request = Earliest(/*follow=*/true);
  request.mutable_filter()->set_regex("[a-w]{5}");
  Subscriber searching(*stub_, request);
  ASSERT_TRUE(WaitForStreams(1));
  searching.Cancel();
  EXPECT_EQ(searching.End().code(), absl::StatusCode::kCancelled);
  EXPECT_TRUE(WaitForStreams(0)) << "one that searches";
}

TEST_F(StreamFollowTest, CancelsRaceWithAppendsWithoutHarm) {
  BusyWriter writer(journal_);
  for (uint64_t i = 0; i < 300; ++i) {
    writer.AllowUntil(journal_->visible_end() + 500);
    Subscriber subscriber(*stub_, i % 2 == 0 ? Latest() : FromOffset(0, /*follow=*/true));
    if (i % 4 < 2) subscriber.Read();  // there is always a first message
    subscriber.Cancel();
  }
  EXPECT_TRUE(WaitForStreams(0));
}

TEST_F(StreamFollowTest, EndingStreamsSendEverythingFirst) {
  journal_.Fill(/*batches=*/100, /*per_batch=*/100, /*bytes=*/1000);
  Subscriber caught_up(*stub_, Latest());
  caught_up.ReadProgress();
  Subscriber behind(*stub_, Earliest(/*follow=*/true));
  ASSERT_TRUE(WaitForStreams(2));
  service_->EndStreams();
  EXPECT_FALSE(service_->AwaitNoStreams(absl::Milliseconds(1))) << "one has not read yet";

  const absl::Status status = caught_up.End();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
  EXPECT_EQ(rpc::ReasonOf(status), "WORKER_UNAVAILABLE");
  EXPECT_THAT(std::string(status.message()), HasSubstr("call again with your cursor"));
  EXPECT_EQ(behind.ReadToEnd().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(FaultIn(behind.payloads(), 0, 10'000), "") << "nothing is cut off";
  EXPECT_TRUE(service_->AwaitNoStreams(absl::Seconds(20)));

  const absl::Status refused = StatusOf(Earliest());
  EXPECT_EQ(refused.code(), absl::StatusCode::kUnavailable) << "new ones are refused";
  EXPECT_EQ(rpc::ReasonOf(refused), "WORKER_UNAVAILABLE");
}

TEST_F(StreamFollowTest, ServerShutdownEndsEvenThoseWhoDoNotRead) {
  journal_.Fill(/*batches=*/100, /*per_batch=*/10, /*bytes=*/100'000);
  std::vector<std::unique_ptr<Subscriber>> stalled;
  for (int i = 0; i < 10; ++i) {
    stalled.push_back(std::make_unique<Subscriber>(*stub_, Earliest(/*follow=*/true)));
  }
  ASSERT_TRUE(WaitForStreams(10));
  ShutDown(std::chrono::milliseconds(200));
  for (auto& subscriber : stalled) EXPECT_FALSE(subscriber->End().ok());
}

class FewSubscribersTest : public StreamFixture {
 protected:
  FewSubscribersTest() : StreamFixture({}, /*max_subscribers=*/2) {}
};

TEST_F(FewSubscribersTest, OneTooManyIsRefusedUntilOneGoes) {
  auto first = std::make_unique<Subscriber>(*stub_, Latest());
  Subscriber second(*stub_, Latest());
  first->ReadProgress();
  second.ReadProgress();
  const absl::Status status = StatusOf(Latest());
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(rpc::ReasonOf(status), "SUBSCRIBER_LIMIT");
  EXPECT_THAT(std::string(status.message()), HasSubstr("--max-subscribers"));
  EXPECT_EQ(service_->streams(), 2u);
  first.reset();
  ASSERT_TRUE(WaitForStreams(1));
  EXPECT_TRUE(StatusOf(Earliest()).ok());
  journal_.Append({"x"});
  EXPECT_TRUE(second.ReadUntil(1)) << "those who were there have not noticed";
}

}  // namespace
}  // namespace center::worker
