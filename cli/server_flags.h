// The settings of a server as flags of `server start`.
#pragma once

#include <memory>
#include <string>

#include "CLI/CLI.hpp"
#include "absl/strings/string_view.h"
#include "center/v1/server.pb.h"

namespace center::cli {

// Adds the flags; after parsing, *spec has exactly the fields that were given.
void AddSpecFlags(CLI::App& app, const std::shared_ptr<v1::ServerSpec>& spec);

// "idle-timeout" as the field of ServerSpec that it sets, "idle_timeout", and back.
std::string FieldOfFlag(absl::string_view flag);
std::string FlagOfField(absl::string_view field);

}  // namespace center::cli
