#include "cli/shell.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "center/v1/server.grpc.pb.h"
#include "cli/args.h"
#include "cli/child.h"
#include "cli/help.h"
#include "cli/line_editor.h"
#include "cli/line_source.h"
#include "cli/live_names.h"
#include "cli/monitor.h"
#include "cli/words.h"
#include "services/common/status_macros.h"
#include "services/common/text.h"

namespace center::cli {
namespace {

constexpr absl::Duration kHelloTimeout = absl::Milliseconds(500);

constexpr char kBuiltins[] =
    "In the shell there are also:\n"
    "  help [COMMAND]          this, or more about a command\n"
    "  monitor on [SERVER]     show events and payloads as they come, of all servers that run now\n"
    "  monitor off             show them no more\n"
    "  repeat [-i 2s] [-n N] COMMAND   again and again; Ctrl-C ends it\n"
    "  exit                    leave (also Ctrl-D); servers go on\n";

volatile std::sig_atomic_t interrupts = 0;

void CountInterrupt(int /*signal*/) { interrupts = interrupts + 1; }

// Ctrl-C belongs to the command that runs, not to us, as long as this lives; it is only counted.
class InterruptsCounted {
 public:
  InterruptsCounted() {
    interrupts = 0;
    struct sigaction count{};
    count.sa_handler = CountInterrupt;
    ::sigaction(SIGINT, &count, &interrupt_);
    ::sigaction(SIGQUIT, &count, &quit_);
  }
  ~InterruptsCounted() {
    ::sigaction(SIGINT, &interrupt_, nullptr);
    ::sigaction(SIGQUIT, &quit_, nullptr);
  }
  InterruptsCounted(const InterruptsCounted&) = delete;
  InterruptsCounted& operator=(const InterruptsCounted&) = delete;
  bool any() const { return interrupts != 0; }

 private:
  struct sigaction interrupt_{};
  struct sigaction quit_{};
};

// $XDG_STATE_HOME/center/history or ~/.local/state/center/history; "" when there is no home.
std::string HistoryFile() {
  const char* state = std::getenv("XDG_STATE_HOME");
  const char* home = std::getenv("HOME");
  std::string folder;
  if (state != nullptr && state[0] == '/') {
    folder = state;
  } else if (home != nullptr && home[0] == '/') {
    folder = absl::StrCat(home, "/.local/state");
  } else {
    return "";
  }
  folder += "/center";
  // Made by the first coordinator or by us; without it there is just no history file.
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) return "";
  return folder + "/history";
}

class Shell {
 public:
  Shell(Context& context, const CLI::App& root) : context_(context), root_(root) {}

  absl::Status RunAll();

 private:
  absl::Status RunInteractive(LineEditor& editor);
  absl::Status RunScript();
  void Greet(bool interactive, const std::function<bool(const std::string&)>& confirm);
  // False: leave.
  bool RunLine(const std::string& line);
  void RunWords(std::vector<std::string> words);
  int RunCommand(const std::vector<std::string>& words);
  void RunMonitor(const std::vector<std::string>& words);
  void StartMonitor(std::vector<std::string> servers);
  absl::StatusOr<std::vector<std::string>> ServersThatReceive();
  void RunRepeat(const std::vector<std::string>& words);
  void Help(const std::vector<std::string>& words);
  void Complain(absl::string_view what);
  // Our flags, as the commands' environment.
  std::vector<std::string> Environment() const;

