// centerctl: from a command line to an exit code.
#pragma once

#include <string>
#include <vector>

#include "cli/context.h"

namespace center::cli {

// Parses `args` (without the program's name), runs the command, prints what went wrong. Returns the
// exit code.
int RunCenterctl(std::vector<std::string> args, const Dependencies& dependencies);

}  // namespace center::cli
