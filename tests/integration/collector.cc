#include "tests/integration/collector.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "tests/integration/process.h"

namespace center::itest {

uint64_t CountOf(const Ledger& ledger) {
  uint64_t count = 0;
  for (const auto& [worker, payloads] : ledger) count += payloads.size();
  return count;
}

std::vector<std::string> SortedPayloads(const Ledger& ledger) {
  std::vector<std::string> all;
  for (const auto& [worker, payloads] : ledger) {
    for (const Received& received : payloads) all.push_back(received.payload);
  }
  std::sort(all.begin(), all.end());
  return all;
}

std::vector<std::string> CheckDense(const Ledger& ledger) {
  std::vector<std::string> found;
  for (const auto& [worker, payloads] : ledger) {
    for (size_t i = 1; i < payloads.size(); ++i) {
      if (payloads[i].offset != payloads[i - 1].offset + 1) {
        found.push_back(absl::StrCat(worker, ": offset ", payloads[i].offset, " follows ",
                                     payloads[i - 1].offset));
      }
    }
  }
  return found;
}

std::vector<std::string> CheckConserved(const Ledger& seen, const Ledger& stored) {
  std::vector<std::string> found = CheckDense(seen);
  for (std::string& problem : CheckDense(stored)) found.push_back(std::move(problem));
  if (!found.empty()) return found;
  for (const auto& [worker, payloads] : seen) {
    const auto there = stored.find(worker);
    for (const Received& received : payloads) {
      const bool in_range = there != stored.end() && !there->second.empty() &&
                            received.offset >= there->second.front().offset &&
                            received.offset <= there->second.back().offset;
      if (!in_range) {
        found.push_back(
            absl::StrCat(worker, " @", received.offset, " is lost: ", received.payload));
        continue;
      }
      const Received& kept = there->second[received.offset - there->second.front().offset];
      if (!(kept == received)) {
        found.push_back(absl::StrCat(worker, " @", received.offset, " was ", received.payload,
                                     ", is ", kept.payload));
      }
    }
  }
  return found;
}

std::vector<std::string> CheckSequences(const Ledger& ledger, bool consecutive) {
  std::vector<std::string> found;
  for (const auto& [worker, payloads] : ledger) {
    std::map<std::string, uint64_t> last;
    for (const Received& received : payloads) {
      const std::vector<std::string> parts =
          absl::StrSplit(received.payload, absl::MaxSplits(' ', 2));
      uint64_t sequence = 0;
      if (parts.size() < 2 || !absl::SimpleAtoi(parts[1], &sequence)) {
        found.push_back(absl::StrCat(worker, ": not a numbered payload: ", received.payload));
        continue;
      }
      const auto before = last.find(parts[0]);
      if (before != last.end() &&
          (sequence <= before->second || (consecutive && sequence != before->second + 1))) {
        found.push_back(
            absl::StrCat(worker, ": ", parts[0], " ", sequence, " follows ", before->second));
      }
      last[parts[0]] = sequence;
    }
  }
  return found;
}

v1::StreamPayloadsRequest EarliestRequest(const std::string& server, bool follow) {
  v1::StreamPayloadsRequest request;
  request.set_server(server);
  request.mutable_start()->set_place(v1::StartPosition::PLACE_EARLIEST);
  request.set_follow(follow);
  return request;
}

Collector::Collector(std::shared_ptr<grpc::Channel> channel,
                     const v1::StreamPayloadsRequest& request)
    : channel_(std::move(channel)), request_(request), thread_([this] { Run(); }) {}

Collector::~Collector() {
  context_.TryCancel();
  thread_.join();
}

void Collector::Run() {
  auto stream = v1::PayloadService::NewStub(channel_)->StreamPayloads(&context_, request_);
  v1::StreamPayloadsResponse response;
  while (stream->Read(&response)) Take(response);
  const grpc::Status status = stream->Finish();
  const absl::MutexLock lock(&mutex_);
  status_ = status;
  ended_ = true;
}

void Collector::Take(const v1::StreamPayloadsResponse& response) {
  const absl::MutexLock lock(&mutex_);
  for (const v1::PayloadBatch& batch : response.batches()) {
    std::vector<Received>& payloads = ledger_[batch.worker()];
    uint64_t offset = batch.first_offset();
    size_t at = 0;
    for (const uint32_t size : batch.sizes()) {
      payloads.push_back({offset++, batch.peer(), batch.data().substr(at, size)});
      at += size;
    }
    EXPECT_EQ(at, batch.data().size()) << "sizes and data of a batch disagree";
    count_ += static_cast<uint64_t>(batch.sizes_size());
    (*cursor_.mutable_next_offsets())[batch.worker()] = offset;
  }
  if (response.has_gap()) {
    gaps_.push_back(response.gap());
    (*cursor_.mutable_next_offsets())[response.gap().worker()] = response.gap().to_offset();
  }
  if (response.has_progress()) {
    (*cursor_.mutable_next_offsets())[response.progress().worker()] =
        response.progress().next_offset();
  }
}

bool Collector::WaitCount(uint64_t count, absl::Duration timeout) {
  const absl::MutexLock lock(&mutex_);
  const auto enough = [this, count]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return count_ >= count || ended_;
  };
  mutex_.AwaitWithTimeout(absl::Condition(&enough), timeout * Slowness());
  return count_ >= count;
}

grpc::Status Collector::Finish() {
  const absl::MutexLock lock(&mutex_);
  if (!mutex_.AwaitWithTimeout(absl::Condition(&ended_), absl::Seconds(60) * Slowness())) {
    return grpc::Status(grpc::StatusCode::DEADLINE_EXCEEDED, "the stream does not end");
  }
  return status_;
}

void Collector::Cancel() { context_.TryCancel(); }

bool Collector::ended() const {
  const absl::MutexLock lock(&mutex_);
  return ended_;
}

uint64_t Collector::count() const {
  const absl::MutexLock lock(&mutex_);
  return count_;
}

Ledger Collector::ledger() const {
  const absl::MutexLock lock(&mutex_);
  return ledger_;
}

std::vector<v1::Gap> Collector::gaps() const {
  const absl::MutexLock lock(&mutex_);
  return gaps_;
}

v1::Cursor Collector::cursor() const {
  const absl::MutexLock lock(&mutex_);
  return cursor_;
}

Ledger ReadAll(const std::shared_ptr<grpc::Channel>& channel, const std::string& server) {
  Collector collector(channel, EarliestRequest(server, /*follow=*/false));
  const grpc::Status status = collector.Finish();
  EXPECT_TRUE(status.ok()) << status.error_code() << ": " << status.error_message();
  return collector.ledger();
}

}  // namespace center::itest
