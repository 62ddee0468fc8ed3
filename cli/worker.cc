// `worker list`; `worker restart` is in server_change.cc.
#include <memory>

#include "absl/strings/str_cat.h"
#include "center/v1/server.grpc.pb.h"
#include "cli/commands.h"
#include "cli/server_change.h"
#include "cli/views.h"
#include "cli/watch.h"
#include "services/common/status_macros.h"

namespace center::cli {
namespace {

constexpr uint32_t kWorkersPageSize = 1000;

absl::StatusOr<View> AskWorkers(Context& context, const std::string& server) {
  auto all = std::make_shared<v1::ListWorkersResponse>();
  v1::ListWorkersRequest request;
  request.set_server(server);
  request.set_page_size(kWorkersPageSize);
  do {
    ASSIGN_OR_RETURN(
        auto page, context.Call<v1::ServerService>(&v1::ServerService::Stub::ListWorkers, request));
    request.set_page_token(page.next_page_token());
    all->mutable_workers()->MergeFrom(page.workers());
  } while (!request.page_token().empty());
  View view;
  for (const v1::Worker& worker : all->workers()) view.names.push_back(worker.name());
  if (all->workers().empty()) {
    view.nothing = "there are no workers: `centerctl server start` starts a server with some";
  }
  const bool wide = context.globals().format == Format::kWide;
  view.text = [all, wide](absl::Time now, const Style& style) {
    return WorkerTable(all->workers(), wide, now).Render(style);
  };
  view.message = std::move(all);
  return view;
}

absl::Status List(Context& context, const WatchFlags& watch, const std::string& server) {
  RETURN_IF_ERROR(RequireFormat(
      context, {Format::kTable, Format::kWide, Format::kJson, Format::kYaml, Format::kName}));
  return ShowView(context, watch, [&](Context& asking) { return AskWorkers(asking, server); });
}

}  // namespace

void AddWorkerCommands(CLI::App& root, Selection& selection) {
  CLI::App* noun = root.add_subcommand("worker", "Show and restart the worker processes");
  noun->require_subcommand(0, 1);
  CLI::App* list = noun->add_subcommand("list", "List the workers of all servers, or of one");
  auto server = std::make_shared<std::string>();
  list->add_option("SERVER", *server, "Only this server's workers")->type_name("SERVER");
  auto watch = AddWatchFlags(list);
  list->footer(
      "Examples:\n"
      "  centerctl worker list\n"
      "  centerctl worker list games -o wide\n"
      "  centerctl worker list --watch");
  OnSelected(list, selection, [=](Context& context) { return List(context, *watch, *server); });
  AddWorkerRestartCommand(noun, selection);
  AddWorkerStacksCommand(*noun, selection);
}

}  // namespace center::cli
