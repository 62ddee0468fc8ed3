// The flags of `client start`, by which a client's settings are given.
#pragma once

#include <memory>

#include "CLI/CLI.hpp"
#include "center/v1/client.pb.h"

namespace center::cli {

// Each flag that is given sets a field of *spec; the others are left alone.
void AddClientFlags(CLI::App& app, const std::shared_ptr<v1::ClientSpec>& spec);

}  // namespace center::cli
