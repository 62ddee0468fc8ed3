// The help screens, made from the tree of commands.
#pragma once

#include <string>

#include "CLI/CLI.hpp"

namespace center::cli {

// What the command does, how it is written, its commands or arguments and flags, examples (the
// app's footer). Lines fit into `width` columns where words allow it.
std::string HelpText(const CLI::App& app, size_t width = 100);

}  // namespace center::cli
