// The command `top`.
#pragma once

#include "CLI/CLI.hpp"
#include "cli/commands.h"

namespace center::cli {

void AddTopCommand(CLI::App& root, Selection& selection);

}  // namespace center::cli
