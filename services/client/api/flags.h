// The command line of center-client.
#pragma once

#include <string>

#include "absl/types/optional.h"
#include "absl/types/variant.h"
#include "services/client/load/load.h"
#include "services/common/log.h"
#include "services/common/net_address.h"
#include "services/common/rpc/tls_files.h"

namespace center::client {

struct Flags {
  std::string name = "default/0";          // "<client>/<number>"
  absl::optional<NetAddress> coordinator;  // without it the process stands alone
  SteadyDuration orphan_timeout{};         // 0: never
  rpc::TlsFiles tls;                       // of that connection; payloads are never encrypted
  LoadOptions load;
  LogOptions log;
};

// What ParseFlags leads to: go on with the flags, or leave with an exit code (0 after --help and
// --version, 2 after a mistake, which it has explained on stderr).
using ParsedFlags = absl::variant<Flags, int>;
ParsedFlags ParseFlags(int argc, const char* const* argv);

// "json=1,string=2" into the two weights. InvalidArgument that says what would be right.
absl::Status ParseMix(absl::string_view text, PayloadOptions* options);

}  // namespace center::client
