// `export`: the present state as a file for `apply`.
#include <map>

#include "absl/strings/str_cat.h"
#include "center/v1/client.grpc.pb.h"
#include "center/v1/server.grpc.pb.h"
#include "cli/commands.h"
#include "services/common/config/fleet_file.h"
#include "services/common/status_macros.h"

namespace center::cli {
namespace {

constexpr uint32_t kExportPageSize = 1000;

// The coordinator knows the defaults: what a reset of everything would change differs from them.
absl::StatusOr<std::vector<std::string>> UnusualSettings(Context& context,
                                                         const std::string& name) {
  v1::UpdateServerRequest request = UpdateRequestFor({.name = name});
  request.set_dry_run(true);
  ASSIGN_OR_RETURN(const auto answer, context.Call<v1::ServerService>(
                                          &v1::ServerService::Stub::UpdateServer, request));
  std::vector<std::string> fields;
  for (const v1::SettingChange& change : answer.changes()) fields.push_back(change.field());
  return fields;
}

using Framings = std::map<std::string, v1::Framing>;  // by the server

absl::StatusOr<Framings> ExportServers(Context& context, std::string* file) {
  Framings framings;
  v1::ListServersRequest request;
  request.set_page_size(kExportPageSize);
  do {
    ASSIGN_OR_RETURN(
        auto page, context.Call<v1::ServerService>(&v1::ServerService::Stub::ListServers, request));
    for (const v1::Server& server : page.servers()) {
      ASSIGN_OR_RETURN(const auto fields, UnusualSettings(context, server.name()));
      absl::StrAppend(file, "\n", ServerToToml(server, fields));
      framings[server.name()] = server.spec().framing();
    }
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  return framings;
}

absl::Status ExportClients(Context& context, const Framings& framings, std::string* file) {
  v1::ListClientsRequest request;
  request.set_page_size(kExportPageSize);
  do {
    const auto page =
        context.Call<v1::ClientService>(&v1::ClientService::Stub::ListClients, request);
    if (absl::IsUnimplemented(page.status())) return absl::OkStatus();  // it has none
    RETURN_IF_ERROR(page.status());
    for (const v1::Client& client : page->clients()) {
      const auto server = framings.find(client.spec().server());
      const v1::Framing framing = server == framings.end() ? v1::FRAMING_LINE : server->second;
      absl::StrAppend(file, "\n", ClientToToml(client, framing));
    }
    request.set_page_token(page->next_page_token());
  } while (!request.page_token().empty());
  return absl::OkStatus();
}

absl::Status Export(Context& context) {
  RETURN_IF_ERROR(RequireFormat(context, {}));
  // All of it or nothing: half a file would be applied as one that wants less.
  std::string file = "# For `centerctl apply -f`, and for center-coordinator --config.\n";
  ASSIGN_OR_RETURN(const Framings framings, ExportServers(context, &file));
  RETURN_IF_ERROR(ExportClients(context, framings, &file));
  context.out().Append(file);
  return absl::OkStatus();
}

}  // namespace

void AddExportCommand(CLI::App& root, Selection& selection) {
  CLI::App* command =
      root.add_subcommand("export", "Print the servers and clients as a file for apply");
  command->footer(
      "TOML; a setting that has its default is left out. `apply --help` tells what may stand "
      "there.\n"
      "\n"
      "Examples:\n"
      "  centerctl export > fleet.toml\n"
      "  centerctl --context staging export | centerctl --context prod apply -f - --dry-run");
  OnSelected(command, selection, Export);
}

}  // namespace center::cli
