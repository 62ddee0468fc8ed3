// What is asked of every request about a client: its name and its settings.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "center/v1/client.pb.h"
#include "services/common/config/client_spec.h"
#include "services/common/rpc/status.h"

namespace center::coordinator {

inline constexpr absl::string_view kDefaultClient = "default";

// Adds what is wrong with the settings that a request asks for, and with the merged ones. A
// violation's field is as in the request ("spec.processes").
void CheckClientSpec(const v1::ClientSpec& request, const v1::ClientSpec& merged,
                     std::vector<rpc::FieldViolation>* violations);

// The client's name that an empty one in a request stands for.
std::string ClientNameOrDefault(const std::string& name);

}  // namespace center::coordinator
