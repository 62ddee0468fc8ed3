// absl::Status <-> grpc::Status, with google.rpc details.
//
// Inside Center an error is an absl::Status. What a client's program needs to know beyond code and
// message rides on it as payloads and is turned into google.rpc.ErrorInfo, BadRequest and RetryInfo
// at the edge.
#pragma once

#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "grpcpp/support/status.h"

namespace center::rpc {

// An ErrorInfo of domain "center.v1": WithReason(absl::NotFoundError("…"), "SERVER_NOT_FOUND",
// {{"server", name}}).
absl::Status WithReason(
    absl::Status status, absl::string_view reason,
    std::initializer_list<std::pair<absl::string_view, absl::string_view>> metadata = {});

struct FieldViolation {
  std::string field;        // "spec.port"
  std::string description;  // what is wrong, what would be right
};
// INVALID_ARGUMENT with reason "INVALID_FIELDS" and a BadRequest; the message lists the violations.
// REQUIRES: at least one.
absl::Status InvalidFields(const std::vector<FieldViolation>& violations);

// Adds a RetryInfo.
absl::Status WithRetryDelay(absl::Status status, absl::Duration delay);

// Errors travel in the trailers of a call, for which clients allow 8 KiB together: of an answer
// that quotes a long name they would see RESOURCE_EXHAUSTED instead. So a long message is cut, and
// details that do not fit are shortened, the ErrorInfo's reason and domain last of all.
inline constexpr size_t kStatusMessageBytesMax = 2048;  // percent-encoded, as it travels
inline constexpr size_t kStatusDetailsBytesMax = 4096;  // google.rpc.Status, without encoding

grpc::Status ToGrpc(const absl::Status& status);
absl::Status FromGrpc(const grpc::Status& status);

// The ErrorInfo reason that a status carries, or "".
std::string ReasonOf(const absl::Status& status);

}  // namespace center::rpc
