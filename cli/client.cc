// `client start|stop|status|list`: processes that send payloads.
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "center/v1/client.grpc.pb.h"
#include "cli/client_flags.h"
#include "cli/client_views.h"
#include "cli/commands.h"
#include "cli/consent.h"
#include "cli/request_id.h"
#include "cli/server_print.h"
#include "cli/views.h"
#include "cli/watch.h"
#include "services/common/config/fleet_plan.h"
#include "services/common/config/spec_fields.h"
#include "services/common/status_macros.h"
#include "services/common/text.h"

namespace center::cli {
namespace {

using Clients = v1::ClientService::Stub;

constexpr uint32_t kClientsPerPage = 1000;

bool IsTable(Format format) { return format == Format::kTable || format == Format::kWide; }

absl::Status PrintClients(Context& context,
                          const google::protobuf::RepeatedPtrField<v1::Client>& clients) {
  const Format format = context.globals().format;
  if (format == Format::kName) {
    for (const v1::Client& client : clients) {
      context.out().Append(absl::StrCat(client.name(), "\n"));
    }
  } else {
    context.out().Append(ClientTable(clients, format == Format::kWide, context.clock().Wall())
                             .Render(context.out_style()));
  }
  return absl::OkStatus();
}

// For what `start` and `stop` answer: people read a sentence, programs what they asked for.
absl::Status PrintClient(Context& context, const v1::Client& client) {
  const Format format = context.globals().format;
  if (IsData(format)) {
    ASSIGN_OR_RETURN(const std::string text, Render(client, format));
    context.out().Append(text);
  } else if (format == Format::kName || IsTable(format)) {
    google::protobuf::RepeatedPtrField<v1::Client> clients;
    *clients.Add() = client;
    return PrintClients(context, clients);
  }
  return absl::OkStatus();
}

absl::StatusOr<v1::Client> GetClient(Context& context, const std::string& name) {
  v1::GetClientRequest request;
  request.set_name(name);
  ASSIGN_OR_RETURN(auto answer, context.Call<v1::ClientService>(&Clients::GetClient, request));
  return std::move(*answer.mutable_client());
}

std::string SendingText(const v1::Client& client) {
  return absl::StrCat(client.spec().server().empty() ? "" : client.spec().server() + " at ",
                      client.address(), " with ",
                      Counted(client.spec().processes(), "process", "processes"), ", ",
                      PaceText(client.spec().pace()));
}

// What a start would do. The coordinator has checked it as it would the start itself.
absl::Status PlanStart(Context& context, const v1::StartClientRequest& wanted) {
  RETURN_IF_ERROR(RequireFormat(context, {Format::kJson, Format::kYaml}));
  const auto before = GetClient(context, wanted.name());
  if (!before.ok() && !absl::IsNotFound(before.status())) return before.status();
  v1::StartClientRequest request = wanted;
  request.set_dry_run(true);
  ASSIGN_OR_RETURN(const auto answer,
                   context.Call<v1::ClientService>(&Clients::StartClient, request));
  const v1::Client& planned = answer.client();
  std::vector<std::string> actions;
  if (before.ok()) {
    for (const std::string& change : ClientChanges(before->spec(), planned.spec())) {
      actions.push_back(absl::StrCat("change ", change));
    }
  }
  actions.push_back(absl::StrCat(before.ok() ? "start client " : "start a new client ",
                                 planned.name(), before.ok() ? " again" : "", ": send to ",
                                 SendingText(planned)));
  return PrintDryRun(context, actions);
}

absl::Status StartClient(Context& context, const v1::StartClientRequest& wanted, bool dry_run) {
  if (absl::Status valid = ValidateName("client name", wanted.name()); !valid.ok()) {
    return UsageError(valid.message());
  }
  if (dry_run) return PlanStart(context, wanted);
  RETURN_IF_ERROR(RequireObjectFormat(context));
  v1::StartClientRequest request = wanted;
  request.set_request_id(NewRequestId());
  ASSIGN_OR_RETURN(const auto answer,
                   context.Call<v1::ClientService>(&Clients::StartClient, request));
  const v1::Client& client = answer.client();
  const bool ended = client.state() == v1::CLIENT_STATE_FINISHED;
  context.Say(absl::StrCat("client ", client.name(), ended ? " has sent to " : " sends to ",
                           SendingText(client)));
  if (client.state() == v1::CLIENT_STATE_DEGRADED || client.state() == v1::CLIENT_STATE_FAILED) {
    context.Warn(absl::StrCat("not all of its processes run (", RunningCount(client),
                              "): ", client.detail(), "; `centerctl events client/", client.name(),
                              "` tells more"));
  } else if (client.stats().connections() == 0 && !client.detail().empty()) {
    context.Warn(client.detail());
  }
  return PrintClient(context, client);
}

absl::Status PlanStop(Context& context, const v1::Client& client, bool now) {
  RETURN_IF_ERROR(RequireFormat(context, {Format::kJson, Format::kYaml}));
  if (client.state() == v1::CLIENT_STATE_STOPPED || client.state() == v1::CLIENT_STATE_FINISHED) {
    return NotRunningError(absl::StrCat(
        "client ", client.name(),
        client.state() == v1::CLIENT_STATE_STOPPED ? " is stopped already" : " has finished"));
  }
  const std::string connections =
      Counted(client.stats().connections(), "connection", "connections");
  return PrintDryRun(
      context, {absl::StrCat("stop client ", client.name(), ": end ",
                             Counted(client.processes_size(), "process", "processes"),
                             now ? absl::StrCat(" and cut ", connections)
                                 : absl::StrCat(", and wait until everything is read that was "
                                                "sent on ",
                                                connections))});
}

absl::Status StopClient(Context& context, const std::string& name, bool now, bool dry_run) {
  RETURN_IF_ERROR(RequireObjectFormat(context));
  ASSIGN_OR_RETURN(const v1::Client before, GetClient(context, name));
  if (dry_run) return PlanStop(context, before, now);
  if (now && before.stats().connections() > 0) {
    RETURN_IF_ERROR(Confirm(
        context, absl::StrCat("--now cuts ",
                              Counted(before.stats().connections(), "connection", "connections"),
                              " of client ", name, "; what is on its way may be lost")));
  }
  v1::StopClientRequest request;
  request.set_name(name);
  request.set_now(now);
  request.set_request_id(NewRequestId());
  const absl::Duration timeout =
      context.globals().timeout + ToDuration(before.spec().drain_timeout());
  ASSIGN_OR_RETURN(const auto answer,
                   context.Call<v1::ClientService>(&Clients::StopClient, request, timeout));
  const v1::ClientStats& stats = answer.client().stats();
  context.Say(absl::StrCat("client ", answer.client().name(),
                           " stopped: ", FormatCount(stats.payloads_sent()), " payloads sent, ",
                           FormatCount(stats.payloads_acknowledged()), " acknowledged"));
  return PrintClient(context, answer.client());
}

// Something is sent, or about to be.
bool Sends(const v1::Client& client) {
  switch (client.state()) {
    case v1::CLIENT_STATE_STOPPED:
    case v1::CLIENT_STATE_FINISHED:
    case v1::CLIENT_STATE_FAILED:
      return false;
    case v1::CLIENT_STATE_DEGRADED:
      for (const v1::ClientProcess& process : client.processes()) {
        if (process.state() == v1::WORKER_STATE_READY) return true;
      }
      return false;
    default:
      return true;
  }
}

absl::StatusOr<View> AskClient(Context& context, const std::string& name) {
  ASSIGN_OR_RETURN(v1::Client answer, GetClient(context, name));
  const auto client = std::make_shared<v1::Client>(std::move(answer));
  View view;
  view.names = {client->name()};
  if (!Sends(*client)) view.result = QuietExit(kExitNotRunning);
  const bool wide = context.globals().format == Format::kWide;
  view.text = [client, wide](absl::Time now, const Style& style) {
    return ClientStatusText(*client, wide, style, now);
  };
  view.message = client;
  return view;
}

absl::StatusOr<View> AskClients(Context& context) {
  auto all = std::make_shared<v1::ListClientsResponse>();
  v1::ListClientsRequest request;
  request.set_page_size(kClientsPerPage);
  do {
    ASSIGN_OR_RETURN(auto page, context.Call<v1::ClientService>(&Clients::ListClients, request));
    request.set_page_token(page.next_page_token());
    all->mutable_clients()->MergeFrom(page.clients());
  } while (!request.page_token().empty());
  View view;
  for (const v1::Client& client : all->clients()) view.names.push_back(client.name());
  if (all->clients().empty()) {
    view.nothing = "there are no clients yet: start one with `centerctl client start`";
  }
  const bool wide = context.globals().format == Format::kWide;
  view.text = [all, wide](absl::Time now, const Style& style) {
    return ClientTable(all->clients(), wide, now).Render(style);
  };
  view.message = std::move(all);
  return view;
}

absl::Status ShowAsked(Context& context, const WatchFlags& watch, const Ask& ask) {
  RETURN_IF_ERROR(RequireObjectFormat(context));
  return ShowView(context, watch, ask);
}

std::shared_ptr<std::string> AddClientName(CLI::App* command) {
  auto name = std::make_shared<std::string>("default");
  command->add_option("NAME", *name, "The client (default: \"default\")")->type_name("NAME");
  return name;
}

void AddClientStart(CLI::App* noun, Selection& selection) {
  CLI::App* start = noun->add_subcommand(
      "start", "Start a client: processes that connect to a server and send payloads");
  auto name = std::make_shared<std::string>("default");
  auto spec = std::make_shared<v1::ClientSpec>();
  auto defaults = std::make_shared<bool>(false);
  start->add_option("NAME", *name, "Its name: a-z, 0-9 and - (default: \"default\")")
      ->type_name("NAME");
  AddClientFlags(*start, spec);
  start->add_flag("--defaults", *defaults,
                  "Of one that was stopped: settings that are not given here get their defaults");
  auto dry_run = AddDryRun(start);
  start->footer(
      "Payloads are `JSON|{\"proto_cnt\": 1}`, `STRING|2`, … numbered by each process. A client "
      "that\n"
      "was stopped keeps its settings: only those given here change. Its processes are started "
      "again\n"
      "when they die, and connect again when the server goes away.\n"
      "\n"
      "Examples:\n"
      "  centerctl client start                          # JSON and text in turn, every 5 s\n"
      "  centerctl client start load --server games --processes 2 --connections 8 --unlimited\n"
      "  centerctl client start probe --to 10.0.0.7:5000 --rate 0.2 --mix json=1\n"
      "  centerctl client start batch --rate 1000 --count 50000 --payload-bytes 1KiB");
  OnSelected(start, selection, [=](Context& context) {
    v1::StartClientRequest request;
    request.set_name(*name);
    *request.mutable_spec() = *spec;
    if (*defaults) *request.mutable_reset() = TakeLeftOut(request.mutable_spec());
    return StartClient(context, request, *dry_run);
  });
}

}  // namespace

void AddClientCommands(CLI::App& root, Selection& selection) {
  CLI::App* noun =
      root.add_subcommand("client", "Start, stop and show clients, which send payloads to servers");
  noun->require_subcommand(0, 1);
  AddClientStart(noun, selection);

  CLI::App* stop = noun->add_subcommand(
      "stop", "Stop a client, and wait until the server has read what it has sent");
  auto stop_name = AddClientName(stop);
  auto now = std::make_shared<bool>(false);
  stop->add_flag("--now", *now, "Close its connections at once");
  auto dry_run = AddDryRun(stop);
  stop->footer(
      "Examples:\n"
      "  centerctl client stop\n"
      "  centerctl client stop load --now");
  OnSelected(stop, selection,
             [=](Context& context) { return StopClient(context, *stop_name, *now, *dry_run); });

  CLI::App* status = noun->add_subcommand(
      "status",
      "Show a client and its processes; exit code 3 when it is stopped, finished or failed");
  auto status_name = AddClientName(status);
  auto status_watch = AddWatchFlags(status);
  status->footer(
      "Examples:\n"
      "  centerctl client status load\n"
      "  centerctl client status load --watch\n"
      "  centerctl client status -o json");
  OnSelected(status, selection, [=](Context& context) {
    return ShowAsked(context, *status_watch,
                     [&](Context& asking) { return AskClient(asking, *status_name); });
  });

  CLI::App* list = noun->add_subcommand("list", "List the clients");
  auto watch = AddWatchFlags(list);
  list->footer(
      "Examples:\n"
      "  centerctl client list\n"
      "  centerctl client list -o wide\n"
      "  centerctl client list --watch");
  OnSelected(list, selection,
             [=](Context& context) { return ShowAsked(context, *watch, AskClients); });
}

}  // namespace center::cli
