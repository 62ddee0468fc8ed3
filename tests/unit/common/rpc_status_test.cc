#include <string>

#include "gmock/gmock.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "gtest/gtest.h"
#include "services/common/rpc/status.h"

namespace center::rpc {
namespace {

using ::testing::HasSubstr;

google::rpc::Status Details(const grpc::Status& status) {
  google::rpc::Status rich;
  EXPECT_TRUE(rich.ParseFromString(status.error_details()));
  return rich;
}

TEST(RpcStatusTest, EveryCodeTravelsBothWays) {
  for (int code = 0; code <= 16; ++code) {
    const absl::Status status(static_cast<absl::StatusCode>(code), code == 0 ? "" : "why");
    const grpc::Status wire = ToGrpc(status);
    EXPECT_EQ(static_cast<int>(wire.error_code()), code);
    EXPECT_EQ(FromGrpc(wire), status);
  }
}

TEST(RpcStatusTest, PlainErrorsCarryNoDetails) {
  EXPECT_EQ(ToGrpc(absl::NotFoundError("x")).error_details(), "");
  EXPECT_EQ(ReasonOf(absl::NotFoundError("x")), "");
  EXPECT_EQ(ReasonOf(absl::OkStatus()), "");
}

TEST(RpcStatusTest, ReasonAndMetadataReachTheClient) {
  const absl::Status status = WithReason(absl::NotFoundError("no server 'x'"), "SERVER_NOT_FOUND",
                                         {{"server", "x"}, {"hint", "start it"}});
  EXPECT_EQ(ReasonOf(status), "SERVER_NOT_FOUND");
  const google::rpc::Status rich = Details(ToGrpc(status));
  EXPECT_EQ(rich.code(), 5);
  EXPECT_EQ(rich.message(), "no server 'x'");
  ASSERT_EQ(rich.details_size(), 1);
  google::rpc::ErrorInfo info;
  ASSERT_TRUE(rich.details(0).UnpackTo(&info));
  EXPECT_EQ(info.domain(), "center.v1");
  EXPECT_EQ(info.metadata().at("server"), "x");
  EXPECT_EQ(info.metadata().at("hint"), "start it");
  EXPECT_EQ(ReasonOf(FromGrpc(ToGrpc(status))), "SERVER_NOT_FOUND");
}

TEST(RpcStatusTest, InvalidFieldsListsEachViolation) {
  const absl::Status status =
      InvalidFields({{"spec.port", "must be 1 to 65535"}, {"name", "must not be empty"}});
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), "spec.port: must be 1 to 65535; name: must not be empty");
  EXPECT_EQ(ReasonOf(status), "INVALID_FIELDS");
  const google::rpc::Status rich = Details(ToGrpc(status));
  google::rpc::BadRequest bad;
  bool found = false;
  for (const auto& any : rich.details()) found = found || any.UnpackTo(&bad);
  ASSERT_TRUE(found);
  ASSERT_EQ(bad.field_violations_size(), 2);
  EXPECT_EQ(bad.field_violations(0).field(), "spec.port");
}

TEST(RpcStatusTest, RetryDelayTravelsBesideTheReason) {
  const absl::Status status = WithRetryDelay(
      WithReason(absl::UnavailableError("later"), "WORKER_UNAVAILABLE"), absl::Milliseconds(1500));
  const google::rpc::Status rich = Details(ToGrpc(status));
  google::rpc::RetryInfo retry;
  bool found = false;
  for (const auto& any : rich.details()) found = found || any.UnpackTo(&retry);
  ASSERT_TRUE(found);
  EXPECT_EQ(retry.retry_delay().seconds(), 1);
  EXPECT_EQ(retry.retry_delay().nanos(), 500'000'000);
  EXPECT_EQ(ReasonOf(status), "WORKER_UNAVAILABLE");
}

TEST(RpcStatusTest, DetailsThatCannotBeReadAreLeftOut) {
  const grpc::Status wire(grpc::StatusCode::INTERNAL, "why", "not a google.rpc.Status \xff");
  EXPECT_EQ(FromGrpc(wire), absl::InternalError("why"));
}

// What a client has to take in the trailers of a call.
size_t TravellingBytes(const grpc::Status& status) {
  size_t bytes = status.error_details().size() * 4 / 3;
  for (const char c : status.error_message()) bytes += c >= 0x20 && c < 0x7F && c != '%' ? 1 : 3;
  return bytes;
}

TEST(RpcStatusTest, ALongQuotationDoesNotOutgrowTheTrailers) {
  std::string umlauts;
  for (int i = 0; i < 50'000; ++i) umlauts += "\xc3\xa4";
  for (const std::string& name :
       {std::string(100'000, 'x'), std::string(100'000, '%'), umlauts, std::string(7'000, 'y')}) {
    std::vector<FieldViolation> violations(50, {name, "is '" + name + "'"});
    const grpc::Status status =
        ToGrpc(WithReason(InvalidFields(violations), "TOO_LONG", {{"name", name}}));
    EXPECT_LT(TravellingBytes(status), 8u << 10);
    const absl::Status back = FromGrpc(status);
    EXPECT_EQ(back.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(ReasonOf(back), "TOO_LONG");
    EXPECT_TRUE(back.GetPayload("type.googleapis.com/google.rpc.BadRequest").has_value());
    EXPECT_NE(status.error_message().find("(cut)"), std::string::npos);
  }
}

TEST(RpcStatusTest, WhatFitsIsNotCut) {
  const std::string message(2'000, 'm');
  const grpc::Status status = ToGrpc(WithReason(absl::AbortedError(message), "R", {{"k", "v"}}));
  EXPECT_EQ(status.error_message(), message);
}

}  // namespace
}  // namespace center::rpc
