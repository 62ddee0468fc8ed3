// JSON for what is no protobuf message.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace center::cli {

// A JSON string literal; what is no ASCII passes as it is.
std::string JsonString(absl::string_view text);

}  // namespace center::cli
