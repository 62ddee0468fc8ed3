#include "services/worker/api/stream_scheduler.h"

#include <pthread.h>

#include <algorithm>
#include <utility>

namespace center::worker {
namespace {

// The pump looks for deadlines this often, so that a stream that waits with a far deadline, as
// nearly all do, need not wake it to say so.
constexpr std::chrono::milliseconds kSleepMax{1000};

}  // namespace

StreamScheduler::StreamScheduler(Clock& clock, TailSignal& signal,
                                 std::function<uint64_t()> visible_end)
    : clock_(clock), signal_(signal), visible_end_(std::move(visible_end)) {
  pump_ = std::thread([this] { PumpLoop(); });
  search_ = std::thread([this] { SearchLoop(); });
  ::pthread_setname_np(pump_.native_handle(), "stream-pump");
  ::pthread_setname_np(search_.native_handle(), "stream-search");
}

StreamScheduler::~StreamScheduler() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  signal_.Wake();
  pump_.join();
  search_.join();
}

bool StreamScheduler::Wait(Stream* stream, uint64_t next, SteadyTime deadline) {
  absl::MutexLock lock(&mutex_);
  if (stream->cancelled_ || ending()) return false;
  stream->next_ = next;
  stream->deadline_ = deadline;
  stream->index_ = waiting_.size();
  waiting_.push_back(stream);
  signal_.AddWaiter();
  // Whoever made more visible before that counted us not, so look; whoever does so after it, counts
  // us and wakes the pump, which cannot take the stream before we let the mutex go.
  if (visible_end_() > next) {
    RemoveWaiting(stream);
    return false;
  }
  if (deadline < pump_wakes_) signal_.Wake();
  return true;
}

void StreamScheduler::Yield(Stream* stream) {
  absl::MutexLock lock(&mutex_);
  searching_.push_back(stream);
}

bool StreamScheduler::Cancel(Stream* stream) {
  absl::MutexLock lock(&mutex_);
  stream->cancelled_ = true;
  if (stream->index_ == Stream::kNotWaiting) return false;
  RemoveWaiting(stream);
  return true;
}

bool StreamScheduler::IsCancelled(const Stream* stream) const {
  absl::MutexLock lock(&mutex_);
  return stream->cancelled_;
}

void StreamScheduler::RemoveWaiting(Stream* stream) {
  Stream* const last = waiting_.back();
  waiting_[stream->index_] = last;
  last->index_ = stream->index_;
  stream->index_ = Stream::kNotWaiting;
  waiting_.pop_back();
  signal_.RemoveWaiter();
}

void StreamScheduler::End() {
  {
    // Under the mutex: a Wait that has not seen it yet has its stream in waiting_ when the pump
    // looks.
    absl::MutexLock lock(&mutex_);
    ending_.store(true, std::memory_order_release);
  }
  signal_.Wake();
}

void StreamScheduler::PumpLoop() {
  int timeout_ms = 0;
  while (!stopping_) {
    signal_.Sleep(timeout_ms);
    for (Stream* stream : TakeDue(&timeout_ms)) stream->Resume();
  }
}

std::vector<StreamScheduler::Stream*> StreamScheduler::TakeDue(int* timeout_ms) {
  std::vector<Stream*> due;
  const SteadyTime now = clock_.Steady();
  const uint64_t visible_end = visible_end_();
  absl::MutexLock lock(&mutex_);
  pump_wakes_ = now + kSleepMax;
  for (size_t i = 0; i < waiting_.size();) {
    Stream* const stream = waiting_[i];
    if (ending() || stream->next_ < visible_end || stream->deadline_ <= now) {
      due.push_back(stream);
      RemoveWaiting(stream);  // another one takes its place
    } else {
      pump_wakes_ = std::min(pump_wakes_, stream->deadline_);
      ++i;
    }
  }
  *timeout_ms =
      static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(pump_wakes_ - now).count());
  return due;
}

void StreamScheduler::SearchLoop() {
  const auto has_work = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return stopping_ || !searching_.empty();
  };
  while (true) {
    Stream* stream = nullptr;
    {
      absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(&has_work));
      if (searching_.empty()) return;  // stopping
      stream = searching_.front();
      searching_.pop_front();
    }
    stream->Resume();
  }
}

}  // namespace center::worker
