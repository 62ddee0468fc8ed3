// `coordinator start|stop|restart|status`: the daemon that everything else talks to.
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "center/v1/server.grpc.pb.h"
#include "cli/commands.h"
#include "cli/consent.h"
#include "cli/coordinator_process.h"
#include "cli/daemon.h"
#include "cli/flags.h"
#include "cli/views.h"
#include "services/common/net_address.h"
#include "services/common/status_macros.h"
#include "services/common/text.h"

namespace center::cli {
namespace {

constexpr absl::Duration kProbeTimeout = absl::Seconds(1);

struct StartFlags {
  std::string data_dir;
  std::vector<std::string> listen;
  std::string http;
  std::string log_format;
  std::string log_level;
  bool insecure = false;
  bool foreground = false;
  bool dry_run = false;
  std::string config;
  std::vector<std::string> extra;
};

// $XDG_STATE_HOME/center, ~/.local/state/center, or /var/lib/center for a user without a home.
std::string DefaultDataDir() {
  const char* state = std::getenv("XDG_STATE_HOME");
  if (state != nullptr && *state == '/') return absl::StrCat(state, "/center");
  const char* home = std::getenv("HOME");
  if (home != nullptr && *home == '/') return absl::StrCat(home, "/.local/state/center");
  return "/var/lib/center";
}

absl::StatusOr<std::string> MakeDataDir(const std::string& wanted) {
  const std::string dir = wanted.empty() ? DefaultDataDir() : wanted;
  RETURN_IF_ERROR(MakeDirectories(dir));
  char resolved[PATH_MAX];
  if (::realpath(dir.c_str(), resolved) == nullptr) return ErrnoStatus(errno, dir);
  return std::string(resolved);
}

std::vector<std::string> CoordinatorArgs(const Context& context, const StartFlags& flags,
                                         const std::string& data_dir) {
  std::vector<std::string> args = {"--data-dir", data_dir};
  std::vector<std::string> listen = flags.listen;
  // A context that names the default address means a coordinator as it is by default, which serves
  // more than that socket.
  const Globals& globals = context.globals();
  const bool usual = !globals.context.empty() && globals.address_flag.empty() &&
                     globals.address == absl::StrCat("unix:", DefaultRuntimeDir(), "/center.sock");
  if (listen.empty() && !globals.address.empty() && !usual) listen = {globals.address};
  for (const std::string& where : listen) {
    args.push_back("--listen");
    args.push_back(where);
  }
  const auto add = [&](const char* flag, const std::string& value) {
    if (value.empty()) return;
    args.push_back(flag);
    args.push_back(value);
  };
  add("--config", flags.config);
  add("--http", flags.http);
  add("--log-format", flags.log_format);
  add("--log-level", flags.log_level);
  if (flags.insecure) args.push_back("--insecure");
  // Those of a context are a person's.
  if (globals.context.empty()) {
    add("--tls-cert", globals.credentials.tls_cert);
    add("--tls-key", globals.credentials.tls_key);
    add("--tls-ca", globals.credentials.tls_ca);
  }
  args.insert(args.end(), flags.extra.begin(), flags.extra.end());
  return args;
}

// Replaces this process: for containers and service managers.
absl::Status Exec(const std::string& program, const std::vector<std::string>& args) {
  std::vector<char*> argv = {const_cast<char*>(program.c_str())};
  for (const std::string& arg : args) argv.push_back(const_cast<char*>(arg.c_str()));
  argv.push_back(nullptr);
  ::execv(program.c_str(), argv.data());
  return ErrnoStatus(errno, absl::StrCat("run ", program));
}

absl::Status WritePidFile(const std::string& path, int64_t pid) {
  std::ofstream file(path, std::ios::trunc);
  file << pid << "\n";
  file.close();
  if (!file) return ErrnoStatus(errno, absl::StrCat("write ", path));
  return absl::OkStatus();
}

absl::Status PrintCoordinator(Context& context, const v1::Coordinator& coordinator) {
  const Format format = context.globals().format;
  if (format == Format::kJson || format == Format::kYaml) {
    ASSIGN_OR_RETURN(const std::string text, Render(coordinator, format));
    context.out().Append(text);
    return absl::OkStatus();
  }
  if (format == Format::kName) {
    context.out().Append("coordinator\n");
    return absl::OkStatus();
  }
  const absl::Time start = absl::FromUnixSeconds(coordinator.start_time().seconds());
  Table table = Sheet();
  table.AddRow({"State", {"RUNNING", Color::kGreen}});
  table.AddRow({"PID", absl::StrCat(coordinator.pid())});
  table.AddRow({"Version", coordinator.version()});
  table.AddRow({"Up", FormatAge(context.clock().Wall() - start)});
  table.AddRow({"Addresses", absl::StrJoin(coordinator.addresses(), ", ")});
  const std::string& http = coordinator.http_address();
  table.AddRow({"HTTP", http.empty() ? "off" : absl::StrCat("http://", http, "/metrics")});
  table.AddRow({"Data", coordinator.data_dir()});
  table.AddRow({"Servers", absl::StrCat(coordinator.servers())});
  table.AddRow({"Workers", absl::StrCat(coordinator.workers())});
  context.out().Append(table.Render(context.out_style(), false));
  return absl::OkStatus();
}

// The context in which the new coordinator is asked: where it was told to listen, on a unix socket
// if there is one, which needs no certificate for its name.
Globals GlobalsOfStarted(const Context& context, const StartFlags& flags) {
  Globals globals = context.globals();
  if (globals.address.empty() && !flags.listen.empty()) {
    const auto local = std::find_if(flags.listen.begin(), flags.listen.end(),
                                    [](const auto& one) { return absl::StartsWith(one, "unix:"); });
    globals.address = local == flags.listen.end() ? flags.listen[0] : *local;
  }
  return globals;
}

absl::Status Start(Context& outer, const StartFlags& flags) {
  RETURN_IF_ERROR(
      RequireFormat(outer, {Format::kTable, Format::kJson, Format::kYaml, Format::kName}));
  Context context(GlobalsOfStarted(outer, flags), outer.dependencies());
  if (const auto at = ParseNetAddress(context.address());
      at.ok() && !at->is_unix && at->port == 0) {
    return UsageError(absl::StrCat("--listen ", context.address(),
                                   ": nobody could tell which port the kernel has chosen; ",
                                   "name one, or add a unix socket: --listen unix:/path"));
  }
  const auto running = AskCoordinator(context, kProbeTimeout);
  if (running.ok()) {
    return WithHint(absl::AlreadyExistsError(
                        absl::StrCat("a coordinator runs already at ", context.address(), ": pid ",
                                     running->pid(), ", data in ", running->data_dir())),
                    "`centerctl coordinator stop` ends it; --listen starts another elsewhere.");
  }
  if (ExitCodeOf(running.status()) == kExitUsage) return running.status();
  if (flags.dry_run) {
    const std::string dir = flags.data_dir.empty() ? DefaultDataDir() : flags.data_dir;
    return PrintDryRun(context, {absl::StrCat("start a coordinator at ", context.address(),
                                              " with its data in ", dir)});
  }
  ASSIGN_OR_RETURN(const std::string data_dir, MakeDataDir(flags.data_dir));
  ASSIGN_OR_RETURN(const DaemonSpec spec,
                   CoordinatorSpec(context, data_dir, CoordinatorArgs(outer, flags, data_dir)));
  if (flags.foreground) return Exec(spec.program, spec.args);
  ASSIGN_OR_RETURN(StartedCoordinator started, StartCoordinator(spec));
  RETURN_IF_ERROR(WritePidFile(absl::StrCat(data_dir, "/coordinator.pid"), started.process.pid()));
  ASSIGN_OR_RETURN(const v1::Coordinator coordinator, WaitForCoordinator(context, started, spec));
  context.Say(absl::StrCat("coordinator started: pid ", coordinator.pid(), ", ",
                           absl::StrJoin(coordinator.addresses(), ", "), ", data in ",
                           coordinator.data_dir()));
  if (context.globals().format != Format::kDefault) {
    RETURN_IF_ERROR(PrintCoordinator(context, coordinator));
  }
  return context.out().Flush();
}

// Over a connection of its own, which is closed again: one that is idle, and that therefore nobody
// polls, does not see that the server wants it to go, and the server waits for it.
absl::StatusOr<v1::Coordinator> AskAndDisconnect(const Context& context) {
  Context asking(context.globals(), context.dependencies());
  return AskCoordinator(asking, context.globals().timeout);
}

// A coordinator that runs on this machine, to be ended.
absl::StatusOr<v1::Coordinator> FindHere(const Context& context) {
  ASSIGN_OR_RETURN(v1::Coordinator coordinator, AskAndDisconnect(context));
  ASSIGN_OR_RETURN(const NetAddress address, ParseNetAddress(context.address()));
  if (!address.IsLocal()) {
    return absl::FailedPreconditionError(
        absl::StrCat("the coordinator at ", context.address(),
                     " is on another machine: it can only be stopped there"));
  }
  return coordinator;
}

// How a process was run, so that another can be run just so.
struct RunBefore {
  std::vector<std::string> args;  // without the program's name
  std::string folder;
};

absl::StatusOr<RunBefore> HowItRuns(int64_t pid) {
  ASSIGN_OR_RETURN(const std::string text, ReadSmallFile(absl::StrCat("/proc/", pid, "/cmdline")));
  RunBefore run;
  run.args = absl::StrSplit(absl::StripSuffix(text, absl::string_view("\0", 1)), '\0');
  run.args.erase(run.args.begin());
  char folder[PATH_MAX];
  const std::string link = absl::StrCat("/proc/", pid, "/cwd");
  const ssize_t length = ::readlink(link.c_str(), folder, sizeof folder);
  if (length < 0) return ErrnoStatus(errno, link);
  run.folder.assign(folder, static_cast<size_t>(length));
  return run;
}

// The workers go on meanwhile: the old coordinator leaves them, the new one adopts them.
absl::Status Restart(Context& context, bool dry_run) {
  RETURN_IF_ERROR(
      RequireFormat(context, {Format::kTable, Format::kJson, Format::kYaml, Format::kName}));
  ASSIGN_OR_RETURN(const v1::Coordinator before, FindHere(context));
  if (dry_run) {
    return PrintDryRun(
        context, {absl::StrCat("replace the coordinator, process ", before.pid(), "; ",
                               Counted(before.workers(), "worker", "workers"), " would go on")});
  }
  ASSIGN_OR_RETURN(DaemonProcess old, DaemonProcess::Find(before.pid()));
  ASSIGN_OR_RETURN(RunBefore run, HowItRuns(before.pid()));
  // First what can go wrong while the old one still runs.
  ASSIGN_OR_RETURN(DaemonSpec spec,
                   CoordinatorSpec(context, before.data_dir(), std::move(run.args)));
  spec.folder = std::move(run.folder);
  RETURN_IF_ERROR(old.Signal(SIGUSR2));
  if (!old.WaitForEnd(context.globals().timeout)) {
    return absl::DeadlineExceededError(absl::StrCat(
        "the coordinator (pid ", before.pid(), ") was told to leave but has not within ",
        FormatShortDuration(context.globals().timeout), "; no other was started"));
  }
  ASSIGN_OR_RETURN(StartedCoordinator started, StartCoordinator(spec));
  RETURN_IF_ERROR(
      WritePidFile(absl::StrCat(before.data_dir(), "/coordinator.pid"), started.process.pid()));
  ASSIGN_OR_RETURN(const v1::Coordinator after, WaitForCoordinator(context, started, spec));
  context.Say(absl::StrCat("coordinator restarted: pid ", before.pid(), " (version ",
                           before.version(), ") is followed by pid ", after.pid(), " (version ",
                           after.version(), "); ", after.workers(), " workers go on"));
  if (context.globals().format != Format::kDefault) {
    RETURN_IF_ERROR(PrintCoordinator(context, after));
  }
  return context.out().Flush();
}

absl::Status Stop(Context& context, bool dry_run) {
  // Only a dry run has something to print.
  RETURN_IF_ERROR(dry_run ? RequireFormat(context, {Format::kJson, Format::kYaml})
                          : RequireFormat(context, {}));
  ASSIGN_OR_RETURN(const v1::Coordinator coordinator, FindHere(context));
  const std::string servers = Counted(coordinator.servers(), "server", "servers");
  if (dry_run) {
    return PrintDryRun(context,
                       {absl::StrCat("drain ", servers, ", then end the coordinator, process ",
                                     coordinator.pid())});
  }
  if (coordinator.servers() > 0) {
    RETURN_IF_ERROR(
        Confirm(context, absl::StrCat("This stops ", servers, ", ",
                                      coordinator.servers() == 1 ? "which runs" : "which run")));
  }
  ASSIGN_OR_RETURN(DaemonProcess daemon, DaemonProcess::Find(coordinator.pid()));
  RETURN_IF_ERROR(daemon.Terminate());
  if (!daemon.WaitForEnd(context.globals().timeout)) {
    return absl::DeadlineExceededError(absl::StrCat(
        "the coordinator (pid ", coordinator.pid(), ") was told to end but has not within ",
        FormatShortDuration(context.globals().timeout), "; it goes on ending"));
  }
  const std::string pid_path = absl::StrCat(coordinator.data_dir(), "/coordinator.pid");
  const auto pid_text = ReadSmallFile(pid_path, 64);
  if (pid_text.ok() && *pid_text == absl::StrCat(coordinator.pid(), "\n") &&
      ::unlink(pid_path.c_str()) != 0) {
    context.Warn(absl::StrCat("could not remove ", pid_path));
  }
  context.Say(absl::StrCat("coordinator stopped: pid ", coordinator.pid()));
  return absl::OkStatus();
}

absl::Status Status(Context& context) {
  RETURN_IF_ERROR(RequireFormat(
      context, {Format::kTable, Format::kWide, Format::kJson, Format::kYaml, Format::kName}));
  ASSIGN_OR_RETURN(const v1::Coordinator coordinator,
                   AskCoordinator(context, context.globals().timeout));
  return PrintCoordinator(context, coordinator);
}

}  // namespace

void AddCoordinatorCommands(CLI::App& root, Selection& selection) {
  CLI::App* noun = root.add_subcommand(
      "coordinator", "Start, stop and show the daemon that looks after everything");
  noun->require_subcommand(0, 1);

  CLI::App* start = noun->add_subcommand("start", "Start the coordinator in the background");
  auto flags = std::make_shared<StartFlags>();
  start
      ->add_option("--data-dir", flags->data_dir,
                   "Where it keeps its state and the journals (default: $XDG_STATE_HOME/center or "
                   "~/.local/state/center; env CENTER_DATA_DIR)")
      ->type_name("DIR")
      ->envname("CENTER_DATA_DIR");
  start
      ->add_option("--listen", flags->listen,
                   "Where it answers, may be repeated (default: --address when given, else its "
                   "unix socket and 127.0.0.1:7070)")
      ->type_name("ADDR")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  start
      ->add_option("--config", flags->config,
                   "A TOML file with more settings, and with the servers that are wanted (as for "
                   "`apply`; env CENTER_CONFIG)")
      ->type_name("FILE")
      ->envname("CENTER_CONFIG");
  start
      ->add_option(
          "--http", flags->http,
          "Where it serves /livez, /readyz and /metrics (default 127.0.0.1:7071 where free)")
      ->type_name("ADDR|off");
  AddChoice(*start, "--log-format", &flags->log_format, {"text", "json"}, "How it logs");
  AddChoice(*start, "--log-level", &flags->log_level, {"trace", "debug", "info", "warn", "error"},
            "How much it logs (default info)");
  start->add_flag("--insecure", flags->insecure, "Allow addresses beyond this machine without TLS");
  start->add_flag("--foreground", flags->foreground,
                  "Become the coordinator instead of starting one: for containers and systemd");
  start->add_flag("--dry-run", flags->dry_run, "Only say what would be done");
  start->add_option("EXTRA", flags->extra, "More flags for center-coordinator, after --")
      ->type_name("-- ARGS");
  start->footer(
      "Examples:\n"
      "  centerctl coordinator start\n"
      "  centerctl coordinator start --data-dir /srv/center --listen 127.0.0.1:7070");
  OnSelected(start, selection, [flags](Context& context) { return Start(context, *flags); });

  CLI::App* stop = noun->add_subcommand("stop", "End the coordinator and wait until it has ended");
  stop->footer(
      "All servers are drained first; the next start brings them back.\n\nExamples:\n  centerctl "
      "coordinator stop");
  auto stop_dry_run = AddDryRun(stop);
  OnSelected(stop, selection, [=](Context& context) { return Stop(context, *stop_dry_run); });
  CLI::App* restart = noun->add_subcommand(
      "restart", "Replace the coordinator's process, also by a newer program; workers go on");
  restart->footer(
      "The old one ends without draining anything (SIGUSR2), the program beside this centerctl is\n"
      "started with the same flags and takes over all workers as they are: no connection is lost.\n"
      "One that systemd runs is restarted with `systemctl kill -s SIGUSR2 center-coordinator`.\n\n"
      "Examples:\n  centerctl coordinator restart");
  auto restart_dry_run = AddDryRun(restart);
  OnSelected(restart, selection,
             [=](Context& context) { return Restart(context, *restart_dry_run); });
  CLI::App* status =
      noun->add_subcommand("status", "Show the coordinator; exit code 3 when none runs");
  status->footer("Examples:\n  centerctl coordinator status -o json");
  OnSelected(status, selection, Status);
}

}  // namespace center::cli
