#include "tests/unit/relay/fake_worker.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/rpc/status.h"

namespace center::relay {

// One stream. As in the relay, exactly one party may act for it at any time: gRPC (a write is under
// way), the worker's set of waiting calls, or the thread that took it from there.
class FakeWorker::Call final : public grpc::ServerWriteReactor<v1::StreamPayloadsResponse> {
 public:
  Call(FakeWorker& worker, const v1::StreamPayloadsRequest& request) : worker_(worker) {
    absl::Status refusal;
    {
      absl::MutexLock lock(&worker_.mutex_);
      worker_.requests_.push_back(request);
      ++worker_.live_calls_;
      follow_ = request.follow();
      next_ = worker_.StartOf(request);
      break_after_ = std::exchange(worker_.break_after_, absl::nullopt);
      refusal = worker_.refusal_;
    }
    if (refusal.ok()) {
      GoOn();
    } else {
      grpc::ServerWriteReactor<v1::StreamPayloadsResponse>::Finish(rpc::ToGrpc(refusal));
    }
  }

  void GoOn() {
    absl::optional<absl::Status> end;
    {
      absl::MutexLock lock(&worker_.mutex_);
      response_.Clear();
      if (cancelled_) {
        end = absl::CancelledError("cancelled");
      } else if (break_after_.has_value() && *break_after_ == messages_) {
        end = worker_.break_status_;
      } else if (!Fill()) {
        if (!follow_ || worker_.finishing_) {
          end = absl::OkStatus();
        } else {
          worker_.waiting_.insert(this);
          return;
        }
      } else {
        ++messages_;
        worker_.bytes_written_ += response_.ByteSizeLong();
      }
    }
    if (end.has_value()) {
      Finish(rpc::ToGrpc(*end));
    } else {
      StartWrite(&response_);
    }
  }

