#include "services/common/config/spec_fields.h"

#include <memory>
#include <set>

namespace center {

void AddProblem(absl::string_view field, absl::string_view description, SpecProblems* problems) {
  problems->push_back({std::string(field), std::string(description)});
}

void CheckDuration(absl::string_view field, const google::protobuf::Duration& duration,
                   absl::Duration min, absl::Duration max, SpecProblems* problems) {
  const bool well_formed = duration.nanos() > -1'000'000'000 && duration.nanos() < 1'000'000'000;
  const absl::Duration value = ToDuration(duration);
  if (well_formed && value >= min && value <= max) return;
  AddProblem(field,
             absl::StrCat("is ", absl::FormatDuration(value), "; must be from ",
                          absl::FormatDuration(min), " to ", absl::FormatDuration(max)),
             problems);
}

void MergeFields(const google::protobuf::Message& request, google::protobuf::Message* base) {
  // Protobuf's own merge does what is meant for numbers and texts: fields that are set replace,
  // those at zero stay. Messages would be merged field by field (1.5 s with 2 s gives 2.5 s), so
  // they are replaced as a whole, and a duration of zero stays away like a number.
  const std::unique_ptr<google::protobuf::Message> changes(request.New());
  changes->CopyFrom(request);
  const auto* reflection = request.GetReflection();
  const auto* descriptor = request.GetDescriptor();
  for (int i = 0; i < descriptor->field_count(); ++i) {
    const auto* field = descriptor->field(i);
    if (field->message_type() == nullptr || !reflection->HasField(request, field)) continue;
    reflection->ClearField(IsLeftOut(request, *field) ? changes.get() : base, field);
  }
  base->MergeFrom(*changes);
}

bool IsLeftOut(const google::protobuf::Message& settings,
               const google::protobuf::FieldDescriptor& field) {
  const auto* reflection = settings.GetReflection();
  if (!reflection->HasField(settings, &field)) return true;
  return field.message_type() == google::protobuf::Duration::descriptor() &&
         reflection->GetMessage(settings, &field).ByteSizeLong() == 0;
}

google::protobuf::RepeatedPtrField<std::string> TakeLeftOut(google::protobuf::Message* settings) {
  google::protobuf::RepeatedPtrField<std::string> names;
  const auto* descriptor = settings->GetDescriptor();
  for (int i = 0; i < descriptor->field_count(); ++i) {
    const auto* field = descriptor->field(i);
    if (!IsLeftOut(*settings, *field)) continue;
    settings->GetReflection()->ClearField(settings, field);
    *names.Add() = field->name();
  }
  return names;
}

void ResetFields(const google::protobuf::RepeatedPtrField<std::string>& names,
                 const google::protobuf::Message& request,
                 const google::protobuf::Message& defaults, google::protobuf::Message* base,
                 SpecProblems* problems) {
  const auto* descriptor = base->GetDescriptor();
  std::set<int> reset;
  for (const std::string& name : names) {
    const auto* field = descriptor->FindFieldByName(name);
    if (field == nullptr) {
      AddProblem("reset", absl::StrCat("there is no setting '", name, "'"), problems);
    } else if (request.GetReflection()->HasField(request, field)) {
      AddProblem("reset", absl::StrCat("'", name, "' is set by spec as well"), problems);
    } else {
      reset.insert(field->index());
    }
  }
  const std::unique_ptr<google::protobuf::Message> values(defaults.New());
  values->CopyFrom(defaults);
  for (int i = 0; i < descriptor->field_count(); ++i) {
    google::protobuf::Message* without = reset.contains(i) ? base : values.get();
    without->GetReflection()->ClearField(without, descriptor->field(i));
  }
  base->MergeFrom(*values);
}

absl::Duration ToDuration(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

google::protobuf::Duration FromDuration(absl::Duration duration) {
  google::protobuf::Duration result;
  result.set_seconds(absl::IDivDuration(duration, absl::Seconds(1), &duration));
  result.set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(duration)));
  return result;
}

}  // namespace center
