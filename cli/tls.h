// How centerctl speaks with what is beyond this machine.
#pragma once

#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cli/context.h"
#include "grpcpp/grpcpp.h"
#include "services/common/net_address.h"
#include "services/common/rpc/tls_files.h"

namespace center::cli {

rpc::TlsFiles FilesOf(const Credentials& credentials);

// A channel over TLS where credentials are given and the address is no unix socket. A usage error
// for files that cannot be used.
absl::StatusOr<std::shared_ptr<grpc::Channel>> ConnectTo(const Globals& globals,
                                                         const Dependencies& dependencies,
                                                         const NetAddress& address);

// Marks the status of a call that nobody has answered (errors.cc does).
inline constexpr char kNobodyAnsweredKey[] = "centerctl/nobody-answered";

// For a status with that mark: finds out whether it is TLS that stands in the way, and says so.
absl::Status ExplainSilence(const Context& context, absl::Status status);

}  // namespace center::cli
