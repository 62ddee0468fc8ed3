#include "cli/help.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "cli/args.h"

namespace center::cli {
namespace {

using Entries = std::vector<std::pair<std::string, std::string>>;

// "  name   what it is", the right column wrapped.
void AppendEntries(absl::string_view title, const Entries& entries, size_t width,
                   std::string* out) {
  if (entries.empty()) return;
  constexpr size_t kLeftMax = 34;
  size_t left = 0;
  for (const auto& [name, text] : entries) {
    if (name.size() <= kLeftMax) left = std::max(left, name.size());
  }
  absl::StrAppend(out, "\n", title, ":\n");
  for (const auto& [name, text] : entries) {
    std::string line = absl::StrCat("  ", name);
    const size_t indent = left + 5;
    if (name.size() > left) {
      absl::StrAppend(out, line, "\n");
      line.clear();
    }
    line.resize(indent, ' ');
    bool first = true;
    for (const absl::string_view word : absl::StrSplit(text, ' ', absl::SkipEmpty())) {
      if (!first && line.size() + 1 + word.size() > width) {
        absl::StrAppend(out, line, "\n");
        line.assign(indent, ' ');
        first = true;
      }
      absl::StrAppend(&line, first ? "" : " ", word);
      first = false;
    }
    absl::StrAppend(out, absl::StripTrailingAsciiWhitespace(line), "\n");
  }
}

std::string OptionName(const CLI::Option& option) {
  std::string name =
      option.get_snames().empty() ? "    " : absl::StrCat("-", option.get_snames()[0]);
  for (const std::string& longer : option.get_lnames()) {
    absl::StrAppend(&name, option.get_snames().empty() ? "" : ", ", "--", longer);
    break;
  }
  if (option.get_items_expected_min() > 0) absl::StrAppend(&name, " ", option.get_type_name());
  return name;
}

Entries Flags(const CLI::App& app) {
  Entries entries;
  for (const CLI::Option* option : app.get_options()) {
    if (option->nonpositional() && !option->get_group().empty()) {
      entries.emplace_back(OptionName(*option), option->get_description());
    }
  }
  return entries;
}

Entries Arguments(const CLI::App& app) {
  Entries entries;
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_positional() && !option->nonpositional()) {
      entries.emplace_back(option->get_type_name(), option->get_description());
    }
  }
  return entries;
}

std::string Usage(const CLI::App& app, bool has_commands) {
  std::string usage = absl::StrCat("Usage: ", FullName(app));
  for (const CLI::Option* option : app.get_options()) {
    if (!option->get_positional() || option->nonpositional()) continue;
    const std::string name = option->get_type_name();
    absl::StrAppend(&usage, " ", option->get_required() ? name : absl::StrCat("[", name, "]"));
  }
  if (has_commands)
    absl::StrAppend(&usage, app.get_parent() == nullptr ? " [flags] <command>" : " <command>");
  if (app.get_parent() != nullptr) absl::StrAppend(&usage, " [flags]");
  return usage + "\n";
}

}  // namespace

std::string HelpText(const CLI::App& app, size_t width) {
  std::string out = absl::StrCat(app.get_description(), "\n\n");
  Entries commands;
  for (const CLI::App* command : VisibleCommands(app)) {
    std::string summary = command->get_description();
    summary = summary.substr(0, summary.find('\n'));
    // A noun shows its verbs: most users look for those.
    std::string verbs;
    for (const CLI::App* verb : VisibleCommands(*command)) {
      absl::StrAppend(&verbs, verbs.empty() ? " " : "|", verb->get_name());
    }
    commands.emplace_back(absl::StrCat(command->get_name(), verbs), summary);
  }
  absl::StrAppend(&out, Usage(app, !commands.empty()));
  AppendEntries("Commands", commands, width, &out);
  AppendEntries("Arguments", Arguments(app), width, &out);
  AppendEntries(app.get_parent() == nullptr ? "Global flags" : "Flags", Flags(app), width, &out);
  if (!app.get_footer().empty()) absl::StrAppend(&out, "\n", app.get_footer(), "\n");
  if (app.get_parent() != nullptr) {
    absl::StrAppend(&out,
                    "\nExit codes: 0 ok, 1 failure, 2 usage, 3 not running, 64+N gRPC status N.\n");
  }
  if (!commands.empty()) {
    absl::StrAppend(&out, app.get_parent() == nullptr ? "\n" : "", "`", FullName(app),
                    " <command> --help` tells more about a command.\n");
  } else if (app.get_parent() != nullptr) {
    absl::StrAppend(&out, "`centerctl --help` shows the flags that every command takes.\n");
  }
  return out;
}

}  // namespace center::cli
