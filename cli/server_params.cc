// `server params`: shows the settings of a server, and changes them.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "center/v1/server.grpc.pb.h"
#include "cli/request_id.h"
#include "cli/server_change.h"
#include "cli/server_flags.h"
#include "cli/server_print.h"
#include "cli/views.h"
#include "services/common/status_macros.h"

namespace center::cli {
namespace {

struct ParamsWords {
  std::vector<std::string> set;    // "idle-timeout=30s"
  std::vector<std::string> reset;  // "idle-timeout"
  bool dry_run = false;
  bool no_roll = false;
};

absl::Status Show(Context& context, const std::string& name) {
  ASSIGN_OR_RETURN(const v1::Server server, GetServer(context, name));
  if (IsData(context.globals().format)) {
    ASSIGN_OR_RETURN(const std::string text, Render(server.spec(), context.globals().format));
    context.out().Append(text);
  } else {
    context.out().Append(SpecTable(server.spec()).Render(context.out_style()));
  }
  return absl::OkStatus();
}

std::vector<std::string> FlagNames(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) {
      if (name != "help") names.push_back(name);
    }
  }
  return names;
}

// The field that a key stands for. Keys are the flags of `server start`.
absl::StatusOr<std::string> FieldOfKey(const CLI::App& app, const std::string& key) {
  const std::vector<std::string> names = FlagNames(app);
  if (std::find(names.begin(), names.end(), key) == names.end()) {
    return UsageError(
        absl::StrCat("there is no setting '", key, "'; there are ", absl::StrJoin(names, ", ")));
  }
  return FieldOfFlag(key);
}

// True when a request with this value would keep the stored one: numbers and durations of zero.
bool IsLeftOut(const v1::ServerSpec& spec, const std::string& field_name) {
  const auto* field = v1::ServerSpec::descriptor()->FindFieldByName(field_name);
  const auto* reflection = v1::ServerSpec::GetReflection();
  if (!reflection->HasField(spec, field)) return true;
  return field->message_type() == google::protobuf::Duration::descriptor() &&
         reflection->GetMessage(spec, field).ByteSizeLong() == 0;
}

// Zero is what these are by default, so they are set to it by a reset.
bool IsZeroByDefault(absl::string_view field) {
  return field == "idle_timeout" || field == "retain_age" || field == "orphan_timeout" ||
         field == "max_connections_per_peer";
}

absl::StatusOr<v1::UpdateServerRequest> ParseUpdate(const ParamsWords& words) {
  CLI::App app;
  auto spec = std::make_shared<v1::ServerSpec>();
  AddSpecFlags(app, spec);
  std::vector<std::string> args;
  std::vector<std::string> fields;
  v1::UpdateServerRequest request;
  for (const std::string& word : words.set) {
    const std::pair<std::string, std::string> parts = absl::StrSplit(word, absl::MaxSplits('=', 1));
    if (word.find('=') == std::string::npos) {
      return UsageError(absl::StrCat("--set ", word, ": it must be KEY=VALUE"));
    }
    ASSIGN_OR_RETURN(std::string field, FieldOfKey(app, parts.first));
    if (field == "no_listen") {
      if (parts.second != "true" && parts.second != "false") {
        return UsageError("no-listen must be true or false");
      }
      request.mutable_spec()->set_no_listen(parts.second == "true");
      continue;
    }
    if (parts.second.empty() && field == "banner") {
      request.mutable_spec()->set_banner("");
      continue;
    }
    if (parts.second.empty()) {
      return UsageError(absl::StrCat("--set ", word, " has no value; --reset ", parts.first,
                                     " gives it its default"));
    }
    fields.push_back(std::move(field));
    args.push_back(absl::StrCat("--", word));
  }
  try {
    std::reverse(args.begin(), args.end());  // CLI11 takes them from the back
    app.parse(args);
  } catch (const CLI::ParseError& error) {
    return UsageError(error.what());
  }
  request.mutable_spec()->MergeFrom(*spec);
  for (const std::string& field : fields) {
    if (!IsLeftOut(request.spec(), field)) continue;
    if (field == "host" || field == "port" || field == "banner") continue;
    if (!IsZeroByDefault(field)) {
      return UsageError(absl::StrCat(FlagOfField(field), " cannot be 0"));
    }
    request.mutable_spec()->GetReflection()->ClearField(
        request.mutable_spec(), v1::ServerSpec::descriptor()->FindFieldByName(field));
    request.add_reset(field);
  }
  for (const std::string& key : words.reset) {
    ASSIGN_OR_RETURN(std::string field, FieldOfKey(app, key));
    request.add_reset(std::move(field));
  }
  return request;
}

absl::string_view EffectText(v1::ChangeEffect effect) {
  switch (effect) {
    case v1::CHANGE_EFFECT_IMMEDIATE:
      return "at once";
    case v1::CHANGE_EFFECT_ROLLING_RESTART:
      return "rolling restart";
    case v1::CHANGE_EFFECT_SCALE:
      return "workers come or go";
    case v1::CHANGE_EFFECT_NEEDS_STOP:
      return "needs a stop";
    default:
      return "?";
  }
}

