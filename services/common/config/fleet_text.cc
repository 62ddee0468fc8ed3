// The present state as tables of a file.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "services/common/config/fleet_file.h"
#include "services/common/config/message_toml.h"

namespace center {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

void AppendField(const Message& message, const FieldDescriptor& field, std::string* out) {
  absl::StrAppend(out, KeyOfField(field.name()), " = ", ValueToToml(message, field), "\n");
}

void AppendPace(const v1::Pace& pace, std::string* out) {
  const auto* field = v1::Pace::GetReflection()->GetOneofFieldDescriptor(
      pace, v1::Pace::descriptor()->FindOneofByName("pace"));
  if (field != nullptr) AppendField(pace, *field, out);
}

}  // namespace

std::string ServerToToml(const v1::Server& server, const std::vector<std::string>& fields) {
  const v1::ServerSpec& spec = server.spec();
  const auto differs = [&fields](const std::string& name) {
    return std::find(fields.begin(), fields.end(), name) != fields.end();
  };
  // A server without a port whose settings say nothing about payloads.
  const auto counts_for_pool = [&](const FieldDescriptor& field) {
    return field.number() == v1::ServerSpec::kWorkersFieldNumber ||
           field.number() >= v1::ServerSpec::kDrainTimeoutFieldNumber;
  };
  const auto* descriptor = v1::ServerSpec::descriptor();
  bool pool = spec.no_listen();
  for (int i = 0; i < descriptor->field_count(); ++i) {
    const FieldDescriptor& field = *descriptor->field(i);
    if (differs(field.name()) && !counts_for_pool(field)) pool = false;
  }
  std::string out = absl::StrCat("[", pool ? "pools." : "servers.", TomlKey(server.name()), "]\n");
  if (server.state() == v1::SERVER_STATE_STOPPED) out += "state = \"stopped\"\n";
  for (int i = 0; i < descriptor->field_count(); ++i) {
    const FieldDescriptor& field = *descriptor->field(i);
    const bool always = field.number() == v1::ServerSpec::kWorkersFieldNumber ||
                        (field.number() == v1::ServerSpec::kPortFieldNumber && !spec.no_listen());
    if (pool && field.number() == v1::ServerSpec::kNoListenFieldNumber) continue;
    if (always || differs(field.name())) AppendField(spec, field, &out);
  }
  return out;
}

std::string ClientToToml(const v1::Client& client) {
  const v1::ClientSpec& spec = client.spec();
  std::string out = absl::StrCat("[clients.", TomlKey(client.name()), "]\n");
  if (client.state() == v1::CLIENT_STATE_STOPPED) out += "state = \"stopped\"\n";
  const auto* descriptor = v1::ClientSpec::descriptor();
  for (int i = 0; i < descriptor->field_count(); ++i) {
    const FieldDescriptor& field = *descriptor->field(i);
    if (!v1::ClientSpec::GetReflection()->HasField(spec, &field)) continue;
    if (field.number() == v1::ClientSpec::kPaceFieldNumber) {
      AppendPace(spec.pace(), &out);
    } else if (field.number() == v1::ClientSpec::kMixFieldNumber) {
      absl::StrAppend(&out, "mix = \"json=", spec.mix().json(), ",string=", spec.mix().string(),
                      "\"\n");
    } else if (field.number() == v1::ClientSpec::kAddressFieldNumber) {
      absl::StrAppend(&out, "to = ", ValueToToml(spec, field), "\n");
    } else if (field.number() == v1::ClientSpec::kServerFieldNumber && !spec.address().empty()) {
      continue;  // it sends to the address
    } else {
      AppendField(spec, field, &out);
    }
  }
  return out;
}

}  // namespace center
