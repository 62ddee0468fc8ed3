// What a stream tells of workers that cannot be reached though they are up.
#include "services/coordinator/relay/merged_stream.h"
#include "tests/unit/relay/relay_fixture.h"

namespace center::relay {
namespace {

using ::testing::ElementsAre;

// A subscriber that takes everything, on a thread of its own, and notes what it is told.
class Reach : public RelayTest {
 protected:
  void Follow() {
    stream_ = std::make_shared<MergedStream>(directory_, channels_, [this] { SetTurn(true); });
    stream_->SetOnReach([this](const WorkerEndpoint& endpoint, const absl::Status& status) {
      absl::MutexLock lock(&told_mutex_);
      told_.push_back(absl::StrCat(endpoint.worker, status.ok() ? " again" : " away"));
    });
    auto plan = MakePlan(Earliest(true), absl::Now());
    ASSERT_TRUE(plan.ok()) << plan.status();
    stream_->Start(*std::move(plan));
    reader_ = std::thread([this] { Read(); });
  }
  void TearDown() override {
    if (stream_ != nullptr) stream_->End(absl::CancelledError("enough"));
    if (reader_.joinable()) reader_.join();
    stream_.reset();
    RelayTest::TearDown();
  }
  bool WaitTold(size_t count) {
    absl::MutexLock lock(&told_mutex_);
    const auto enough = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(told_mutex_) {
      return told_.size() >= count;
    };
    return told_mutex_.AwaitWithTimeout(absl::Condition(&enough), kPatience);
  }
  bool WaitMessages(size_t count) {
    absl::MutexLock lock(&told_mutex_);
    const auto enough = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(told_mutex_) {
      return messages_ >= count;
    };
    return told_mutex_.AwaitWithTimeout(absl::Condition(&enough), kPatience);
  }
  std::vector<std::string> told() {
    absl::MutexLock lock(&told_mutex_);
    return told_;
  }

 private:
  void SetTurn(bool ours) {
    absl::MutexLock lock(&turn_mutex_);
    turn_ = ours;
  }
  void Read() {
    for (;;) {
      {
        absl::MutexLock lock(&turn_mutex_);
        turn_mutex_.Await(absl::Condition(&turn_));
        turn_ = false;
      }
      const MergedStream::Next next = stream_->Poll();
      if (next.what == MergedStream::Next::kEnd) return;
      if (next.what == MergedStream::Next::kWait) continue;
      SetTurn(true);
      absl::MutexLock lock(&told_mutex_);
      ++messages_;
    }
  }

  ChannelCache channels_;
  std::shared_ptr<MergedStream> stream_;
  std::thread reader_;
  absl::Mutex turn_mutex_;
  bool turn_ ABSL_GUARDED_BY(turn_mutex_) = true;
  absl::Mutex told_mutex_;
  std::vector<std::string> told_ ABSL_GUARDED_BY(told_mutex_);
  size_t messages_ ABSL_GUARDED_BY(told_mutex_) = 0;
};

TEST_F(Reach, AWorkerThatIsUpAndDoesNotAnswerIsToldOfOnceAndThatItIsBackToo) {
  FakeWorker& worker = AddWorker();
  FakeWorker& other = AddWorker();
  worker.Append(1);
  other.Append(1);
  Publish();
  Follow();
  ASSERT_TRUE(WaitMessages(2));
  worker.Die();  // and nobody tells the directory
  ASSERT_TRUE(WaitTold(1));
  EXPECT_THAT(told(), ElementsAre("default/0 away"));
  other.Append(1);
  ASSERT_TRUE(WaitMessages(3));
  worker.Append(1);
  worker.Up();
  ASSERT_TRUE(WaitTold(2));
  EXPECT_THAT(told(), ElementsAre("default/0 away", "default/0 again"));
}

TEST_F(Reach, AWorkerThatRestartsIsNoTrouble) {
  FakeWorker& worker = AddWorker();
  worker.Append(1);
  Publish();
  Follow();
  ASSERT_TRUE(WaitMessages(1));
  Restart(worker);
  worker.Append(1);
  ASSERT_TRUE(WaitMessages(2));
  EXPECT_THAT(told(), ElementsAre());
}

}  // namespace
}  // namespace center::relay
