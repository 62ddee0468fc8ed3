// A relay with its own server, a store in memory, and fake workers, for the tests of its streams.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/rpc/channel.h"
#include "services/common/rpc/server.h"
#include "services/common/rpc/status.h"
#include "services/coordinator/relay/payload_relay.h"
#include "tests/unit/relay/fake_worker.h"

namespace center::relay {

// What a subscriber receives, checked as it comes: each worker's offsets must be dense.
class Subscriber {
 public:
  Subscriber(v1::PayloadService::Stub& stub, const v1::StreamPayloadsRequest& request)
      : reader_(stub.StreamPayloads(&context_, request)) {}
  ~Subscriber() {
    context_.TryCancel();
    if (thread_.joinable()) thread_.join();
    if (!finished_) End().IgnoreError();
  }

  // Reads one message on this thread; false at the end.
  bool ReadOne() {
    v1::StreamPayloadsResponse response;
    if (!reader_->Read(&response)) return false;
    Take(response);
    return true;
  }
  // Reads to the end on this thread and returns the status.
  absl::Status ReadAll() {
    while (ReadOne()) {
    }
    return End();
  }
  absl::Status End() {
    finished_ = true;
    return rpc::FromGrpc(reader_->Finish());
  }
  // Reads on a thread of its own until the end.
  void ReadInBackground() {
    thread_ = std::thread([this] {
      const absl::Status status = ReadAll();
      absl::MutexLock lock(&mutex_);
      end_ = status;
    });
  }
  bool WaitForOffset(const std::string& worker, uint64_t next_offset) {
    absl::MutexLock lock(&mutex_);
    const auto reached = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      const auto found = next_.find(worker);
      return (found != next_.end() && found->second >= next_offset) || end_.has_value();
    };
    return mutex_.AwaitWithTimeout(absl::Condition(&reached), kPatience) && !end_.has_value();
  }
  absl::Status WaitForEnd() {
    absl::MutexLock lock(&mutex_);
    const auto ended = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return end_.has_value(); };
    if (!mutex_.AwaitWithTimeout(absl::Condition(&ended), kPatience)) {
      return absl::DeadlineExceededError("the stream did not end");
    }
    return *end_;
  }
  void Cancel() { context_.TryCancel(); }

  std::map<std::string, uint64_t> next_offsets() const {
    absl::MutexLock lock(&mutex_);
    return next_;
  }
  uint64_t payloads() const {
    absl::MutexLock lock(&mutex_);
    return payloads_;
  }
  // "" or the first thing that was wrong: a hole, a duplicate, a foreign payload.
  std::string fault() const {
    absl::MutexLock lock(&mutex_);
    return fault_;
  }
  std::vector<std::string> order() const {
    absl::MutexLock lock(&mutex_);
    return order_;
  }

 private:
  void Take(const v1::StreamPayloadsResponse& response) {
    absl::MutexLock lock(&mutex_);
    for (const v1::PayloadBatch& batch : response.batches()) {
      Expect(batch.worker(), batch.first_offset());
      size_t at = 0;
      for (int i = 0; i < batch.sizes_size(); ++i) {
        const std::string payload = batch.data().substr(at, batch.sizes(i));
        at += batch.sizes(i);
        const std::string wanted = absl::StrCat(batch.worker(), "#", batch.first_offset() + i);
        if (payload.substr(0, wanted.size()) != wanted) fault_ = "not " + wanted;
      }
      payloads_ += static_cast<uint64_t>(batch.sizes_size());
      next_[batch.worker()] = batch.first_offset() + static_cast<uint64_t>(batch.sizes_size());
      order_.push_back(batch.worker());
    }
    if (response.has_gap()) {
      Expect(response.gap().worker(), response.gap().from_offset());
      next_[response.gap().worker()] = response.gap().to_offset();
    }
    if (response.has_progress()) {
      Expect(response.progress().worker(), response.progress().next_offset());
      next_[response.progress().worker()] = response.progress().next_offset();
    }
  }
  void Expect(const std::string& worker, uint64_t offset) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const auto found = next_.find(worker);
    if (found != next_.end() && found->second != offset && fault_.empty()) {
      fault_ = absl::StrCat(worker, ": expected offset ", found->second, ", got ", offset);
    }
  }

  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<v1::StreamPayloadsResponse>> reader_;
  std::thread thread_;
  bool finished_ = false;

  mutable absl::Mutex mutex_;
  std::map<std::string, uint64_t> next_ ABSL_GUARDED_BY(mutex_);
  uint64_t payloads_ ABSL_GUARDED_BY(mutex_) = 0;
  std::string fault_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> order_ ABSL_GUARDED_BY(mutex_);
  absl::optional<absl::Status> end_ ABSL_GUARDED_BY(mutex_);
};

