// The present state as tables of a file.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "services/common/config/client_spec.h"
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

std::string ClientToToml(const v1::Client& client, v1::Framing framing) {
  const v1::ClientSpec& spec = client.spec();
  v1::ClientSpec defaults = DefaultClientSpec();
  defaults.set_framing(framing);
  std::string out = absl::StrCat("[clients.", TomlKey(client.name()), "]\n");
  if (client.state() == v1::CLIENT_STATE_STOPPED) out += "state = \"stopped\"\n";
  out += spec.address().empty() ? absl::StrCat("server = ", TomlString(spec.server()), "\n")
                                : absl::StrCat("to = ", TomlString(spec.address()), "\n");
  AppendPace(spec.pace(), &out);
  const auto* descriptor = v1::ClientSpec::descriptor();
  for (int i = 0; i < descriptor->field_count(); ++i) {
    const FieldDescriptor& field = *descriptor->field(i);
    switch (field.number()) {
      case v1::ClientSpec::kServerFieldNumber:
      case v1::ClientSpec::kAddressFieldNumber:
      case v1::ClientSpec::kPaceFieldNumber:
        break;
      case v1::ClientSpec::kMixFieldNumber:
        if (MixToText(spec.mix()) == MixToText(defaults.mix())) break;
        absl::StrAppend(&out, "mix = ", TomlString(MixToText(spec.mix())), "\n");
        break;
      default:
        if (ValueToToml(spec, field) != ValueToToml(defaults, field)) {
          AppendField(spec, field, &out);
        }
    }
  }
  return out;
}

}  // namespace center
