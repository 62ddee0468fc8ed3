#include "cli/args.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/errors.h"

namespace center::cli {
namespace {

// Looks up `name` ("--port", "-p") in the command and in those above it, as CLI11's fallthrough
// does.
const CLI::Option* FindOption(const CLI::App* app, const std::string& name) {
  for (; app != nullptr; app = app->get_parent()) {
    for (const CLI::Option* option : app->get_options()) {
      if (option->check_name(name)) return option;
    }
  }
  return nullptr;
}

absl::Status UnknownFlag(const CLI::App* app, absl::string_view flag) {
  std::vector<std::string> candidates;
  for (const CLI::App* at = app; at != nullptr; at = at->get_parent()) {
    for (const CLI::Option* option : at->get_options()) {
      for (const std::string& name : option->get_lnames()) {
        candidates.push_back(absl::StrCat("--", name));
      }
    }
  }
  const std::string nearest = Nearest(flag, candidates);
  return UsageError(
      absl::StrCat("`", FullName(*app), "` has no flag ", flag,
                   nearest.empty() ? "" : absl::StrCat("; did you mean ", nearest, "?")));
}

absl::Status UnknownCommand(const CLI::App* app, absl::string_view word) {
  std::vector<std::string> candidates;
  for (const CLI::App* command : VisibleCommands(*app)) candidates.push_back(command->get_name());
  const std::string nearest = Nearest(word, candidates);
  return UsageError(absl::StrCat(
      "\"", word, "\" is no command of `", FullName(*app), "`",
      nearest.empty() ? absl::StrCat("; there are ", absl::StrJoin(candidates, ", "))
                      : absl::StrCat("; did you mean `", FullName(*app), " ", nearest, "`?")));
}

const CLI::App* FindCommand(const CLI::App& app, const std::string& word) {
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (command->check_name(word)) return command;
  }
  return nullptr;
}

}  // namespace

CommandWalk WalkCommands(const CLI::App& root, const std::vector<std::string>& args) {
  CommandWalk walk{.app = &root};
  for (size_t i = 0; i < args.size() && args[i] != "--"; ++i) {
    const std::string& arg = args[i];
    if (arg == "-h" || arg == "--help") {
      walk.help = true;
      return walk;
    }
    if (arg == "--version") {
      walk.version = true;
      return walk;
    }
    if (arg.size() > 1 && arg[0] == '-') {
      const std::string name = arg.substr(0, arg.find('='));
      const CLI::Option* option = FindOption(walk.app, name);
      if (option == nullptr && absl::StartsWith(arg, "--") && walk.error.ok()) {
        walk.error = UnknownFlag(walk.app, name);
      }
      const bool takes_value = option != nullptr && option->get_items_expected_min() > 0;
      if (takes_value && name.size() == arg.size()) ++i;
      continue;
    }
    if (VisibleCommands(*walk.app).empty() || !walk.error.ok()) continue;
    const CLI::App* command = FindCommand(*walk.app, arg);
    if (command == nullptr) {
      walk.error = UnknownCommand(walk.app, arg);
    } else {
      walk.app = command;
    }
  }
  return walk;
}

std::string FullName(const CLI::App& app) {
  if (app.get_parent() == nullptr) return app.get_name();
  return absl::StrCat(FullName(*app.get_parent()), " ", app.get_name());
}

std::vector<const CLI::App*> VisibleCommands(const CLI::App& app) {
  std::vector<const CLI::App*> commands;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (!command->get_name().empty() && !command->get_group().empty()) commands.push_back(command);
  }
  return commands;
}

}  // namespace center::cli