std::string ChangeTable(Context& context, const v1::UpdateServerResponse& answer) {
  Table table({{"SETTING"},
               {"BEFORE", Table::Align::kLeft, 1, 8},
               {"AFTER", Table::Align::kLeft, 0, 8},
               {"EFFECT", Table::Align::kLeft, 0, 10, /*wraps=*/true}});
  const auto word = [](const std::string& value) { return value.empty() ? "-" : value; };
  for (const v1::SettingChange& change : answer.changes()) {
    table.AddRow({FlagOfField(change.field()), word(change.before()), word(change.after()),
                  std::string(EffectText(change.effect()))});
  }
  return table.Render(context.out_style());
}

bool Needs(const v1::UpdateServerResponse& answer, v1::ChangeEffect effect) {
  return std::any_of(answer.changes().begin(), answer.changes().end(),
                     [effect](const auto& change) { return change.effect() == effect; });
}

absl::Status Change(Context& context, v1::UpdateServerRequest request) {
  const bool data = IsData(context.globals().format);
  const bool dry_run = request.dry_run();
  const std::string name = request.name();
  // First what it would do: people see it before it is done.
  request.set_dry_run(true);
  ASSIGN_OR_RETURN(auto answer, context.Call<v1::ServerService>(
                                    &v1::ServerService::Stub::UpdateServer, request));
  if (answer.changes().empty()) {
    context.Say(absl::StrCat("server ", name, ": nothing changes"));
  } else if (!data) {
    context.out().Append(ChangeTable(context, answer));
    RETURN_IF_ERROR(context.out().Flush());
  }
  if (!dry_run && !answer.changes().empty()) {
    request.set_dry_run(false);
    request.set_request_id(NewRequestId());
    const bool roll = Needs(answer, v1::CHANGE_EFFECT_ROLLING_RESTART) &&
                      request.roll() != v1::UpdateServerRequest::ROLL_LATER;
    const uint32_t workers = answer.server().spec().workers();
    if (roll) context.Say(absl::StrCat("replacing the workers of server ", name, ", one by one"));
    const absl::Duration timeout =
        ReplaceTimeout(context, answer.server().spec(), roll ? workers + 1 : 1, /*now=*/false);
    absl::StatusOr<v1::UpdateServerResponse> changed;
    WithServerProgress(context, name, [&] {
      changed =
          context.Call<v1::ServerService>(&v1::ServerService::Stub::UpdateServer, request, timeout);
    });
    if (!changed.ok()) return changed.status();
    answer = *std::move(changed);
    context.Say(absl::StrCat("server ", name, " changed",
                             answer.restarted() > 0
                                 ? absl::StrCat("; workers replaced: ", answer.restarted())
                                 : std::string()));
  }
  if (data) {
    ASSIGN_OR_RETURN(const std::string text, Render(answer, context.globals().format));
    context.out().Append(text);
  }
  return absl::OkStatus();
}

absl::Status Params(Context& context, const std::string& name, const ParamsWords& words) {
  RETURN_IF_ERROR(
      RequireFormat(context, {Format::kTable, Format::kWide, Format::kJson, Format::kYaml}));
  if (words.set.empty() && words.reset.empty()) {
    if (words.dry_run || words.no_roll) {
      return UsageError("--dry-run and --no-roll are for --set and --reset");
    }
    return Show(context, name);
  }
  ASSIGN_OR_RETURN(v1::UpdateServerRequest request, ParseUpdate(words));
  request.set_name(name);
  request.set_dry_run(words.dry_run);
  request.set_roll(words.no_roll ? v1::UpdateServerRequest::ROLL_LATER
                                 : v1::UpdateServerRequest::ROLL_NOW);
  return Change(context, std::move(request));
}

}  // namespace

void AddParamsCommand(CLI::App* noun, Selection& selection) {
  CLI::App* params =
      noun->add_subcommand("params", "Show the settings of a server, or change them");
  auto name = AddServerName(params);
  auto words = std::make_shared<ParamsWords>();
  params->add_option("--set", words->set, "A setting, as a flag of `server start` without dashes")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  params->add_option("--reset", words->reset, "A setting that gets its default again")
      ->type_name("KEY")
      ->allow_extra_args(false);
  params->add_flag("--dry-run", words->dry_run, "Only say what would change");
  params->add_flag("--no-roll", words->no_roll,
                   "Leave the workers that run: only later ones have the new settings");
  params->footer(
      "What needs new processes is brought about by a rolling restart, one worker at a time.\n"
      "\n"
      "Examples:\n"
      "  centerctl server params\n"
      "  centerctl server params games -o yaml\n"
      "  centerctl server params --set idle-timeout=5m --set workers=4 --dry-run\n"
      "  centerctl server params games --reset banner --no-roll");
  OnSelected(params, selection, [=](Context& context) { return Params(context, *name, *words); });
}

}  // namespace center::cli
