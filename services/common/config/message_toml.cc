#include "services/common/config/message_toml.h"

#include <algorithm>
#include <limits>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "center/v1/client.pb.h"
#include "services/common/config/server_spec.h"
#include "services/common/nearest.h"
#include "services/common/status_macros.h"
#include "services/common/text.h"

namespace center {
namespace {

using google::protobuf::Duration;
using google::protobuf::EnumDescriptor;
using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

absl::Status MustBe(const TomlValue& value, absl::string_view what) {
  return absl::InvalidArgumentError(
      absl::StrCat("is ", TomlKindName(value.kind), "; must be ", what));
}

bool IsSize(const FieldDescriptor& field) { return absl::EndsWith(field.name(), "_bytes"); }

// FRAMING_DROP_OLDEST is "drop-oldest": without the prefix that all values of the type share.
std::string WordOf(const EnumValueDescriptor& value) {
  const absl::string_view zero = value.type()->FindValueByNumber(0)->name();
  const absl::string_view prefix = absl::StripSuffix(zero, "UNSPECIFIED");
  std::string word = absl::AsciiStrToLower(absl::StripPrefix(value.name(), prefix));
  std::replace(word.begin(), word.end(), '_', '-');
  return word;
}

absl::Status SetEnum(const FieldDescriptor& field, const TomlValue& value, Message* message) {
  std::vector<std::string> words;
  for (int i = 1; i < field.enum_type()->value_count(); ++i) {
    const EnumValueDescriptor* candidate = field.enum_type()->value(i);
    words.push_back(WordOf(*candidate));
    if (value.kind == TomlValue::Kind::kString && value.text == words.back()) {
      message->GetReflection()->SetEnum(message, &field, candidate);
      return absl::OkStatus();
    }
  }
  const std::string all = absl::StrCat("one of \"", absl::StrJoin(words, "\", \""), "\"");
  if (value.kind != TomlValue::Kind::kString) return MustBe(value, all);
  const std::string nearest = Nearest(value.text, words);
  return absl::InvalidArgumentError(
      absl::StrCat("is \"", value.text, "\"; must be ", all,
                   nearest.empty() ? "" : absl::StrCat("; did you mean \"", nearest, "\"?")));
}

absl::Status ReadUnsigned(const FieldDescriptor& field, const TomlValue& value, uint64_t* number) {
  const bool size = IsSize(field);
  if (size && value.kind == TomlValue::Kind::kString) {
    ASSIGN_OR_RETURN(*number, ParseByteSize(value.text));
    return absl::OkStatus();
  }
  if (value.kind != TomlValue::Kind::kInteger) {
    return MustBe(value,
                  size ? "a size such as \"64MiB\", or a number of bytes" : "a whole number");
  }
  if (value.integer < 0) return absl::InvalidArgumentError("is negative");
  *number = static_cast<uint64_t>(value.integer);
  return absl::OkStatus();
}

absl::Status SetNumber(const FieldDescriptor& field, const TomlValue& value, Message* message) {
  uint64_t number = 0;
  RETURN_IF_ERROR(ReadUnsigned(field, value, &number));
  const auto* reflection = message->GetReflection();
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_UINT64) {
    reflection->SetUInt64(message, &field, number);
    return absl::OkStatus();
  }
  if (number > std::numeric_limits<uint32_t>::max()) {
    return absl::InvalidArgumentError(absl::StrCat("is ", number, ", which is too large"));
  }
  reflection->SetUInt32(message, &field, static_cast<uint32_t>(number));
  return absl::OkStatus();
}

absl::Status SetDuration(const TomlValue& value, Message* target) {
  if (value.kind != TomlValue::Kind::kString) return MustBe(value, "a duration such as \"30s\"");
  ASSIGN_OR_RETURN(const absl::Duration duration, ParseDurationFlag(value.text));
  target->CopyFrom(FromDuration(duration));
  return absl::OkStatus();
}

// A path, or an array of them.
absl::Status SetPaths(const TomlValue& value, Message* target) {
  v1::TaskModules modules;
  const std::vector<TomlValue> one = {value};
  const bool array = value.kind == TomlValue::Kind::kArray;
  for (const TomlValue& item : array ? value.items : one) {
    if (item.kind != TomlValue::Kind::kString) return MustBe(item, "a path, or an array of paths");
    modules.add_paths(item.text);
  }
  target->CopyFrom(modules);
  return absl::OkStatus();
}

absl::Status SetMessage(const FieldDescriptor& field, const TomlValue& value, Message* message) {
  // Present also when it comes out empty: "0s" is an answer, not a silence.
  Message* target = message->GetReflection()->MutableMessage(message, &field);
  if (field.message_type() == Duration::descriptor()) return SetDuration(value, target);
  if (field.message_type() == v1::TaskModules::descriptor()) return SetPaths(value, target);
  return absl::InternalError(absl::StrCat("cannot be read from a file"));
}

std::string DurationText(const Message& message) {
  const auto* descriptor = message.GetDescriptor();
  const auto* reflection = message.GetReflection();
  return absl::FormatDuration(
      absl::Seconds(reflection->GetInt64(message, descriptor->FindFieldByName("seconds"))) +
      absl::Nanoseconds(reflection->GetInt32(message, descriptor->FindFieldByName("nanos"))));
}

// The fewest digits that are read as this number again.
std::string ShortestNumber(double number) {
  for (const int digits : {6, 15}) {
    const std::string text = absl::StrFormat("%.*g", digits, number);
    double again = 0;
    if (absl::SimpleAtod(text, &again) && again == number) return text;
  }
  return absl::StrFormat("%.17g", number);
}

std::string MessageToToml(const Message& message) {
  if (message.GetDescriptor() == Duration::descriptor()) {
    std::string text = DurationText(message);
    return TomlString(text == "0" ? "0s" : text);
  }
  v1::TaskModules modules;
  modules.CopyFrom(message);
  std::vector<std::string> paths;
  for (const std::string& path : modules.paths()) paths.push_back(TomlString(path));
  return absl::StrCat("[", absl::StrJoin(paths, ", "), "]");
}

}  // namespace

