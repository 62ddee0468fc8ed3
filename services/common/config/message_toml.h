// Fields of messages as keys of TOML: "max_payload_bytes" is max-payload-bytes, named and written
// as the flags of centerctl are: sizes as "64MiB" (or a number of bytes), durations as "30s", enum
// values by their short names ("drop-oldest").
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/message.h"
#include "services/common/config/toml.h"

namespace center {

// "task_modules" is `task-module` everywhere; otherwise _ and - are exchanged.
std::string KeyOfField(absl::string_view field);
std::string FieldOfKey(absl::string_view key);

// Sets the field to the value. InvalidArgument that says what would be right, to be read behind the
// name of the key: "is a string; must be a whole number".
absl::Status SetFromToml(const google::protobuf::FieldDescriptor& field, const TomlValue& value,
                         google::protobuf::Message* message);

// The field's value as TOML has it. REQUIRES: a field that SetFromToml can set.
std::string ValueToToml(const google::protobuf::Message& message,
                        const google::protobuf::FieldDescriptor& field);

// A value of that field as SettingChange has it (proto3 JSON), in the words of the file.
std::string WordOfJson(const google::protobuf::FieldDescriptor& field, absl::string_view json);

}  // namespace center
