#include "services/common/config/fleet_plan.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "services/common/config/client_spec.h"
#include "services/common/config/message_toml.h"
#include "services/common/config/server_spec.h"

namespace center {
namespace {

using google::protobuf::FieldDescriptor;

std::string Workers(uint32_t count) {
  return absl::StrCat(count, count == 1 ? " worker" : " workers");
}

std::string EffectOf(const v1::SettingChange& change) {
  switch (change.effect()) {
    case v1::CHANGE_EFFECT_ROLLING_RESTART:
      return " (rolling restart)";
    case v1::CHANGE_EFFECT_SCALE:
      return " (workers come or go)";
    case v1::CHANGE_EFFECT_NEEDS_STOP:
      return " (stop and start)";
    default:
      return "";
  }
}

void AddSettings(const std::string& name, const SettingChanges& changes, FleetChange* result) {
  for (const v1::SettingChange& change : changes) {
    const auto* field = v1::ServerSpec::descriptor()->FindFieldByName(change.field());
    // A newer coordinator may have settings that we do not know.
    const auto word = [field](const std::string& json) {
      return field == nullptr ? json : WordOfJson(*field, json);
    };
    result->lines.push_back(absl::StrCat("~ server ", name, ": ", KeyOfField(change.field()), " ",
                                         word(change.before()), " -> ", word(change.after()),
                                         EffectOf(change)));
  }
}

bool NeedsStop(const SettingChanges& changes) {
  for (const v1::SettingChange& change : changes) {
    if (change.effect() == v1::CHANGE_EFFECT_NEEDS_STOP) return true;
  }
  return false;
}

FleetChange PlanNewServer(const DesiredServer& desired) {
  FleetChange result{.name = desired.name};
  if (!desired.running) return result;  // one that was never started is as good as stopped
  const v1::ServerSpec spec = MergeSpec(DefaultSpec(), desired.spec);
  result.steps = {FleetStep::kStart};
  result.lines.push_back(absl::StrCat(
      "+ server ", desired.name, ": start",
      spec.no_listen() ? " a pool"
                       : absl::StrCat(" at ", spec.host(), ":",
                                      spec.port() == 0 ? "any" : absl::StrCat(spec.port())),
      " with ", Workers(spec.workers())));
  return result;
}

// One that has finished has done what was wanted of it.
bool ClientRuns(const v1::Client& client) {
  return client.state() != v1::CLIENT_STATE_STOPPED && client.state() != v1::CLIENT_STATE_FINISHED;
}

std::string Unquoted(const std::string& toml) {
  return std::string(absl::StripSuffix(absl::StripPrefix(toml, "\""), "\""));
}

// "server default", "interval 5s"; a setting by itself, without what it is called.
std::string TargetOf(const v1::ClientSpec& spec) {
  return spec.address().empty() ? absl::StrCat("server ", spec.server())
                                : absl::StrCat("to ", spec.address());
}

std::string PaceOf(const v1::Pace& pace) {
  const auto* field = v1::Pace::GetReflection()->GetOneofFieldDescriptor(
      pace, v1::Pace::descriptor()->FindOneofByName("pace"));
  if (field == nullptr) return "no pace";
  return absl::StrCat(KeyOfField(field->name()), " ", Unquoted(ValueToToml(pace, *field)));
}

}  // namespace

FleetChange PlanServer(const DesiredServer& desired, const v1::Server* current,
                       const SettingChanges& changes) {
  if (current == nullptr) return PlanNewServer(desired);
  FleetChange result{.name = desired.name};
  const bool runs = current->state() != v1::SERVER_STATE_STOPPED;
  const bool failed = current->state() == v1::SERVER_STATE_FAILED;
  const bool stop = runs && (!desired.running || NeedsStop(changes));
  result.cuts = stop && !failed;
  if (stop) result.steps.push_back(FleetStep::kStop);
  if (!changes.empty()) result.steps.push_back(FleetStep::kUpdate);
  AddSettings(desired.name, changes, &result);
  if (runs && !desired.running) {
    result.lines.push_back(absl::StrCat("- server ", desired.name, ": stop"));
  }
  if (!desired.running) return result;
  if (stop || failed || !runs) result.steps.push_back(FleetStep::kStart);
  if (failed || !runs) {
    result.lines.push_back(absl::StrCat("+ server ", desired.name, ": start",
                                        failed ? " again: every worker has failed" : ""));
  }
  return result;
}

FleetChange PlanPrune(const v1::Server& server) {
  FleetChange result{.name = server.name()};
  if (server.state() == v1::SERVER_STATE_STOPPED) return result;
  result.cuts = true;
  result.steps = {FleetStep::kStop};
  result.lines = {absl::StrCat("- server ", server.name(), ": stop (not in the file)")};
  return result;
}

std::vector<std::string> ClientChanges(const v1::ClientSpec& before, const v1::ClientSpec& after) {
  std::vector<std::string> changes;
  // One that is called otherwise says so: "interval 5s -> rate 2".
  const auto add = [&changes](const std::string& from, const std::string& to) {
    if (from == to) return;
    const std::string key = from.substr(0, from.find(' ') + 1);
    changes.push_back(absl::StrCat(from, " -> ", absl::StripPrefix(to, key)));
  };
  add(TargetOf(before), TargetOf(after));
  const auto* descriptor = v1::ClientSpec::descriptor();
  for (int i = 0; i < descriptor->field_count(); ++i) {
    const FieldDescriptor& field = *descriptor->field(i);
    const auto text = [&field](const v1::ClientSpec& spec) {
      return absl::StrCat(KeyOfField(field.name()), " ", Unquoted(ValueToToml(spec, field)));
    };
    switch (field.number()) {
      case v1::ClientSpec::kServerFieldNumber:
      case v1::ClientSpec::kAddressFieldNumber:
        break;
      case v1::ClientSpec::kPaceFieldNumber:
        add(PaceOf(before.pace()), PaceOf(after.pace()));
        break;
      case v1::ClientSpec::kMixFieldNumber:
        add("mix " + MixToText(before.mix()), "mix " + MixToText(after.mix()));
        break;
      case v1::ClientSpec::kFramingFieldNumber:
        // As the server wants it, which `before` has been told.
        if (after.framing() == v1::FRAMING_UNSPECIFIED) break;
        [[fallthrough]];
      default:
        add(text(before), text(after));
    }
  }
  return changes;
}

FleetChange PlanClient(const DesiredClient& desired, const v1::Client* current) {
  FleetChange result{.name = desired.name};
  const bool runs = current != nullptr && ClientRuns(*current);
  const std::vector<std::string> differing =
      current == nullptr
          ? std::vector<std::string>()
          : ClientChanges(current->spec(), MergeClientSpec(DefaultClientSpec(), desired.spec));
  for (const std::string& change : differing) {
    result.lines.push_back(absl::StrCat("~ client ", desired.name, ": ", change,
                                        runs && desired.running ? " (stop and start)" : ""));
  }
  if (!desired.running) {
    result.lines.clear();
    if (!runs) return result;
    result.steps = {FleetStep::kStop};
    result.lines = {absl::StrCat("- client ", desired.name, ": stop")};
    return result;
  }
  const bool finished = current != nullptr && current->state() == v1::CLIENT_STATE_FINISHED;
  if ((runs || finished) && differing.empty()) return result;
  if (runs) result.steps.push_back(FleetStep::kStop);
  result.steps.push_back(FleetStep::kStart);
  if (!runs) result.lines.push_back(absl::StrCat("+ client ", desired.name, ": start"));
  return result;
}

FleetChange PlanPruneClient(const v1::Client& client) {
  FleetChange result{.name = client.name()};
  if (!ClientRuns(client)) return result;
  result.steps = {FleetStep::kStop};
  result.lines = {absl::StrCat("- client ", client.name(), ": stop (not in the file)")};
  return result;
}

}  // namespace center
