// A WorkerService over a real journal, served on a unix socket, and subscribers to it.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/types/optional.h"
#include "center/v1/worker.grpc.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/rpc/channel.h"
#include "services/common/rpc/server.h"
#include "services/common/rpc/status.h"
#include "services/worker/api/worker_service.h"
#include "tests/unit/worker_api/grpc_environment.h"
#include "tests/unit/worker_api/test_journal.h"

namespace center::worker {

// No call of a test lasts longer.
inline constexpr std::chrono::seconds kCallLimit{60};

// A stream, read on the test's thread. What comes is checked: offsets only ascend, and whatever is
// left out has been told as a gap or as progress (through a filter).
class Subscriber {
 public:
  Subscriber(v1::WorkerService::Stub& stub, const v1::StreamPayloadsRequest& request) {
    context_.set_deadline(std::chrono::system_clock::now() + kCallLimit);
    reader_ = stub.StreamPayloads(&context_, request);
  }
  ~Subscriber() {
    if (finished_) return;
    context_.TryCancel();
    End().IgnoreError();
  }

  // The next message; nothing at the end.
  absl::optional<v1::StreamPayloadsResponse> Read() {
    v1::StreamPayloadsResponse response;
    if (!reader_->Read(&response)) return absl::nullopt;
    Take(response);
    return response;
  }
  // Reads until everything below `offset` has come. False: the stream has ended before.
  bool ReadUntil(uint64_t offset) {
    while (next_ < offset) {
      if (!Read().has_value()) return false;
    }
    return true;
  }
  // Reads until a message has progress in it.
  v1::Progress ReadProgress() {
    for (;;) {
      const auto response = Read();
      if (!response.has_value()) return {};
      if (response->has_progress()) return response->progress();
    }
  }
  absl::Status ReadToEnd() {
    while (Read().has_value()) {
    }
    return End();
  }
  absl::Status End() {
    v1::StreamPayloadsResponse ignored;
    while (reader_->Read(&ignored)) {
    }
    finished_ = true;
    return rpc::FromGrpc(reader_->Finish());
  }
  void Cancel() { context_.TryCancel(); }

  const std::vector<Placed>& payloads() const { return payloads_; }
  const std::vector<v1::Gap>& gaps() const { return gaps_; }
  uint64_t next() const { return next_; }
  size_t messages() const { return messages_; }

 private:
  void Take(const v1::StreamPayloadsResponse& response) {
    ++messages_;
    for (Placed& placed : std::vector<Placed>(PayloadsOf(response))) {
      EXPECT_GE(placed.first, next_) << "offsets go back";
      next_ = placed.first + 1;
      payloads_.push_back(std::move(placed));
    }
    if (response.has_gap()) {
      EXPECT_GE(response.gap().from_offset(), next_);
      EXPECT_GT(response.gap().to_offset(), response.gap().from_offset());
      EXPECT_EQ(response.gap().worker(), kWorker);
      next_ = response.gap().to_offset();
      gaps_.push_back(response.gap());
    }
    if (response.has_progress()) {
      EXPECT_GE(response.progress().next_offset(), next_);
      EXPECT_GE(response.progress().end_offset(), response.progress().next_offset());
      EXPECT_EQ(response.progress().worker(), kWorker);
      next_ = response.progress().next_offset();
    }
  }

  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<v1::StreamPayloadsResponse>> reader_;
  std::vector<Placed> payloads_;
  std::vector<v1::Gap> gaps_;
  uint64_t next_ = 0;
  size_t messages_ = 0;
  bool finished_ = false;
};

class StreamFixture : public ::testing::Test {
 protected:
  explicit StreamFixture(journal::Options options = {}, uint32_t max_subscribers = 1000)
      : journal_(std::move(options)) {
    compute_ = *ComputeHost::Create(kWorker, {}, nullptr, RealClock());
    service_ = std::make_unique<WorkerService>(
        WorkerService::Options{kWorker, max_subscribers},
        WorkerService::Payloads{*journal_, journal_.signal()}, *compute_, journal_.clock());
    address_ = *ParseNetAddress(absl::StrCat("unix:", journal_.folder(), "/worker.sock"));
    auto bound = rpc::StartServer({.addresses = {address_}, .services = {service_.get()}});
    EXPECT_TRUE(bound.ok()) << bound.status();
    server_ = std::move(bound->server);
    stub_ = v1::WorkerService::NewStub(rpc::MakeChannel(address_));
  }
  ~StreamFixture() override { ShutDown(kCallLimit); }

  void ShutDown(std::chrono::milliseconds grace) {
    if (server_ == nullptr) return;
    service_->EndStreams();
    server_->Shutdown(std::chrono::system_clock::now() + grace);
    server_->Wait();
    server_.reset();
    EXPECT_EQ(service_->streams(), 0u) << "a stream was not released";
  }

  static v1::StreamPayloadsRequest From(v1::StartPosition::Place place, bool follow) {
    v1::StreamPayloadsRequest request;
    request.mutable_start()->set_place(place);
    request.set_follow(follow);
    return request;
  }
  static v1::StreamPayloadsRequest Earliest(bool follow = false) {
    return From(v1::StartPosition::PLACE_EARLIEST, follow);
  }
  static v1::StreamPayloadsRequest Latest(bool follow = true) {
    return From(v1::StartPosition::PLACE_LATEST, follow);
  }
  static v1::StreamPayloadsRequest FromOffset(uint64_t offset, bool follow = false) {
    v1::StreamPayloadsRequest request;
    (*request.mutable_start()->mutable_cursor()->mutable_next_offsets())[kWorker] = offset;
    request.set_follow(follow);
    return request;
  }

  absl::Status StatusOf(const v1::StreamPayloadsRequest& request) {
    return Subscriber(*stub_, request).ReadToEnd();
  }
  // What a stream without follow delivers.
  std::vector<Placed> PayloadsFrom(const v1::StreamPayloadsRequest& request) {
    Subscriber subscriber(*stub_, request);
    const absl::Status status = subscriber.ReadToEnd();
    EXPECT_TRUE(status.ok()) << status;
    return subscriber.payloads();
  }
  bool WaitForStreams(uint64_t count) {
    return journal::Eventually([&] { return service_->streams() == count; });
  }
  // "" when the payloads are those of TestJournal::Fill, all of [first, end) and once.
  static std::string FaultIn(const std::vector<Placed>& payloads, uint64_t first, uint64_t end) {
    if (payloads.size() != end - first) {
      return absl::StrCat(payloads.size(), " payloads instead of ", end - first);
    }
    for (const auto& [offset, payload] : payloads) {
      if (offset != first++) return absl::StrCat("offset ", offset, " instead of ", first - 1);
      if (payload != TestJournal::FillPayload(offset, payload.size())) {
        return absl::StrCat("payload ", offset, " is not what was stored");
      }
    }
    return "";
  }

  TestJournal journal_;
  std::unique_ptr<ComputeHost> compute_;
  std::unique_ptr<WorkerService> service_;
  NetAddress address_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<v1::WorkerService::Stub> stub_;
};

}  // namespace center::worker
