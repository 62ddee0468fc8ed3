// Where the coordinator's sockets are, for itself and for its workers.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "services/common/net_address.h"

namespace center::coordinator {

// Makes the folder of a unix socket. PermissionDenied when the default one, which lies in /tmp
// where anybody may have made it first, is somebody else's.
absl::Status PrepareSocketFolder(const NetAddress& address);

// Where workers of this machine find the coordinator: its unix socket when it has one.
std::string AddressForWorkers(const std::vector<NetAddress>& addresses);

}  // namespace center::coordinator