// Subscriptions in memory.
class FakeStore {
 public:
  SubscriptionStore Callbacks() {
    return {
        .commit = [this](absl::string_view server, absl::string_view name, const Offsets& offsets,
                         bool rewind) -> absl::StatusOr<Offsets> {
          absl::MutexLock lock(&mutex_);
          auto& entry = entries_[Key(server, name)];
          entry.server = std::string(server);
          entry.name = std::string(name);
          entry.commit_time = absl::FromUnixSeconds(1'700'000'000);
          for (const auto& [worker, offset] : offsets) {
            uint64_t& stored = entry.next_offsets[worker];
            stored = rewind ? offset : std::max(stored, offset);
          }
          return entry.next_offsets;
        },
        .get = [this](absl::string_view server,
                      absl::string_view name) -> absl::StatusOr<SubscriptionStore::Entry> {
          absl::MutexLock lock(&mutex_);
          const auto found = entries_.find(Key(server, name));
          if (found == entries_.end()) return absl::NotFoundError("no such subscription");
          return found->second;
        },
        .list = [this](absl::string_view server, absl::string_view after,
                       uint32_t limit) -> absl::StatusOr<std::vector<SubscriptionStore::Entry>> {
          absl::MutexLock lock(&mutex_);
          std::vector<SubscriptionStore::Entry> page;
          for (const auto& [key, entry] : entries_) {
            if (entry.server == server && entry.name > std::string(after) && page.size() < limit) {
              page.push_back(entry);
            }
          }
          return page;
        },
        .remove = [this](absl::string_view server, absl::string_view name) -> absl::Status {
          absl::MutexLock lock(&mutex_);
          if (entries_.erase(Key(server, name)) == 0) return absl::NotFoundError("none");
          return absl::OkStatus();
        },
    };
  }

 private:
  static std::string Key(absl::string_view server, absl::string_view name) {
    return absl::StrCat(server, "|", name);
  }
  absl::Mutex mutex_;
  std::map<std::string, SubscriptionStore::Entry> entries_ ABSL_GUARDED_BY(mutex_);
};

class RelayTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "relay-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    StartRelay({});
  }
  void TearDown() override {
    StopRelay();
    workers_.clear();
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  void StartRelay(PayloadRelay::Options options) {
    StopRelay();
    relay_ = std::make_unique<PayloadRelay>(
        directory_, store_.Callbacks(),
        [this](absl::string_view server) {
          absl::MutexLock lock(&mutex_);
          committed_.emplace_back(server);
        },
        options);
    auto address = ParseNetAddress(absl::StrCat("unix:", folder_, "/coordinator.sock"));
    ASSERT_TRUE(address.ok());
    auto bound = rpc::StartServer({.addresses = {*address}, .services = {relay_.get()}});
    ASSERT_TRUE(bound.ok()) << bound.status();
    server_ = std::move(bound->server);
    stub_ = v1::PayloadService::NewStub(rpc::MakeChannel(*address));
  }
  void StopRelay() {
    if (server_ == nullptr) return;
    relay_->EndStreams();
    server_->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(10));
    server_->Wait();
    server_.reset();
    relay_.reset();
  }

  // Starts a worker "default/<slot>" (not yet in the directory).
  FakeWorker& AddWorker(FakeWorker::Options options) {
    const std::string name = absl::StrCat("default/", workers_.size());
    workers_.push_back(std::make_unique<FakeWorker>(name, folder_, options));
    workers_.back()->Up();
    generations_[name] = 1;
    return *workers_.back();
  }
  FakeWorker& AddWorker() { return AddWorker(FakeWorker::Options{}); }
  // Tells the directory what is; workers in `down` have no address.
  void Publish(bool running = true, std::vector<const FakeWorker*> down = {}) {
    std::vector<WorkerEndpoint> endpoints;
    for (const auto& worker : workers_) {
      const bool up = std::find(down.begin(), down.end(), worker.get()) == down.end();
      endpoints.push_back(
          {worker->name(), up ? worker->address() : "", generations_[worker->name()]});
    }
    directory_.SetServer("default", std::move(endpoints), running);
  }
  // Kills the worker and starts it again as a new process.
  void Restart(FakeWorker& worker) {
    worker.Die();
    Publish(true, {&worker});
    ++generations_[worker.name()];
    worker.Up();
    Publish();
  }

  static v1::StreamPayloadsRequest Request(bool follow, v1::StartPosition::Place place) {
    v1::StreamPayloadsRequest request;
    request.set_follow(follow);
    request.mutable_start()->set_place(place);
    return request;
  }
  static v1::StreamPayloadsRequest Earliest(bool follow = false) {
    return Request(follow, v1::StartPosition::PLACE_EARLIEST);
  }
  static v1::StreamPayloadsRequest Latest() {
    return Request(true, v1::StartPosition::PLACE_LATEST);
  }
  absl::Status StatusOf(const v1::StreamPayloadsRequest& request) {
    return Subscriber(*stub_, request).ReadAll();
  }
  bool WaitForStreams(size_t count) {
    const absl::Time deadline = absl::Now() + kPatience;
    while (relay_->stream_count() != count) {
      if (absl::Now() > deadline) return false;
      std::this_thread::yield();
    }
    return true;
  }
  std::vector<std::string> committed() {
    absl::MutexLock lock(&mutex_);
    return committed_;
  }

  std::string folder_;
  WorkerDirectory directory_;
  FakeStore store_;
  std::vector<std::unique_ptr<FakeWorker>> workers_;
  std::map<std::string, uint64_t> generations_;
  std::unique_ptr<PayloadRelay> relay_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<v1::PayloadService::Stub> stub_;
  absl::Mutex mutex_;
  std::vector<std::string> committed_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace center::relay