std::string KeyOfField(absl::string_view field) {
  if (field == "task_modules") return "task-module";
  return absl::StrReplaceAll(field, {{"_", "-"}});
}

std::string FieldOfKey(absl::string_view key) {
  if (key == "task-module") return "task_modules";
  if (absl::StrContains(key, '_')) return "";
  return absl::StrReplaceAll(key, {{"-", "_"}});
}

absl::Status SetFromToml(const FieldDescriptor& field, const TomlValue& value, Message* message) {
  const auto* reflection = message->GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      if (value.kind != TomlValue::Kind::kString) return MustBe(value, "a string");
      reflection->SetString(message, &field, value.text);
      return absl::OkStatus();
    case FieldDescriptor::CPPTYPE_BOOL:
      if (value.kind != TomlValue::Kind::kBool) return MustBe(value, "true or false");
      reflection->SetBool(message, &field, value.flag);
      return absl::OkStatus();
    case FieldDescriptor::CPPTYPE_ENUM:
      return SetEnum(field, value, message);
    case FieldDescriptor::CPPTYPE_DOUBLE:
      if (value.kind != TomlValue::Kind::kInteger && value.kind != TomlValue::Kind::kFloat) {
        return MustBe(value, "a number");
      }
      reflection->SetDouble(message, &field,
                            value.kind == TomlValue::Kind::kFloat
                                ? value.number
                                : static_cast<double>(value.integer));
      return absl::OkStatus();
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return SetMessage(field, value, message);
    default:
      return SetNumber(field, value, message);
  }
}

std::string ValueToToml(const Message& message, const FieldDescriptor& field) {
  const auto* reflection = message.GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      return TomlString(reflection->GetString(message, &field));
    case FieldDescriptor::CPPTYPE_BOOL:
      return reflection->GetBool(message, &field) ? "true" : "false";
    case FieldDescriptor::CPPTYPE_ENUM:
      return TomlString(WordOf(*reflection->GetEnum(message, &field)));
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return ShortestNumber(reflection->GetDouble(message, &field));
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return MessageToToml(reflection->GetMessage(message, &field));
    default: {
      const uint64_t number = field.cpp_type() == FieldDescriptor::CPPTYPE_UINT64
                                  ? reflection->GetUInt64(message, &field)
                                  : reflection->GetUInt32(message, &field);
      return IsSize(field) ? TomlString(FormatByteSize(number)) : absl::StrCat(number);
    }
  }
}

std::string WordOfJson(const FieldDescriptor& field, absl::string_view json) {
  if (field.enum_type() != nullptr) {
    const auto* value = field.enum_type()->FindValueByName(std::string(json));
    if (value != nullptr) return WordOf(*value);
  }
  uint64_t number = 0;
  if (IsSize(field) && absl::SimpleAtoi(json, &number)) return FormatByteSize(number);
  return json.empty() ? "\"\"" : std::string(json);
}

}  // namespace center
