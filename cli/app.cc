#include "cli/app.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "CLI/CLI.hpp"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "cli/args.h"
#include "cli/commands.h"
#include "cli/completion.h"
#include "cli/context_file.h"
#include "cli/flags.h"
#include "cli/help.h"
#include "cli/man.h"
#include "cli/shell.h"
#include "cli/suggest.h"
#include "cli/text_width.h"
#include "cli/tls.h"
#include "cli/top.h"
#include "services/common/status_macros.h"

namespace center::cli {
namespace {

constexpr char kExamples[] =
    "Five commands to begin with:\n"
    "  centerctl coordinator start            # the daemon that looks after everything\n"
    "  centerctl server start -p 5000 -n 2    # two workers that take lines on port 5000\n"
    "  echo hello | centerctl send default    # or any program that writes to 127.0.0.1:5000\n"
    "  centerctl tail --from earliest         # what they received\n"
    "  centerctl worker list                  # how they are\n"
    "\n"
    "Exit codes: 0 ok, 1 failure, 2 usage, 3 not running, 64+N the coordinator answered status N.";

// What the global flags write into while the command line is parsed.
struct GlobalFlags {
  Globals globals;
  ContextChoice choice;
  std::string format;
  std::string color = "auto";
  rpc::TlsFiles tls;
};

void AddGlobalFlags(CLI::App& root, GlobalFlags& flags) {
  // No envname: a variable weighs less than a flag, which CLI11 does not tell apart.
  root.add_option("--address", flags.choice.address_flag,
                  "The coordinator: unix:/path or host:port (default: that of the context, or its "
                  "socket in $XDG_RUNTIME_DIR/center or /tmp/center-$UID; env CENTER_ADDRESS)")
      ->type_name("ADDR");
  root.add_option("--context", flags.choice.context_flag,
                  "A coordinator by name (default: the one in use; see `context`; env "
                  "CENTER_CONTEXT)")
      ->type_name("CONTEXT");
  AddChoice(root, "-o,--output", &flags.format, FormatNames(),
            "How answers are printed; pretty is for tail, raw for payloads and results (env "
            "CENTER_OUTPUT)")
      ->type_name("FORMAT")
      ->envname("CENTER_OUTPUT");
  const auto add_file = [&root](const char* name, std::string* path, const char* variable,
                                const std::string& what) {
    root.add_option(name, *path, absl::StrCat(what, ", PEM (env ", variable, ")"))
        ->type_name("FILE")
        ->envname(variable);
  };
  add_file("--tls-cert", &flags.tls.cert, "CENTER_TLS_CERT",
           "Over TCP, mutual TLS with this certificate");
  add_file("--tls-key", &flags.tls.key, "CENTER_TLS_KEY", "Its key");
  add_file("--tls-ca", &flags.tls.ca, "CENTER_TLS_CA", "Who signs the certificates of the others");
  AddDuration(root, "--timeout", &flags.globals.timeout,
              "How long to wait for an answer (default 10s; env CENTER_TIMEOUT)")
      ->envname("CENTER_TIMEOUT");
  root.add_flag("-q,--quiet", flags.globals.quiet,
                "No remarks on stderr, only errors (env CENTER_QUIET)")
      ->envname("CENTER_QUIET");
  root.add_flag("-y,--yes", flags.globals.yes,
                "Do not ask before what destroys; off a terminal nothing asks (env CENTER_YES)")
      ->envname("CENTER_YES");
  AddChoice(root, "--color", &flags.color, {"auto", "always", "never"},
            "Colours: auto is on a terminal and without NO_COLOR (env CENTER_COLOR)")
      ->envname("CENTER_COLOR");
}

// Flags and variables weigh more than the context.
void UseTlsFlags(const GlobalFlags& flags, Credentials* credentials) {
  if (!flags.tls.cert.empty()) credentials->tls_cert = flags.tls.cert;
  if (!flags.tls.key.empty()) credentials->tls_key = flags.tls.key;
  if (!flags.tls.ca.empty()) credentials->tls_ca = flags.tls.ca;
}

// One command line: the tree and what it selects.
class Invocation {
 public:
  explicit Invocation(const Dependencies& dependencies) : dependencies_(dependencies) {
    root_.name("centerctl");
    root_.fallthrough();
    // One noun: the words after it are never taken for another ("tail worker" reads a server).
    root_.require_subcommand(0, 1);
    root_.set_help_flag("-h,--help", "This screen, for any command");
    root_.set_version_flag("--version", "centerctl " CENTER_VERSION,
                           "The version of this program; `version` tells the coordinator's too");
    AddGlobalFlags(root_, flags_);
    AddCoordinatorCommands(root_, selection_);
    AddServerCommands(root_, selection_);
    AddClientCommands(root_, selection_);
    AddWorkerCommands(root_, selection_);
    AddTailCommand(root_, selection_);
    AddSendCommand(root_, selection_);
    AddEventsCommand(root_, selection_);
    AddTopCommand(root_, selection_);
    AddJobCommands(root_, selection_);
    AddJournalCommands(root_, selection_);
    AddExperimentCommand(root_, selection_);
    AddBenchCommands(root_, selection_);
    AddDrillCommand(root_, selection_);
    AddApplyCommand(root_, selection_);
    AddExportCommand(root_, selection_);
    AddContextCommands(root_, selection_);
    AddCompletionCommand(root_, selection_);
    AddVersionCommand(root_, selection_);
    AddShellCommand();
    CLI::App* help =
        root_.add_subcommand("help", "Show help for a command, or for the environment");
    help->add_option("COMMAND", help_words_, "The command, or `environment`")->type_name("COMMAND");
    help->footer(
        "Examples:\n"
        "  centerctl help server start\n"
        "  centerctl help environment       # the variables that stand in for flags");
    // Last: a command takes over its parent's footer when it is added.
    root_.footer(kExamples);
  }

