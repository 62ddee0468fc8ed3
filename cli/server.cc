// `server start|stop|status|list`; the others are in server_change.cc and server_params.cc.
#include <algorithm>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "center/v1/server.grpc.pb.h"
#include "cli/commands.h"
#include "cli/consent.h"
#include "cli/request_id.h"
#include "cli/server_change.h"
#include "cli/server_flags.h"
#include "cli/server_print.h"
#include "cli/server_stop.h"
#include "cli/views.h"
#include "cli/watch.h"
#include "services/common/status_macros.h"
#include "services/common/text.h"

namespace center::cli {
namespace {

constexpr uint32_t kPageSize = 1000;
constexpr uint32_t kPortByDefault = 5000;

// What a start would do. Settings of a server that exists are checked by the coordinator.
absl::Status PlanStart(Context& context, const v1::StartServerRequest& wanted) {
  RETURN_IF_ERROR(RequireFormat(context, {Format::kJson, Format::kYaml}));
  const auto server = GetServer(context, wanted.name());
  const v1::ServerSpec& spec = wanted.spec();
  std::vector<std::string> actions;
  if (absl::IsNotFound(server.status())) {
    const uint32_t workers = std::max<uint32_t>(spec.workers(), 1);
    const std::string host = spec.host().empty() ? "127.0.0.1" : spec.host();
    const std::string port = absl::StrCat(spec.has_port() ? spec.port() : kPortByDefault);
    actions.push_back(absl::StrCat("start a new server ", wanted.name(),
                                   spec.no_listen() ? "" : absl::StrCat(" at ", host, ":", port),
                                   " with ", Counted(workers, "worker", "workers")));
    return PrintDryRun(context, actions);
  }
  RETURN_IF_ERROR(server.status());
  if (server->state() != v1::SERVER_STATE_STOPPED && server->state() != v1::SERVER_STATE_FAILED) {
    return WithHint(
        absl::AlreadyExistsError(absl::StrCat("server ", wanted.name(), " runs already")),
        "`centerctl server params --set` changes one that runs.");
  }
  v1::UpdateServerRequest update;
  update.set_name(wanted.name());
  *update.mutable_spec() = spec;
  update.set_dry_run(true);
  ASSIGN_OR_RETURN(const auto answer,
                   context.Call<v1::ServerService>(&v1::ServerService::Stub::UpdateServer, update));
  for (const v1::SettingChange& change : answer.changes()) {
    actions.push_back(absl::StrCat("change ", FlagOfField(change.field()), " from ",
                                   change.before(), " to ", change.after()));
  }
  actions.push_back(absl::StrCat("start server ", wanted.name(), " again"));
  return PrintDryRun(context, actions);
}

absl::Status Start(Context& context, const v1::StartServerRequest& wanted, bool dry_run) {
  if (dry_run) return PlanStart(context, wanted);
  RETURN_IF_ERROR(RequireObjectFormat(context));
  v1::StartServerRequest request = wanted;
  request.set_request_id(NewRequestId());
  ASSIGN_OR_RETURN(const auto answer,
                   context.Call<v1::ServerService>(&v1::ServerService::Stub::StartServer, request));
  const v1::Server& server = answer.server();
  context.Say(
      absl::StrCat("server ", server.name(), " is ", request.wait_ready() ? "running" : "starting",
                   server.address().empty() ? "" : " at ", server.address(), " with ",
                   server.spec().workers(), server.spec().workers() == 1 ? " worker" : " workers"));
  if (server.state() == v1::SERVER_STATE_DEGRADED || server.state() == v1::SERVER_STATE_FAILED) {
    context.Warn(absl::StrCat("not all of its workers are ready (", ReadyCount(server),
                              "): ", server.detail(), "; `centerctl worker list` tells more"));
  }
  return PrintChanged(context, server);
}

absl::Status Stop(Context& context, const std::string& name, bool now, bool dry_run) {
  RETURN_IF_ERROR(RequireObjectFormat(context));
  if (dry_run) {
    ASSIGN_OR_RETURN(const v1::Server server, GetServer(context, name));
    if (server.state() == v1::SERVER_STATE_STOPPED) {
      return NotRunningError(absl::StrCat("server ", name, " is stopped already"));
    }
    return PrintDryRun(
        context, {absl::StrCat("stop server ", name, ": end ",
                               Counted(server.workers_size(), "worker", "workers"),
                               now ? " and cut " : " and let finish ", ConnectionsText(server))});
  }
  if (now) RETURN_IF_ERROR(ConfirmCut(context, name));
  ASSIGN_OR_RETURN(const v1::Server server, StopServer(context, name, now));
  context.Say(absl::StrCat("server ", server.name(), " stopped"));
  return PrintChanged(context, server);
}

// Not stopped, not failed, and not a crash loop: a worker that keeps dying is in BACKOFF, or, while
// it is tried again, STARTING after an exit that nobody asked for.
bool Serves(const v1::Server& server) {
  if (server.state() == v1::SERVER_STATE_STOPPED || server.state() == v1::SERVER_STATE_FAILED) {
    return false;
  }
  if (server.state() != v1::SERVER_STATE_DEGRADED) return true;
  bool in_trouble = false;
  for (const v1::Worker& worker : server.workers()) {
    if (worker.state() == v1::WORKER_STATE_READY) return true;
    in_trouble = in_trouble || worker.state() == v1::WORKER_STATE_BACKOFF ||
                 worker.state() == v1::WORKER_STATE_FAILED ||
                 (worker.state() == v1::WORKER_STATE_STARTING && worker.has_last_exit() &&
                  !worker.last_exit().requested());
  }
  return !in_trouble;
}

// Workers that run with older settings than the server's.
std::string Outdated(const v1::Server& server) {
  std::vector<std::string> names;
  for (const v1::Worker& worker : server.workers()) {
    if (worker.pid() != 0 && worker.generation() < server.generation()) {
      names.push_back(worker.name());
    }
  }
  return absl::StrJoin(names, ", ");
}

std::string StatusText(const v1::Server& server, bool wide, absl::Time now, const Style& style) {
  const v1::ServerSpec& spec = server.spec();
  const absl::Time created = ToTime(server.create_time());
  Table table = Sheet();
  table.AddRow({"Server", {server.name(), Color::kBold}});
  table.AddRow({"State", StateCell(server.state())});
  if (!server.detail().empty()) table.AddRow({"Detail", server.detail()});
  table.AddRow({"Address", server.address().empty() ? std::string("-") : server.address()});
  table.AddRow({"Ready", absl::StrCat(ReadyCount(server), " workers")});
  table.AddRow(
      {"Payloads", absl::StrCat("by ", EnumFlag(v1::Framing_Name(spec.framing()), "FRAMING_"), ", ",
                                EnumFlag(v1::Durability_Name(spec.durability()), "DURABILITY_"),
                                ", up to ", FormatBytes(spec.max_payload_bytes()))});
  table.AddRow(
      {"Created", absl::StrCat(LocalTime(created), " (", FormatAge(now - created), " ago)")});
  std::string text = table.Render(style, false);
  if (server.workers().empty()) return text;
  if (const std::string outdated = Outdated(server); !outdated.empty()) {
    absl::StrAppend(
        &text, "\n",
        Paragraph(absl::StrCat("With older settings: ", outdated, "; `centerctl server restart ",
                               server.name(), " --only-outdated` renews them"),
                  style));
  }
  absl::StrAppend(&text, "\n", WorkerTable(server.workers(), wide, now).Render(style));
  for (const v1::Worker& worker : server.workers()) {
    if (!worker.stats().blocked_reason().empty()) {
      absl::StrAppend(&text, "\n",
                      Paragraph(absl::StrCat(worker.name(), " does not read its producers: ",
                                             worker.stats().blocked_reason()),
                                style));
    }
    if (worker.has_last_exit() && !worker.last_exit().requested()) {
      absl::StrAppend(&text, "\n",
                      Paragraph(absl::StrCat(worker.name(), " was restarted ",
                                             Counted(worker.restarts(), "time", "times"), ", last ",
                                             FormatAge(now - ToTime(worker.last_exit().time())),
                                             " ago: ", worker.last_exit().reason()),
                                style));
    }
  }
  return text;
}

absl::StatusOr<View> AskServer(Context& context, const std::string& name) {
  ASSIGN_OR_RETURN(v1::Server got, GetServer(context, name));
  const auto server = std::make_shared<const v1::Server>(std::move(got));
  const bool wide = context.globals().format == Format::kWide;
  return View{
      .message = server,
      .names = {server->name()},
      .text = [server, wide](absl::Time now,
                             const Style& style) { return StatusText(*server, wide, now, style); },
      .nothing = "",
      .result = Serves(*server) ? absl::OkStatus() : QuietExit(kExitNotRunning)};
}

absl::Status ShowStatus(Context& context, const WatchFlags& watch, const std::string& name) {
  RETURN_IF_ERROR(RequireObjectFormat(context));
  return ShowView(context, watch, [&](Context& asking) { return AskServer(asking, name); });
}

absl::StatusOr<View> AskServers(Context& context) {
  auto all = std::make_shared<v1::ListServersResponse>();
  v1::ListServersRequest request;
  request.set_page_size(kPageSize);
  do {
    ASSIGN_OR_RETURN(
        auto page, context.Call<v1::ServerService>(&v1::ServerService::Stub::ListServers, request));
    request.set_page_token(page.next_page_token());
    all->mutable_servers()->MergeFrom(page.servers());
  } while (!request.page_token().empty());
  View view;
  for (const v1::Server& server : all->servers()) view.names.push_back(server.name());
  if (all->servers().empty()) {
    view.nothing = "there are no servers yet: start one with `centerctl server start`";
  }
  const bool wide = context.globals().format == Format::kWide;
  view.text = [all, wide](absl::Time now, const Style& style) {
    return ServerTable(all->servers(), wide, now).Render(style);
  };
  view.message = std::move(all);
  return view;
}

absl::Status List(Context& context, const WatchFlags& watch) {
  RETURN_IF_ERROR(RequireObjectFormat(context));
  return ShowView(context, watch, AskServers);
}

void AddStart(CLI::App* noun, Selection& selection) {
  CLI::App* start = noun->add_subcommand(
      "start", "Start a server, or one that was stopped, and wait until it is ready");
  auto request = std::make_shared<v1::StartServerRequest>();
  auto spec = std::make_shared<v1::ServerSpec>();
  auto name = std::make_shared<std::string>("default");
  auto no_wait = std::make_shared<bool>(false);
  start->add_option("NAME", *name, "Its name: a-z, 0-9 and - (default: \"default\")")
      ->type_name("NAME");
  AddSpecFlags(*start, spec);
  start->add_flag("--no-wait", *no_wait, "Return when the port is bound, not when it is ready");
  auto dry_run = AddDryRun(start);
  start->footer(
      "A server that was stopped keeps its settings: only those given here change.\n"
      "\n"
      "Examples:\n"
      "  centerctl server start\n"
      "  centerctl server start games -p 5001 -n 4 --framing length --durability synced");
  OnSelected(start, selection, [=](Context& context) -> absl::Status {
    if (absl::Status valid = ValidateName("server name", *name); !valid.ok()) {
      return UsageError(valid.message());
    }
    request->set_name(*name);
    *request->mutable_spec() = *spec;
    request->set_wait_ready(!*no_wait);
    return Start(context, *request, *dry_run);
  });
}

}  // namespace

void AddServerCommands(CLI::App& root, Selection& selection) {
  CLI::App* noun = root.add_subcommand("server", "Start, stop and show ingestion servers");
  noun->require_subcommand(0, 1);
  AddStart(noun, selection);

  CLI::App* stop = noun->add_subcommand(
      "stop", "Stop a server: open connections may finish, then its workers end");
  auto stop_name = AddServerName(stop);
  auto now = std::make_shared<bool>(false);
  stop->add_flag("--now", *now, "Close open connections at once");
  auto dry_run = AddDryRun(stop);
  stop->footer(
      "While it waits, a second Ctrl-C is the same as --now.\n"
      "\n"
      "Examples:\n"
      "  centerctl server stop\n"
      "  centerctl server stop games --now");
  OnSelected(stop, selection,
             [=](Context& context) { return Stop(context, *stop_name, *now, *dry_run); });

  AddServerChangeCommands(noun, selection);
  AddParamsCommand(noun, selection);
  AddServerManifestCommand(noun, selection);

  CLI::App* status = noun->add_subcommand(
      "status",
      "Show a server and its workers; exit code 3 when no worker serves and none is about to");
  auto status_name = AddServerName(status);
  auto status_watch = AddWatchFlags(status);
  status->footer(
      "Examples:\n"
      "  centerctl server status games\n"
      "  centerctl server status -o json\n"
      "  centerctl server status games --watch");
  OnSelected(status, selection,
             [=](Context& context) { return ShowStatus(context, *status_watch, *status_name); });

  CLI::App* list = noun->add_subcommand("list", "List the servers");
  auto list_watch = AddWatchFlags(list);
  list->footer(
      "Examples:\n"
      "  centerctl server list\n"
      "  centerctl server list -o name\n"
      "  centerctl server list --watch");
  OnSelected(list, selection, [=](Context& context) { return List(context, *list_watch); });
}

}  // namespace center::cli
