#include "cli/server_print.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "center/v1/server.grpc.pb.h"
#include "cli/commands.h"
#include "cli/consent.h"
#include "cli/views.h"
#include "services/common/status_macros.h"

namespace center::cli {

bool IsData(Format format) { return format == Format::kJson || format == Format::kYaml; }

absl::Status RequireObjectFormat(const Context& context) {
  return RequireFormat(
      context, {Format::kTable, Format::kWide, Format::kJson, Format::kYaml, Format::kName});
}

absl::StatusOr<v1::Server> GetServer(Context& context, const std::string& name) {
  v1::GetServerRequest request;
  request.set_name(name);
  ASSIGN_OR_RETURN(auto answer,
                   context.Call<v1::ServerService>(&v1::ServerService::Stub::GetServer, request));
  return std::move(*answer.mutable_server());
}

absl::Status PrintChanged(Context& context, const v1::Server& server) {
  const Format format = context.globals().format;
  if (IsData(format)) {
    ASSIGN_OR_RETURN(const std::string text, Render(server, format));
    context.out().Append(text);
  } else if (format == Format::kName) {
    context.out().Append(absl::StrCat(server.name(), "\n"));
  } else if (format != Format::kDefault) {
    google::protobuf::RepeatedPtrField<v1::Server> servers;
    *servers.Add() = server;
    context.out().Append(ServerTable(servers, format == Format::kWide, context.clock().Wall())
                             .Render(context.out_style()));
  }
  return absl::OkStatus();
}

std::string ConnectionsText(const v1::Server& server) {
  uint64_t connections = 0;
  for (const v1::Worker& worker : server.workers()) connections += worker.stats().connections();
  return Counted(connections, "open connection", "open connections");
}

absl::Status ConfirmCut(Context& context, const std::string& name) {
  const auto server = GetServer(context, name);
  if (!server.ok()) return absl::OkStatus();  // the command itself will say why
  const bool some =
      std::any_of(server->workers().begin(), server->workers().end(),
                  [](const v1::Worker& worker) { return worker.stats().connections() > 0; });
  if (!some) return absl::OkStatus();
  return Confirm(context,
                 absl::StrCat("--now cuts ", ConnectionsText(*server), " of server ", name));
}

}  // namespace center::cli
