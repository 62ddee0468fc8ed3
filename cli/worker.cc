// `worker list`; `worker restart` is in server_change.cc.
#include <memory>

#include "absl/strings/str_cat.h"
#include "center/v1/server.grpc.pb.h"
#include "cli/commands.h"
#include "cli/server_change.h"
#include "cli/views.h"
#include "services/common/status_macros.h"

namespace center::cli {
namespace {

constexpr uint32_t kWorkersPageSize = 1000;

absl::Status List(Context& context, const std::string& server) {
  RETURN_IF_ERROR(RequireFormat(
      context, {Format::kTable, Format::kWide, Format::kJson, Format::kYaml, Format::kName}));
  v1::ListWorkersResponse all;
  v1::ListWorkersRequest request;
  request.set_server(server);
  request.set_page_size(kWorkersPageSize);
  do {
    ASSIGN_OR_RETURN(
        auto page, context.Call<v1::ServerService>(&v1::ServerService::Stub::ListWorkers, request));
    request.set_page_token(page.next_page_token());
    all.mutable_workers()->MergeFrom(page.workers());
  } while (!request.page_token().empty());
  const Format format = context.globals().format;
  if (format == Format::kJson || format == Format::kYaml) {
    ASSIGN_OR_RETURN(const std::string text, Render(all, format));
    context.out().Append(text);
  } else if (format == Format::kName) {
    for (const v1::Worker& worker : all.workers()) {
      context.out().Append(absl::StrCat(worker.name(), "\n"));
    }
  } else if (all.workers().empty()) {
    context.Say("there are no workers: `centerctl server start` starts a server with some");
  } else {
    context.out().Append(WorkerTable(all.workers(), format == Format::kWide, context.clock().Wall())
                             .Render(context.out_style()));
  }
  return absl::OkStatus();
}

}  // namespace

void AddWorkerCommands(CLI::App& root, Selection& selection) {
  CLI::App* noun = root.add_subcommand("worker", "Show and restart the worker processes");
  noun->require_subcommand(0, 1);
  CLI::App* list = noun->add_subcommand("list", "List the workers of all servers, or of one");
  auto server = std::make_shared<std::string>();
  list->add_option("SERVER", *server, "Only this server's workers")->type_name("SERVER");
  list->footer(
      "Examples:\n"
      "  centerctl worker list\n"
      "  centerctl worker list games -o wide");
  OnSelected(list, selection, [server](Context& context) { return List(context, *server); });
  AddWorkerRestartCommand(noun, selection);
  AddWorkerStacksCommand(*noun, selection);
}

}  // namespace center::cli
