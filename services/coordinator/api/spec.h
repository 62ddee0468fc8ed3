// What is asked of every request about a server: its name, its settings, its id.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "center/v1/server.pb.h"
#include "services/common/config/server_spec.h"
#include "services/common/rpc/status.h"

namespace center::coordinator {

inline constexpr absl::string_view kDefaultServer = "default";
inline constexpr size_t kRequestIdBytesMax = 128;

// The problems as violations of the request's field `spec`.
void AddSpecViolations(SpecProblems problems, std::vector<rpc::FieldViolation>* violations);

// Adds what is wrong with the settings, the name or the request id. A violation's field is as in
// the request ("spec.port").
void CheckSpec(const v1::ServerSpec& spec, std::vector<rpc::FieldViolation>* violations);
void CheckName(absl::string_view name, std::vector<rpc::FieldViolation>* violations);
void CheckRequestId(absl::string_view request_id, std::vector<rpc::FieldViolation>* violations);

google::protobuf::Timestamp FromTime(absl::Time time);

// The server's name that an empty one in a request stands for.
std::string ServerNameOrDefault(const std::string& name);

}  // namespace center::coordinator
