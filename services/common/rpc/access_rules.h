// Who may call what over TLS, by the names in the caller's certificate.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace center::rpc {

// Names that certificates of a fleet have as URIs among their subject alternative names.
inline constexpr char kCoordinatorName[] = "center://coordinator";
inline constexpr char kWorkerName[] = "center://worker";
inline constexpr char kReaderName[] = "center://reader";

struct AccessRule {
  std::string prefix;                // of the method: "/center.v1.RegistryService/"
  std::vector<std::string> only;     // one of these names is needed; empty: any will do
  std::vector<std::string> but_not;  // none of these names may be there
};

// The first rule whose prefix fits decides; where none fits, any certificate will do.
using AccessRules = std::vector<AccessRule>;

// PermissionDenied, saying which names the caller has and which are needed.
absl::Status CheckAccess(const AccessRules& rules, absl::string_view method,
                         const std::vector<std::string>& names);

// Of a coordinator: only workers may register, and they may do nothing else.
AccessRules CoordinatorRules(const std::vector<std::string>& workers);
// Of a worker: its coordinator may do everything, readers may read payloads and ask for the API.
AccessRules WorkerRules(const std::vector<std::string>& coordinators,
                        const std::vector<std::string>& readers);

}  // namespace center::rpc
