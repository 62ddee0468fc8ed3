// Reading a command line before CLI11 does: which command is meant.
#pragma once

#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "services/common/nearest.h"

namespace center::cli {

// Where a command line leads in the tree of commands.
struct CommandWalk {
  const CLI::App* app = nullptr;  // the deepest command that was named
  bool help = false;              // -h or --help stands there
  bool version = false;           // --version stands there
  absl::Status error;  // a word that is no command, or a flag that does not exist (usage)
};
CommandWalk WalkCommands(const CLI::App& root, const std::vector<std::string>& args);

// "centerctl server start"
std::string FullName(const CLI::App& app);

// The commands that users see, in the order they were added.
std::vector<const CLI::App*> VisibleCommands(const CLI::App& app);

}  // namespace center::cli
