// JSON to YAML, in the JSON's order.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace center::cli {

// Block style; strings are quoted whenever a YAML 1.1 or 1.2 reader could take them for something
// else. Ended by a line feed. InvalidArgument when `json` is none.
absl::StatusOr<std::string> YamlFromJson(absl::string_view json);

}  // namespace center::cli
