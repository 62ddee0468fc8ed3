// YAML, as kubeconfig files are written in, as JSON.
#pragma once

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "services/coordinator/kube/json.h"

namespace center::kube {

// Nodes of a document; with aliases (which are followed) a short text could stand for very many.
inline constexpr size_t kYamlNodesMax = 100'000;

// The first document. Scalars become texts, but for plain true, false, null and integers.
// InvalidArgument, with the line, when it is no YAML, or too deep or too large.
absl::StatusOr<Json> ParseYaml(absl::string_view text);

}  // namespace center::kube
