// Errors about a server that several files of the fleet give.
#include "absl/strings/str_cat.h"
#include "services/common/net_address.h"
#include "services/coordinator/api/fleet.h"
#include "services/coordinator/api/spec.h"

namespace center::coordinator {

absl::Status BindError(const absl::Status& status, const v1::ServerSpec& spec, uint32_t port,
                       const std::string& holder) {
  const std::string port_text = absl::StrCat(port);
  const std::string address =
      NetAddress{.host = spec.host(), .port = static_cast<uint16_t>(port)}.ToString();
  switch (status.code()) {
    case absl::StatusCode::kAlreadyExists:
      return rpc::WithReason(
          absl::AlreadyExistsError(
              holder.empty() ? absl::StrCat(address,
                                            " is in use by another process; choose "
                                            "another port, or 0 for any free one")
                             : absl::StrCat(address, " is in use by server '", holder, "'")),
          "PORT_IN_USE", {{"port", port_text}, {"server", holder}});
    case absl::StatusCode::kPermissionDenied:
      return rpc::WithReason(
          absl::PermissionDeniedError(absl::StrCat("no permission to listen on ", address,
                                                   "; ports below 1024 need a privilege")),
          "PORT_NOT_PERMITTED", {{"port", port_text}});
    case absl::StatusCode::kNotFound:
      return rpc::WithReason(status, "HOST_NOT_FOUND", {{"host", spec.host()}});
    case absl::StatusCode::kUnavailable:  // EADDRNOTAVAIL
      return rpc::InvalidFields({{"spec.host", absl::StrCat(status.message())}});
    default:
      return status;
  }
}

absl::Status ServerNotFound(absl::string_view name, absl::string_view trouble) {
  return rpc::WithReason(
      absl::NotFoundError(absl::StrCat("there is no server '", name, "'",
                                       trouble.empty() ? "" : " that is known here: ", trouble)),
      "SERVER_NOT_FOUND", {{"server", name}});
}

absl::Status ServerStopped(absl::string_view name) {
  return rpc::WithReason(
      absl::FailedPreconditionError(absl::StrCat("server '", name, "' is not running")),
      "SERVER_STOPPED", {{"server", name}});
}

absl::Status CoordinatorStopping() {
  return rpc::WithReason(absl::UnavailableError("the coordinator is stopping"),
                         "COORDINATOR_STOPPING");
}

absl::Status CheckNameAndId(const std::string& name, const std::string& request_id) {
  std::vector<rpc::FieldViolation> violations;
  CheckName(name, &violations);
  CheckRequestId(request_id, &violations);
  return violations.empty() ? absl::OkStatus() : rpc::InvalidFields(violations);
}

}  // namespace center::coordinator
