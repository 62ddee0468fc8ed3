#include "cli/tls.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "services/common/rpc/tls.h"
#include "services/common/rpc/tls_probe.h"

namespace center::cli {

rpc::TlsFiles FilesOf(const Credentials& credentials) {
  return {.cert = credentials.tls_cert, .key = credentials.tls_key, .ca = credentials.tls_ca};
}

absl::StatusOr<std::shared_ptr<grpc::Channel>> ConnectTo(const Globals& globals,
                                                         const Dependencies& dependencies,
                                                         const NetAddress& address) {
  if (!globals.credentials.UsesTls() || address.is_unix) return dependencies.connect(address);
  const auto tls = rpc::Tls::Load(FilesOf(globals.credentials));
  if (!tls.ok()) {
    return UsageError(
        absl::StrCat(globals.context.empty() ? "" : absl::StrCat("context ", globals.context, ": "),
                     tls.status().message()));
  }
  return rpc::MakeChannelTo(address, tls->get());
}

absl::Status ExplainSilence(const Context& context, absl::Status status) {
  if (!status.GetPayload(kNobodyAnsweredKey).has_value()) return status;
  const auto address = ParseNetAddress(context.address());
  if (!address.ok() || address->is_unix) return status;
  const absl::Duration patience = std::min(context.globals().timeout, rpc::kProbeTimeout);
  const absl::Status found =
      rpc::ProbeConnection(*address, FilesOf(context.globals().credentials), patience);
  if (!absl::IsFailedPrecondition(found)) return status;
  return NotRunningError(found.message());
}

}  // namespace center::cli
