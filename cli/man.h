// The manual page centerctl(1), made from the tree of commands.
#pragma once

#include <string>

#include "CLI/CLI.hpp"

namespace center::cli {

// The command that the build calls. It is not for people and stays out of the help.
inline constexpr char kManCommand[] = "__man";

// In man(7)'s macros.
std::string ManPage(const CLI::App& root);

}  // namespace center::cli
