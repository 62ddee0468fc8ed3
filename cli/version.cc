// `version`: what this program is, and what the coordinator is.
#include "absl/strings/str_cat.h"
#include "center/v1/server.grpc.pb.h"
#include "cli/commands.h"
#include "cli/yaml.h"
#include "services/common/status_macros.h"

namespace center::cli {
namespace {

// The coordinator is asked in passing: its absence must not hold up the answer.
constexpr absl::Duration kAskTimeout = absl::Seconds(1);

absl::Status Version(Context& context) {
  RETURN_IF_ERROR(RequireFormat(context, {Format::kTable, Format::kJson, Format::kYaml}));
  const auto answer = context.Call<v1::ServerService>(&v1::ServerService::Stub::GetCoordinator,
                                                      v1::GetCoordinatorRequest(), kAskTimeout);
  const std::string coordinator = answer.ok() ? answer->coordinator().version() : "";
  const Format format = context.globals().format;
  if (format == Format::kJson || format == Format::kYaml) {
    const std::string json =
        absl::StrCat("{\"client\": \"", CENTER_VERSION, "\", \"coordinator\": ",
                     answer.ok() ? absl::StrCat("\"", coordinator, "\"") : "null", "}\n");
    if (format == Format::kJson) {
      context.out().Append(json);
    } else {
      ASSIGN_OR_RETURN(const std::string yaml, YamlFromJson(json));
      context.out().Append(yaml);
    }
    return absl::OkStatus();
  }
  context.out().Append("centerctl " CENTER_VERSION "\n");
  if (answer.ok()) {
    context.out().Append(
        absl::StrCat("center-coordinator ", coordinator, " at ", context.address(), "\n"));
  } else {
    context.out().Append(
        absl::StrCat("center-coordinator: none answers at ", context.address(), "\n"));
  }
  return absl::OkStatus();
}

}  // namespace

void AddVersionCommand(CLI::App& root, Selection& selection) {
  CLI::App* version =
      root.add_subcommand("version", "Show the versions of centerctl and the coordinator");
  version->footer(
      "Examples:\n"
      "  centerctl version\n"
      "  centerctl version -o json");
  OnSelected(version, selection, Version);
}

}  // namespace center::cli
