#include "services/coordinator/api/spec_changes.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "google/protobuf/util/json_util.h"
#include "google/protobuf/util/message_differencer.h"
#include "services/common/rpc/status.h"
#include "services/coordinator/api/spec.h"

namespace center::coordinator {
namespace {

using google::protobuf::FieldDescriptor;

// A message with this field alone.
v1::ServerSpec Only(const v1::ServerSpec& spec, const FieldDescriptor& field) {
  v1::ServerSpec only = spec;
  const auto* descriptor = v1::ServerSpec::descriptor();
  for (int i = 0; i < descriptor->field_count(); ++i) {
    if (descriptor->field(i) != &field) {
      v1::ServerSpec::GetReflection()->ClearField(&only, descriptor->field(i));
    }
  }
  return only;
}

// The value of a field as the proto3 JSON has it, without the quotes of a text.
std::string Value(const v1::ServerSpec& spec, const FieldDescriptor& field) {
  std::string json;
  const auto status = google::protobuf::util::MessageToJsonString(Only(spec, field), &json);
  if (!status.ok()) return "?";
  // {"name":value}; {} for a number or a text without presence that is 0 or empty.
  const size_t colon = json.find(':');
  if (colon == std::string::npos)
    return field.cpp_type() == FieldDescriptor::CPPTYPE_STRING ? "" : "0";
  absl::string_view value = absl::string_view(json).substr(colon + 1);
  value.remove_suffix(1);
  if (value.size() >= 2 && value.front() == '"') value = value.substr(1, value.size() - 2);
  return std::string(value);
}

v1::ChangeEffect EffectOf(int field_number) {
  switch (field_number) {
    case v1::ServerSpec::kHostFieldNumber:
    case v1::ServerSpec::kPortFieldNumber:
    case v1::ServerSpec::kNoListenFieldNumber:
      return v1::CHANGE_EFFECT_NEEDS_STOP;
    case v1::ServerSpec::kWorkersFieldNumber:
      return v1::CHANGE_EFFECT_SCALE;
    case v1::ServerSpec::kRestartFieldNumber:
    case v1::ServerSpec::kStartTimeoutFieldNumber:
      return v1::CHANGE_EFFECT_IMMEDIATE;
    default:
      return v1::CHANGE_EFFECT_ROLLING_RESTART;
  }
}

// `spec` with the defaults of the fields that the request resets.
void Reset(const v1::UpdateServerRequest& request, v1::ServerSpec* spec,
           std::vector<rpc::FieldViolation>* violations) {
  SpecProblems problems;
  ResetFields(request.reset(), request.spec(), DefaultSpec(), spec, &problems);
  for (SpecProblem& problem : problems) {
    violations->push_back({std::move(problem.field), std::move(problem.description)});
  }
}

absl::Status NeedsStop(const std::vector<v1::SettingChange>& changes) {
  std::vector<std::string> fields;
  for (const v1::SettingChange& change : changes) {
    if (change.effect() == v1::CHANGE_EFFECT_NEEDS_STOP) fields.push_back(change.field());
  }
  const std::string names = absl::StrJoin(fields, ", ");
  return rpc::WithReason(
      absl::FailedPreconditionError(absl::StrCat("a running server cannot change its ", names,
                                                 ": stop it first; nothing was changed")),
      "NEEDS_STOP", {{"fields", names}});
}

}  // namespace

bool SpecUpdate::Needs(v1::ChangeEffect effect) const {
  return std::any_of(changes.begin(), changes.end(),
                     [effect](const auto& change) { return change.effect() == effect; });
}

absl::StatusOr<SpecUpdate> PlanUpdate(const v1::ServerSpec& before,
                                      const v1::UpdateServerRequest& request, bool running) {
  std::vector<rpc::FieldViolation> violations;
  SpecUpdate update{.spec = MergeSpec(before, request.spec())};
  Reset(request, &update.spec, &violations);
  CheckSpec(update.spec, &violations);
  if (!violations.empty()) return rpc::InvalidFields(violations);

  const auto* descriptor = v1::ServerSpec::descriptor();
  for (int i = 0; i < descriptor->field_count(); ++i) {
    const FieldDescriptor& field = *descriptor->field(i);
    if (google::protobuf::util::MessageDifferencer::Equals(Only(before, field),
                                                           Only(update.spec, field))) {
      continue;
    }
    v1::SettingChange& change = update.changes.emplace_back();
    change.set_field(field.name());
    change.set_before(Value(before, field));
    change.set_after(Value(update.spec, field));
    change.set_effect(running ? EffectOf(field.number()) : v1::CHANGE_EFFECT_IMMEDIATE);
  }
  if (update.Needs(v1::CHANGE_EFFECT_NEEDS_STOP) && !request.dry_run()) {
    return NeedsStop(update.changes);
  }
  return update;
}

}  // namespace center::coordinator