  int Run(std::vector<std::string> args);

 private:
  // Moves what stands behind "--" to the selection, for a command that takes it so.
  void TakeWords(const CLI::App* command, std::vector<std::string>* args);
  void AddShellCommand();
  absl::Status Parse(const std::vector<std::string>& args);
  int ShowHelp(const std::vector<std::string>& words);
  int Fail(Context& context, const absl::Status& status, const CLI::App* show_help);

  const Dependencies& dependencies_;
  CLI::App root_{
      "Controls a fleet of ingestion servers: starts and stops them, shows how they are,\n"
      "reads what they received."};
  GlobalFlags flags_;
  Selection selection_;
  std::vector<std::string> help_words_;
};

// Here and not beside the nouns: the shell needs the whole tree.
void Invocation::AddShellCommand() {
  CLI::App* shell =
      root_.add_subcommand("shell",
                           "A prompt for these commands, with history and completion\n"
                           "Reads commands from stdin, one a line, when that is no terminal.");
  shell->footer(
      "Examples:\n"
      "  centerctl shell\n"
      "  printf '%s\\n' 'server start -n 2' 'server status' | centerctl shell");
  OnSelected(shell, selection_, [this](Context& context) {
    RETURN_IF_ERROR(
        RequireFormat(context, {Format::kTable, Format::kWide, Format::kJson, Format::kYaml,
                                Format::kName, Format::kPretty, Format::kRaw}));
    return RunShell(context, root_);
  });
}

// The design writes `--from cursor FILE`: two words that are one value.
void JoinCursorWords(std::vector<std::string>* args) {
  for (size_t i = 0; i + 2 < args->size() && (*args)[i] != "--"; ++i) {
    if ((*args)[i] != "--from" || (*args)[i + 1] != "cursor") continue;
    (*args)[i + 1] = absl::StrCat("cursor:", (*args)[i + 2]);
    args->erase(args->begin() + static_cast<std::ptrdiff_t>(i) + 2);
  }
}

void Invocation::TakeWords(const CLI::App* command, std::vector<std::string>* args) {
  const auto& takers = selection_.word_commands;
  if (std::find(takers.begin(), takers.end(), command) == takers.end()) return;
  const auto dashes = std::find(args->begin(), args->end(), "--");
  if (dashes == args->end()) return;
  selection_.words.assign(dashes + 1, args->end());
  args->erase(dashes, args->end());
}

absl::Status Invocation::Parse(const std::vector<std::string>& args) {
  std::vector<std::string> reversed(args.rbegin(), args.rend());
  try {
    root_.parse(std::move(reversed));
  } catch (const CLI::ExtrasError& error) {
    std::string extra;
    for (const std::string& word : root_.remaining(true)) {
      absl::StrAppend(&extra, extra.empty() ? "" : " ", word);
    }
    return UsageError(absl::StrCat("unexpected: ", extra.empty() ? error.what() : extra));
  } catch (const CLI::Error& error) {
    return UsageError(error.what());
  }
  if (!flags_.format.empty() && !ParseFormat(flags_.format, &flags_.globals.format)) {
    return UsageError(absl::StrCat("-o does not know ", flags_.format));
  }
  flags_.globals.address_flag = flags_.choice.address_flag;
  ChooseContext(flags_.choice, &flags_.globals);
  UseTlsFlags(flags_, &flags_.globals.credentials);
  flags_.globals.timeout_given = root_.get_option("--timeout")->count() > 0;
  if (flags_.globals.timeout == absl::ZeroDuration()) {
    flags_.globals.timeout = absl::InfiniteDuration();
  }
  flags_.globals.color = flags_.color == "always"  ? ColorMode::kAlways
                         : flags_.color == "never" ? ColorMode::kNever
                                                   : ColorMode::kAuto;
  return absl::OkStatus();
}

int Invocation::Fail(Context& context, const absl::Status& status, const CLI::App* show_help) {
  const std::string text = Explain(status);
  if (!text.empty()) {
    constexpr absl::string_view kName = "centerctl:";
    const Style& style = context.err_style();
    const std::string shown = WrapLines(absl::StrCat(kName, " ", text), style.columns());
    context.Warn(absl::StrCat(style(Color::kRed, kName), shown.substr(kName.size())));
  }
  if (show_help != nullptr)
    context.Warn(absl::StrCat("\n", HelpText(*show_help, HelpColumns(context.err_style()))));
  return ExitCodeOf(status);
}

int Invocation::ShowHelp(const std::vector<std::string>& words) {
  Context context(flags_.globals, dependencies_);
  if (words == std::vector<std::string>{kEnvironmentTopic}) {
    context.out().Append(EnvironmentHelp(HelpColumns(context.out_style())));
    return ExitCodeOf(context.out().Flush());
  }
  const CommandWalk walk = WalkCommands(root_, words);
  if (!walk.error.ok()) return Fail(context, walk.error, walk.app);
  context.out().Append(HelpText(*walk.app, HelpColumns(context.out_style())));
  return ExitCodeOf(context.out().Flush());
}

int Invocation::Run(std::vector<std::string> args) {
  // For programs: not in the tree, so that they are never shown or suggested.
  if (!args.empty() && (args[0] == kCompleteCommand || args[0] == kManCommand)) {
    ChooseContext({}, &flags_.globals);
    Context context(flags_.globals, dependencies_);
    if (args[0] == kManCommand) {
      context.out().Append(ManPage(root_));
      return ExitCodeOf(context.out().Flush());
    }
    args.erase(args.begin());
    return ExitCodeOf(PrintCompletion(context, root_, args));
  }
  JoinCursorWords(&args);
  const CommandWalk walk = WalkCommands(root_, args);
  if (args.empty() || (walk.help && walk.error.ok())) {
    Context context(flags_.globals, dependencies_);
    context.out().Append(HelpText(*walk.app, HelpColumns(context.out_style())));
    return ExitCodeOf(context.out().Flush());
  }
  if (walk.version && walk.error.ok()) {
    Context context(flags_.globals, dependencies_);
    context.out().Append("centerctl " CENTER_VERSION "\n");
    return ExitCodeOf(context.out().Flush());
  }
  TakeWords(walk.app, &args);
  absl::Status parsed = walk.error.ok() ? Parse(args) : walk.error;
  if (parsed.ok() && walk.app->get_name() == "help") return ShowHelp(help_words_);
  Context context(flags_.globals, dependencies_);
  if (!parsed.ok()) return Fail(context, parsed, walk.app);
  if (!selection_.run) {
    const absl::Status missing =
        UsageError(absl::StrCat("`", FullName(*walk.app), "` needs a command"));
    return Fail(context, missing, walk.app);
  }
  absl::Status result = ExplainSilence(context, SuggestName(context, selection_.run(context)));
  result.Update(context.out().Flush());
  return Fail(context, result, nullptr);
}

}  // namespace

absl::Status RequireFormat(const Context& context, std::initializer_list<Format> allowed) {
  const Format format = context.globals().format;
  if (format == Format::kDefault) return absl::OkStatus();
  std::string names;
  for (const Format candidate : allowed) {
    if (candidate == format) return absl::OkStatus();
    absl::StrAppend(&names, names.empty() ? "" : ", ", FormatName(candidate));
  }
  if (names.empty()) return UsageError("this command prints no data: leave out -o");
  return UsageError(
      absl::StrCat("this command does not print -o ", FormatName(format), ", but ", names));
}

int RunCenterctl(std::vector<std::string> args, const Dependencies& dependencies) {
  Invocation invocation(dependencies);
  return invocation.Run(std::move(args));
}

}  // namespace center::cli
