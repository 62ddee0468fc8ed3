// Why a connection does not come about, found out by trying: gRPC itself only says "unavailable".
#pragma once

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "services/common/net_address.h"
#include "services/common/rpc/tls_files.h"

namespace center::rpc {

inline constexpr absl::Duration kProbeTimeout = absl::Seconds(3);

// Connects to a TCP address as MakeChannelTo would, with TLS when files are given and without
// otherwise, for at most about `timeout`. Ok: nothing stands in the way. Otherwise what does:
// Unavailable (nobody listens there), or FailedPrecondition for what is wrong with TLS: no TLS
// there or only TLS there; a certificate that was not signed by our authorities, has expired or is
// for another name; and that ours was not accepted, as far as the other side says why.
absl::Status ProbeConnection(const NetAddress& address, const TlsFiles& files,
                             absl::Duration timeout = kProbeTimeout);

}  // namespace center::rpc