 private:
  // Makes the next message; false when there is nothing to say.
  bool Fill() ABSL_EXCLUSIVE_LOCKS_REQUIRED(worker_.mutex_) {
    const uint64_t end = worker_.journal_.size();
    if (next_ < worker_.first_offset_) {
      v1::Gap* gap = response_.mutable_gap();
      gap->set_worker(worker_.name_);
      gap->set_from_offset(next_);
      gap->set_to_offset(worker_.first_offset_);
      gap->set_reason(v1::Gap::REASON_RETENTION);
      next_ = worker_.first_offset_;
      return true;
    }
    if (next_ >= end) {
      if (told_end_ == end) return false;
      told_end_ = end;
      v1::Progress* progress = response_.mutable_progress();
      progress->set_worker(worker_.name_);
      progress->set_next_offset(next_);
      progress->set_end_offset(end);
      return true;
    }
    for (size_t i = 0; i < worker_.options_.batches_per_message && next_ < end; ++i) {
      v1::PayloadBatch* batch = response_.add_batches();
      batch->set_worker(worker_.name_);
      batch->set_first_offset(next_);
      const int64_t nanos = worker_.journal_[next_].time_ns;
      batch->mutable_receive_time()->set_seconds(nanos / 1'000'000'000);
      batch->mutable_receive_time()->set_nanos(static_cast<int32_t>(nanos % 1'000'000'000));
      batch->set_peer("127.0.0.1:4000");
      for (size_t k = 0; k < worker_.options_.payloads_per_batch && next_ < end; ++k, ++next_) {
        const std::string& payload = worker_.journal_[next_].payload;
        batch->add_sizes(static_cast<uint32_t>(payload.size()));
        batch->mutable_data()->append(payload);
      }
    }
    return true;
  }

  void OnWriteDone(bool ok) override {
    if (ok) {
      GoOn();
    } else {
      Finish(grpc::Status::CANCELLED);
    }
  }

  void OnCancel() override {
    bool waits = false;
    {
      absl::MutexLock lock(&worker_.mutex_);
      cancelled_ = true;
      waits = worker_.waiting_.erase(this) > 0;
    }
    if (waits) Finish(grpc::Status::CANCELLED);
  }

  void OnDone() override {
    {
      absl::MutexLock lock(&worker_.mutex_);
      --worker_.live_calls_;
    }
    delete this;
  }

  FakeWorker& worker_;
  bool follow_ = false;
  absl::optional<size_t> break_after_;
  uint64_t next_ = 0;
  size_t messages_ = 0;
  absl::optional<uint64_t> told_end_;
  bool cancelled_ ABSL_GUARDED_BY(worker_.mutex_) = false;
  v1::StreamPayloadsResponse response_;
};

FakeWorker::FakeWorker(std::string name, std::string folder, Options options)
    : name_(std::move(name)), folder_(std::move(folder)), options_(options) {}

FakeWorker::~FakeWorker() { Die(); }

std::string FakeWorker::address() const {
  std::string file = name_;
  std::replace(file.begin(), file.end(), '/', '.');
  return absl::StrCat("unix:", folder_, "/", file, ".sock");
}

void FakeWorker::Up() {
  auto address = ParseNetAddress(this->address());
  auto bound = rpc::StartServer({.addresses = {*address}, .services = {this}});
  if (!bound.ok()) std::abort();
  server_ = std::move(bound->server);
}

void FakeWorker::Die() {
  if (server_ == nullptr) return;
  server_->Shutdown(std::chrono::system_clock::now());
  server_->Wait();
  server_.reset();
}

void FakeWorker::Append(size_t count, size_t bytes) {
  std::set<Call*> calls;
  {
    absl::MutexLock lock(&mutex_);
    for (size_t i = 0; i < count; ++i) {
      std::string payload = absl::StrCat(name_, "#", journal_.size());
      if (payload.size() < bytes) payload.resize(bytes, '.');
      journal_.push_back({std::move(payload), absl::ToUnixNanos(absl::Now())});
    }
    calls = TakeWaiting();
  }
  for (Call* call : calls) call->GoOn();
}

void FakeWorker::AppendPayload(std::string payload) {
  std::set<Call*> calls;
  {
    absl::MutexLock lock(&mutex_);
    journal_.push_back({std::move(payload), absl::ToUnixNanos(absl::Now())});
    calls = TakeWaiting();
  }
  for (Call* call : calls) call->GoOn();
}

void FakeWorker::Forget(uint64_t before) {
  absl::MutexLock lock(&mutex_);
  first_offset_ = before;
}

void FakeWorker::Refuse(absl::Status status) {
  absl::MutexLock lock(&mutex_);
  refusal_ = std::move(status);
}

void FakeWorker::BreakNextAfter(size_t messages, absl::Status status) {
  absl::MutexLock lock(&mutex_);
  break_after_ = messages;
  break_status_ = std::move(status);
}

void FakeWorker::Finish() {
  std::set<Call*> calls;
  {
    absl::MutexLock lock(&mutex_);
    finishing_ = true;
    calls = TakeWaiting();
  }
  for (Call* call : calls) call->GoOn();
}

size_t FakeWorker::live_calls() const {
  absl::MutexLock lock(&mutex_);
  return live_calls_;
}

uint64_t FakeWorker::bytes_written() const {
  absl::MutexLock lock(&mutex_);
  return bytes_written_;
}

std::vector<v1::StreamPayloadsRequest> FakeWorker::requests() const {
  absl::MutexLock lock(&mutex_);
  return requests_;
}

bool FakeWorker::WaitForCalls(size_t count) const {
  absl::MutexLock lock(&mutex_);
  const auto reached = [this, count]()
                           ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return live_calls_ == count; };
  return mutex_.AwaitWithTimeout(absl::Condition(&reached), kPatience);
}

bool FakeWorker::WaitForBytesWritten(uint64_t bytes) const {
  absl::MutexLock lock(&mutex_);
  const auto reached = [this, bytes]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return bytes_written_ >= bytes;
  };
  return mutex_.AwaitWithTimeout(absl::Condition(&reached), kPatience);
}

std::set<FakeWorker::Call*> FakeWorker::TakeWaiting() { return std::exchange(waiting_, {}); }

grpc::ServerWriteReactor<v1::StreamPayloadsResponse>* FakeWorker::StreamPayloads(
    grpc::CallbackServerContext* context, const v1::StreamPayloadsRequest* request) {
  return new Call(*this, *request);
}

uint64_t FakeWorker::StartOf(const v1::StreamPayloadsRequest& request) const {
  const v1::StartPosition& start = request.start();
  if (start.has_cursor()) {
    const auto& offsets = start.cursor().next_offsets();
    const auto found = offsets.find(name_);
    return found == offsets.end() ? 0 : found->second;
  }
  if (start.has_time()) {
    const int64_t from = start.time().seconds() * 1'000'000'000 + start.time().nanos();
    const auto at = std::find_if(journal_.begin(), journal_.end(),
                                 [from](const Stored& stored) { return stored.time_ns >= from; });
    return static_cast<uint64_t>(at - journal_.begin());
  }
  return start.place() == v1::StartPosition::PLACE_EARLIEST ? 0 : journal_.size();
}

}  // namespace center::relay
