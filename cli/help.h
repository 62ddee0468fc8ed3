// The help screens, made from the tree of commands.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "CLI/CLI.hpp"
#include "cli/output.h"

namespace center::cli {

// What the command does, how it is written, its commands or arguments and flags, examples (the
// app's footer). Lines fit into `width` columns where words allow it.
inline constexpr size_t kHelpColumns = 100;
// On this terminal (or none): as wide as it is, but never so wide that it reads badly.
size_t HelpColumns(const Style& style);
std::string HelpText(const CLI::App& app, size_t width = kHelpColumns);

// Every variable that centerctl reads, and what it stands for.
const std::vector<std::pair<std::string, std::string>>& EnvironmentVariables();
// `help environment`.
inline constexpr char kEnvironmentTopic[] = "environment";
std::string EnvironmentHelp(size_t width = kHelpColumns);

}  // namespace center::cli
