#include "services/client/api/reporter.h"

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "services/common/rpc/channel.h"
#include "services/common/rpc/server.h"

namespace center::client {
namespace {

constexpr absl::Duration kDeadline = absl::Seconds(30);

class FakeRegistry final : public v1::ClientRegistryService::Service {
 public:
  grpc::Status ReportClient(grpc::ServerContext* /*context*/,
                            const v1::ReportClientRequest* request,
                            v1::ReportClientResponse* response) override {
    response->set_address("10.0.0.1:5000");
    absl::MutexLock lock(&mutex_);
    reports_.push_back(*request);
    return answer_;
  }

  bool WaitForSent(uint64_t payloads) {
    const auto seen = [&]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
      return !reports_.empty() && reports_.back().stats().payloads_sent() == payloads;
    };
    absl::MutexLock lock(&mutex_);
    return mutex_.AwaitWithTimeout(absl::Condition(&seen), kDeadline);
  }
  void Answer(grpc::Status answer) {
    absl::MutexLock lock(&mutex_);
    answer_ = std::move(answer);
  }

 private:
  absl::Mutex mutex_;
  std::vector<v1::ReportClientRequest> reports_ ABSL_GUARDED_BY(mutex_);
  grpc::Status answer_ ABSL_GUARDED_BY(mutex_);
};

class ReporterTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto address = ParseNetAddress("127.0.0.1:0");
    ASSERT_TRUE(address.ok());
    auto bound = rpc::StartServer({.addresses = {*address}, .services = {&registry_}});
    ASSERT_TRUE(bound.ok()) << bound.status();
    bound_ = *std::move(bound);
    reporter_ = std::make_unique<Reporter>(
        rpc::MakeChannel(bound_.addresses.front()),
        Reporter::Listener{
            .on_answer = [this](const v1::ReportClientResponse& answer) { Answered(answer); },
            .on_unknown = [this] { Told(); }});
  }
  void TearDown() override {
    reporter_.reset();
    bound_.server->Shutdown();
  }

  void Report(uint64_t payloads) {
    v1::ReportClientRequest report;
    report.set_client("load/0");
    report.mutable_stats()->set_payloads_sent(payloads);
    reporter_->Report(std::move(report));
  }
  void Told() {
    absl::MutexLock lock(&mutex_);
    ++unknown_;
  }
  void Answered(const v1::ReportClientResponse& answer) {
    absl::MutexLock lock(&mutex_);
    address_ = answer.address();
  }
  bool WaitForAddress(const std::string& address) {
    const auto told = [&]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return address_ == address; };
    absl::MutexLock lock(&mutex_);
    return mutex_.AwaitWithTimeout(absl::Condition(&told), kDeadline);
  }
  bool WaitForUnknown() {
    const auto told = [&]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return unknown_ > 0; };
    absl::MutexLock lock(&mutex_);
    return mutex_.AwaitWithTimeout(absl::Condition(&told), kDeadline);
  }
  int unknown() {
    absl::MutexLock lock(&mutex_);
    return unknown_;
  }

  FakeRegistry registry_;
  rpc::BoundServer bound_;
  std::unique_ptr<Reporter> reporter_;

 private:
  absl::Mutex mutex_;
  int unknown_ ABSL_GUARDED_BY(mutex_) = 0;
  std::string address_ ABSL_GUARDED_BY(mutex_);
};

TEST_F(ReporterTest, TheNewestReportArrives) {
  for (uint64_t i = 1; i <= 100; ++i) Report(i);
  EXPECT_TRUE(registry_.WaitForSent(100));
}

TEST_F(ReporterTest, FlushWaitsForTheLastReport) {
  Report(7);
  reporter_->Flush(kDeadline);
  EXPECT_TRUE(registry_.WaitForSent(7));
  Report(8);  // nothing is sent any more
  reporter_->Flush(absl::ZeroDuration());
  EXPECT_TRUE(registry_.WaitForSent(7));
}

TEST_F(ReporterTest, AReportThatWasNotTakenIsSentAgain) {
  registry_.Answer(grpc::Status(grpc::StatusCode::UNAVAILABLE, "not now"));
  Report(3);
  EXPECT_TRUE(registry_.WaitForSent(3));
  registry_.Answer(grpc::Status::OK);
  reporter_->Flush(kDeadline);
  EXPECT_TRUE(registry_.WaitForSent(3));
  EXPECT_EQ(unknown(), 0);
}

TEST_F(ReporterTest, WhatTheCoordinatorAnswersIsTold) {
  Report(1);
  EXPECT_TRUE(WaitForAddress("10.0.0.1:5000"));
}

TEST_F(ReporterTest, AnUnknownProcessIsToldOnce) {
  registry_.Answer(grpc::Status(grpc::StatusCode::FAILED_PRECONDITION, "who are you?"));
  Report(1);
  EXPECT_TRUE(WaitForUnknown());
  Report(2);
  reporter_->Flush(kDeadline);
  EXPECT_EQ(unknown(), 1);
}

}  // namespace
}  // namespace center::client