  Context& context_;
  const CLI::App& root_;
  Monitor monitor_;
  int failed_ = 0;  // the exit code of the last command that failed
};

std::vector<std::string> Shell::Environment() const {
  const Globals& globals = context_.globals();
  std::vector<std::string> env = {absl::StrCat("CENTER_ADDRESS=", context_.address())};
  if (globals.format != Format::kDefault) {
    env.push_back(absl::StrCat("CENTER_OUTPUT=", FormatName(globals.format)));
  }
  if (globals.timeout_given) {
    env.push_back(absl::StrCat("CENTER_TIMEOUT=", absl::FormatDuration(globals.timeout)));
  }
  if (!globals.context.empty()) env.push_back(absl::StrCat("CENTER_CONTEXT=", globals.context));
  const auto add_file = [&env](const char* name, const std::string& path) {
    if (!path.empty()) env.push_back(absl::StrCat(name, "=", path));
  };
  add_file("CENTER_TLS_CERT", globals.credentials.tls_cert);
  add_file("CENTER_TLS_KEY", globals.credentials.tls_key);
  add_file("CENTER_TLS_CA", globals.credentials.tls_ca);
  if (globals.quiet) env.emplace_back("CENTER_QUIET=1");
  if (globals.yes) env.emplace_back("CENTER_YES=1");
  if (globals.color == ColorMode::kAlways) env.emplace_back("CENTER_COLOR=always");
  if (globals.color == ColorMode::kNever) env.emplace_back("CENTER_COLOR=never");
  return env;
}

void Shell::Complain(absl::string_view what) {
  failed_ = kExitUsage;
  context_.Warn(absl::StrCat(context_.err_style()(Color::kRed, "centerctl:"), " ", what));
}

int Shell::RunCommand(const std::vector<std::string>& words) {
  const InterruptsCounted counted;
  auto pid = StartSelf({.args = words, .env = Environment()});
  if (!pid.ok()) {
    Complain(pid.status().message());
    return kExitFailure;
  }
  const auto exit_code = WaitForExit(*pid);
  if (!exit_code.ok()) {
    Complain(exit_code.status().message());
    return kExitFailure;
  }
  if (counted.any()) context_.ErrText("\n");  // behind the terminal's ^C
  if (*exit_code != 0) failed_ = *exit_code;
  return *exit_code;
}

void Shell::RunMonitor(const std::vector<std::string>& words) {
  const std::string what = words.size() >= 2 ? words[1] : "";
  if (what == "off" && words.size() == 2) {
    monitor_.Stop();
  } else if (what == "on") {
    return StartMonitor({words.begin() + 2, words.end()});
  } else if (words.size() > 1) {
    return Complain("`monitor` takes on or off");
  }
  context_.Say(monitor_.on() ? "monitor: on" : "monitor: off");
}

void Shell::StartMonitor(std::vector<std::string> servers) {
  if (servers.empty()) {
    auto found = ServersThatReceive();
    if (!found.ok()) return Complain(found.status().message());
    servers = *std::move(found);
  }
  if (absl::Status started = monitor_.Start(Environment(), servers); !started.ok()) {
    return Complain(started.message());
  }
  const size_t followed = std::min(servers.size(), kMonitorServersMax);
  if (followed < servers.size()) {
    context_.Say(absl::StrCat("monitor: on, for events and the first ", followed, " of ",
                              servers.size(), " servers; `monitor on SERVER` chooses"));
  } else if (servers.empty()) {
    context_.Say("monitor: on, for events; again when a server runs: for its payloads, too");
  } else {
    context_.Say(absl::StrCat("monitor: on, for events and ", absl::StrJoin(servers, ", ")));
  }
}

absl::StatusOr<std::vector<std::string>> Shell::ServersThatReceive() {
  v1::ListServersRequest request;
  request.set_page_size(kMonitorServersMax * 2);
  // Its own: the shell's channel may have given up before there was a coordinator.
  Context asking(context_.globals(), context_.dependencies());
  const auto answer =
      asking.Call<v1::ServerService>(&v1::ServerService::Stub::ListServers, request);
  RETURN_IF_ERROR(answer.status());
  std::vector<std::string> names;
  for (const v1::Server& server : answer->servers()) {
    const bool runs =
        server.state() != v1::SERVER_STATE_STOPPED && server.state() != v1::SERVER_STATE_FAILED;
    if (runs && !server.spec().no_listen()) names.push_back(server.name());
  }
  return names;
}

void Shell::RunRepeat(const std::vector<std::string>& words) {
  absl::Duration interval = absl::Seconds(1);
  uint64_t count = 0;  // no end
  size_t at = 1;
  for (; at + 1 < words.size() && (words[at] == "-i" || words[at] == "-n"); at += 2) {
    if (words[at] == "-n") {
      if (!absl::SimpleAtoi(words[at + 1], &count) || count == 0) {
        return Complain(absl::StrCat("-n takes a number from 1, not '", words[at + 1], "'"));
      }
      continue;
    }
    const auto parsed = ParseDurationFlag(words[at + 1]);
    if (!parsed.ok()) return Complain(parsed.status().message());
    interval = *parsed;
  }
  if (at >= words.size()) return Complain("`repeat` needs a command");
  const std::vector<std::string> command(words.begin() + static_cast<std::ptrdiff_t>(at),
                                         words.end());
  for (uint64_t i = 0; count == 0 || i < count; ++i) {
    const InterruptsCounted counted;
    const timespec pause = absl::ToTimespec(interval);
    if (i > 0 && ::nanosleep(&pause, nullptr) != 0) {
      context_.ErrText("\n");  // behind the terminal's ^C
      break;
    }
    RunCommand(command);
    if (counted.any()) break;
  }
}

void Shell::Help(const std::vector<std::string>& words) {
  if (words.size() == 2 && words[1] == kEnvironmentTopic) {
    context_.out().Append(EnvironmentHelp(HelpColumns(context_.out_style())));
    return;
  }
  const CommandWalk walk =
      WalkCommands(root_, std::vector<std::string>(words.begin() + 1, words.end()));
  if (!walk.error.ok()) Complain(walk.error.message());
  context_.out().Append(HelpText(*walk.app, HelpColumns(context_.out_style())));
  if (walk.app == &root_) context_.out().Append(absl::StrCat("\n", kBuiltins));
}

void Shell::RunWords(std::vector<std::string> words) {
  if (words.front() == "centerctl") words.erase(words.begin());  // from habit
  if (words.empty()) return;
  if (words.front() == "monitor") return RunMonitor(words);
  if (words.front() == "repeat") return RunRepeat(words);
  if (words.front() == "shell") return Complain("this is the shell");
  if (words.front() == "help") {
    Help(words);
    if (absl::Status flushed = context_.out().Flush(); !flushed.ok()) failed_ = kExitFailure;
    return;
  }
  RunCommand(words);
}

bool Shell::RunLine(const std::string& line) {
  const auto words = SplitWords(line);
  if (!words.ok()) {
    Complain(words.status().message());
  } else if (!words->empty()) {
    if (words->front() == "exit" || words->front() == "quit") return false;
    RunWords(*words);
  }
  return true;
}

void Shell::Greet(bool interactive, const std::function<bool(const std::string&)>& confirm) {
  const auto self = context_.Call<v1::ServerService>(&v1::ServerService::Stub::GetCoordinator,
                                                     v1::GetCoordinatorRequest(), kHelloTimeout);
  if (self.ok()) {
    const v1::Coordinator& coordinator = self->coordinator();
    context_.Say(absl::StrCat(
        "Center ", coordinator.version(), " at ", context_.address(), ": ", coordinator.servers(),
        coordinator.servers() == 1 ? " server, " : " servers, ", coordinator.workers(),
        coordinator.workers() == 1 ? " worker" : " workers", ". help, exit; tab completes."));
    return;
  }
  if (!interactive) return;
  context_.Warn(absl::StrCat("No coordinator answers at ", context_.address(), "."));
  if (confirm("Start one here? [Y/n] ")) RunCommand({"coordinator", "start"});
}

absl::Status Shell::RunInteractive(LineEditor& editor) {
  std::string line;
  for (;;) {
    switch (editor.Read(&line)) {
      case LineEditor::Result::kInterrupted:
        continue;
      case LineEditor::Result::kEnd:
        context_.ErrText("\n");
        return absl::OkStatus();
      case LineEditor::Result::kLine:
        break;
    }
    if (!absl::StripAsciiWhitespace(line).empty()) editor.AddHistory(line);
    if (!RunLine(line)) return absl::OkStatus();
  }
}

absl::Status Shell::RunScript() {
  LineSource source(context_.dependencies().in_fd);
  std::string line;
  for (;;) {
    ASSIGN_OR_RETURN(const bool more, source.Next(&line));
    if (!more || !RunLine(line)) break;
  }
  return failed_ == 0 ? absl::OkStatus() : QuietExit(failed_);
}

absl::Status Shell::RunAll() {
  // A fresh context for each look-up: names change, and so does the coordinator.
  const auto complete = [this](const Typed& typed) {
    Context asking(context_.globals(), context_.dependencies());
    return Complete(root_, typed, MakeLiveNames(asking));
  };
  auto editor = LineEditor::Create({.history_file = HistoryFile(),
                                    .complete = complete,
                                    .watched_fd = [this] { return monitor_.fd(); },
                                    .read_watched = [this] { return monitor_.Read(); }});
  if (!editor.ok()) {
    Greet(/*interactive=*/false, nullptr);
    return RunScript();
  }
  Greet(/*interactive=*/true, [&editor](const std::string& question) {
    std::string answer;
    const bool given = (*editor)->Ask(question, &answer) == LineEditor::Result::kLine;
    return given && (answer.empty() || answer[0] == 'y' || answer[0] == 'Y');
  });
  return RunInteractive(**editor);
}

}  // namespace

absl::Status RunShell(Context& context, const CLI::App& root) {
  return Shell(context, root).RunAll();
}

}  // namespace center::cli
