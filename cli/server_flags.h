// The settings of a server as flags of `server start`.
#pragma once

#include <memory>

#include "CLI/CLI.hpp"
#include "center/v1/server.pb.h"

namespace center::cli {

// Adds the flags; after parsing, *spec has exactly the fields that were given.
void AddSpecFlags(CLI::App& app, const std::shared_ptr<v1::ServerSpec>& spec);

}  // namespace center::cli
