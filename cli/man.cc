#include "cli/man.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "cli/args.h"
#include "cli/help.h"

namespace center::cli {
namespace {

// The page's date, as man(7) wants one: when its form was last changed.
constexpr char kRevised[] = "2026-11-25";

// Text as roff takes it: no request or escape by accident, and dashes that can be copied.
std::string Roff(absl::string_view text) {
  std::string out;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    if (!out.empty()) out += '\n';
    if (absl::StartsWith(line, ".") || absl::StartsWith(line, "'")) out += "\\&";
    absl::StrAppend(&out, absl::StrReplaceAll(line, {{"\\", "\\e"}, {"-", "\\-"}}));
  }
  return out;
}

std::string Example(absl::string_view text) { return absl::StrCat(".nf\n", Roff(text), "\n.fi\n"); }

void AppendOptions(const CLI::App& app, std::string* out) {
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_group().empty()) continue;
    std::string term;
    if (option->nonpositional()) {
      for (const std::string& name : option->get_snames()) absl::StrAppend(&term, "-", name, ", ");
      for (const std::string& name : option->get_lnames()) absl::StrAppend(&term, "--", name, ", ");
      term.resize(term.size() - 2);
      if (option->get_items_expected_min() > 0) {
        absl::StrAppend(&term, " ", option->get_type_name());
      }
    } else {
      term = option->get_type_name();
    }
    absl::StrAppend(out, ".TP\n.B ", Roff(term), "\n", Roff(option->get_description()), "\n");
  }
}

void AppendCommand(const CLI::App& app, std::string* out) {
  const auto commands = VisibleCommands(app);
  if (commands.empty()) {
    absl::StrAppend(out, ".SS ", Roff(FullName(app)), "\n", Roff(app.get_description()), "\n");
    AppendOptions(app, out);
    if (!app.get_footer().empty()) absl::StrAppend(out, ".PP\n", Example(app.get_footer()));
    return;
  }
  for (const CLI::App* command : commands) AppendCommand(*command, out);
}

}  // namespace

std::string ManPage(const CLI::App& root) {
  std::string out = absl::StrCat(".TH CENTERCTL 1 ", kRevised,
                                 " \"Center " CENTER_VERSION
                                 "\" \"Center\"\n"
                                 ".SH NAME\ncenterctl \\- controls a fleet of ingestion servers\n"
                                 ".SH SYNOPSIS\n.B centerctl\n[flags] command [arguments]\n"
                                 ".SH DESCRIPTION\n",
                                 Roff(root.get_description()), "\n.SH \"GLOBAL FLAGS\"\n");
  AppendOptions(root, &out);
  absl::StrAppend(&out, ".SH COMMANDS\n");
  AppendCommand(root, &out);
  absl::StrAppend(&out, ".SH ENVIRONMENT\n");
  for (const auto& [variable, what] : EnvironmentVariables()) {
    absl::StrAppend(&out, ".TP\n.B ", Roff(variable), "\n", Roff(what), ".\n");
  }
  absl::StrAppend(&out,
                  ".SH \"EXIT STATUS\"\n"
                  ".TP\n0\nEverything went well.\n.TP\n1\nIt failed.\n.TP\n2\nThe command line is "
                  "wrong.\n.TP\n3\nWhat is talked to does not run.\n.TP\n64+N\nThe coordinator "
                  "answered with gRPC status N.\n");
  if (!root.get_footer().empty()) {
    absl::StrAppend(&out, ".SH EXAMPLES\n", Example(root.get_footer()));
  }
  return out;
}

}  // namespace center::cli
