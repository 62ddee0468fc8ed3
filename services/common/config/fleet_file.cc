#include "services/common/config/fleet_file.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "services/common/config/client_spec.h"
#include "services/common/config/message_toml.h"
#include "services/common/config/server_spec.h"
#include "services/common/fd.h"
#include "services/common/nearest.h"
#include "services/common/status_macros.h"
#include "services/common/text.h"

namespace center {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

constexpr char kServers[] = "servers";
constexpr char kPools[] = "pools";
constexpr char kClients[] = "clients";
constexpr char kState[] = "state";

// Where each setting of a table stands.
using Places = std::map<std::string, TomlPlace>;  // by the field

// What is without meaning for a server that takes no connections.
bool IsAboutPayloads(absl::string_view field) {
  for (const absl::string_view about :
       {"host", "port", "no_listen", "framing", "durability", "overflow", "max_payload_bytes",
        "banner", "max_connections", "max_connections_per_peer", "frame_timeout", "idle_timeout",
        "max_buffer_bytes", "retain_bytes", "retain_age", "segment_bytes", "sync_interval"}) {
    if (field == about) return true;
  }
  return false;
}

// What a client's settings are called in a file.
std::string KeyOfClientField(absl::string_view field) {
  if (field == "address") return "to";
  if (absl::StartsWith(field, "mix.")) return "mix";
  return KeyOfField(absl::StripPrefix(field, "pace."));
}

class FleetReader {
 public:
  explicit FleetReader(absl::string_view file) { result_.file = std::string(file); }

  absl::StatusOr<FleetFile> Read(const TomlValue& root) {
    for (const TomlEntry& entry : root.entries) ReadTop(entry);
    if (problems_.empty()) return std::move(result_);
    return absl::InvalidArgumentError(absl::StrJoin(problems_, "\n"));
  }

 private:
  void Complain(TomlPlace place, absl::string_view what) {
    problems_.push_back(absl::StrCat(TomlPlaceText(result_.file, place), ": ", what));
  }

  void ReadTop(const TomlEntry& entry) {
    const bool known = entry.key == kServers || entry.key == kPools || entry.key == kClients;
    if (entry.value.kind != TomlValue::Kind::kTable) {
      if (known) return Complain(entry.place, absl::StrCat("write [", entry.key, ".NAME]"));
      result_.settings.push_back(entry);
      return;
    }
    if (!known) {
      const std::string nearest = Nearest(entry.key, {kServers, kPools, kClients});
      return Complain(
          entry.place,
          absl::StrCat("there is no table \"", entry.key, "\"",
                       nearest.empty() ? "; there are servers, pools and clients"
                                       : absl::StrCat("; did you mean \"", nearest, "\"?")));
    }
    for (const TomlEntry& named : entry.value.entries) ReadNamed(entry.key, named);
  }

  void ReadNamed(const std::string& table, const TomlEntry& named) {
    const std::string what = table.substr(0, table.size() - 1);  // "server"
    if (absl::Status valid = ValidateName(what + " name", named.key); !valid.ok()) {
      return Complain(named.place, valid.message());
    }
    if (named.value.kind != TomlValue::Kind::kTable) {
      return Complain(named.place,
                      absl::StrCat("\"", named.key, "\" is ", TomlKindName(named.value.kind),
                                   "; write [", table, ".", named.key, "]"));
    }
    if (table == kClients) return ReadClient(named);
    ReadServer(what, named);
  }

  void ReadServer(const std::string& what, const TomlEntry& named) {
    DesiredServer server{.name = named.key, .place = named.place};
    const bool pool = what == "pool";
    if (result_.FindServer(server.name) != nullptr) {
      return Complain(named.place, absl::StrCat("there is a server \"", server.name,
                                                "\" already: a pool is a server, too"));
    }
    Places places;
    for (const TomlEntry& entry : named.value.entries) {
      if (entry.key == kState) {
        ReadState(entry, &server.running);
      } else if (pool && IsAboutPayloads(FieldOfKey(entry.key))) {
        Complain(entry.place, absl::StrCat(entry.key,
                                           " is without meaning for a pool, which takes "
                                           "no connections"));
      } else if (ReadField(what, entry, &server.spec)) {
        places[FieldOfKey(entry.key)] = entry.value.place;
      }
    }
    if (pool) server.spec.set_no_listen(true);
    CheckServer(named.place, places, server.spec);
    result_.servers.push_back(std::move(server));
  }

  // The limits are those of the coordinator.
  void CheckServer(TomlPlace table, const Places& places, const v1::ServerSpec& spec) {
    const v1::ServerSpec defaults = DefaultSpec();
    for (const auto& [name, place] : places) {
      const FieldDescriptor& field = *v1::ServerSpec::descriptor()->FindFieldByName(name);
      if (!IsLeftOut(spec, field) || IsLeftOut(defaults, field)) continue;
      Complain(place,
               absl::StrCat(KeyOfField(name), field.cpp_type() == FieldDescriptor::CPPTYPE_STRING
                                                  ? " is empty"
                                                  : " cannot be 0"));
    }
    std::vector<SpecProblem> found;
    FindSpecProblems(MergeSpec(defaults, spec), &found);
    for (const SpecProblem& problem : found) {
      const auto place = places.find(problem.field);
      Complain(place == places.end() ? table : place->second,
               absl::StrCat(KeyOfField(problem.field), " ", problem.description));
    }
  }

  void ReadClient(const TomlEntry& named) {
    DesiredClient client{.name = named.key, .place = named.place};
    const size_t problems_before = problems_.size();
    int paces = 0;
    for (const TomlEntry& entry : named.value.entries) {
      if (entry.key == kState) {
        ReadState(entry, &client.running);
      } else if (entry.key == "to") {
        SetField(entry, *v1::ClientSpec::descriptor()->FindFieldByName("address"), &client.spec);
      } else if (entry.key == "mix") {
        SetMix(entry, client.spec.mutable_mix());
      } else if (entry.key == "interval" || entry.key == "rate" || entry.key == "unlimited") {
        if (++paces > 1) Complain(entry.place, "only one of interval, rate and unlimited");
        SetField(entry, *v1::Pace::descriptor()->FindFieldByName(entry.key),
                 client.spec.mutable_pace());
      } else {
        ReadField("client", entry, &client.spec);
      }
    }
    if (problems_.size() == problems_before) CheckClient(named, client.spec);
    result_.clients.push_back(std::move(client));
  }

  void CheckClient(const TomlEntry& named, const v1::ClientSpec& spec) {
    if (!spec.server().empty() && !spec.address().empty()) {
      return Complain(named.place, "only one of server and to");
    }
    SpecProblems found;
    FindClientSpecProblems(spec, MergeClientSpec(DefaultClientSpec(), spec), &found);
    for (const SpecProblem& problem : found) {
      const std::string key = KeyOfClientField(problem.field);
      const TomlEntry* entry = named.value.Find(key);
      Complain(entry == nullptr ? named.place : entry->value.place,
               absl::StrCat(key, " ", problem.description));
    }
  }

  void SetMix(const TomlEntry& entry, v1::Mix* mix) {
    const absl::Status set =
        entry.value.kind == TomlValue::Kind::kString
            ? ParseMix(entry.value.text, mix)
            : absl::InvalidArgumentError("must be a text such as \"json=1,string=1\"");
    if (!set.ok()) Complain(entry.value.place, absl::StrCat("mix ", set.message()));
  }

  void ReadState(const TomlEntry& entry, bool* running) {
    const bool known = entry.value.kind == TomlValue::Kind::kString &&
                       (entry.value.text == "running" || entry.value.text == "stopped");
    if (!known) {
      return Complain(entry.value.place, "state must be \"running\" or \"stopped\"");
    }
    *running = entry.value.text == "running";
  }

  // True when the message has a field of that key, and the value is one for it.
  bool ReadField(const std::string& what, const TomlEntry& entry, Message* message) {
    const Descriptor* descriptor = message->GetDescriptor();
    const FieldDescriptor* field = descriptor->FindFieldByName(FieldOfKey(entry.key));
    const bool of_clients = descriptor == v1::ClientSpec::descriptor();
    if (field == nullptr || (of_clients && (entry.key == "address" || entry.key == "pace"))) {
      Complain(entry.place, UnknownKey(what, entry.key, *descriptor));
      return false;
    }
    return SetField(entry, *field, message);
  }

  bool SetField(const TomlEntry& entry, const FieldDescriptor& field, Message* message) {
    const absl::Status set = SetFromToml(field, entry.value, message);
    if (set.ok()) return true;
    Complain(entry.value.place, absl::StrCat(entry.key, " ", set.message()));
    return false;
  }

  static std::string UnknownKey(const std::string& what, const std::string& key,
                                const Descriptor& descriptor) {
    std::vector<std::string> keys = {kState};
    for (int i = 0; i < descriptor.field_count(); ++i) {
      const std::string& name = descriptor.field(i)->name();
      if (what == "pool" && IsAboutPayloads(name)) continue;
      if (what == "client" && (name == "address" || name == "pace")) continue;
      keys.push_back(KeyOfField(name));
    }
    if (what == "client") keys.insert(keys.end(), {"to", "interval", "rate", "unlimited"});
    const std::string nearest = Nearest(key, keys);
    return absl::StrCat("a ", what, " has no setting \"", key, "\"",
                        nearest.empty() ? absl::StrCat("; there are ", absl::StrJoin(keys, ", "))
                                        : absl::StrCat("; did you mean ", nearest, "?"));
  }

  FleetFile result_;
  std::vector<std::string> problems_;
};

template <typename Desired>
const Desired* FindNamed(const std::vector<Desired>& all, absl::string_view name) {
  const auto found =
      std::find_if(all.begin(), all.end(), [name](const Desired& one) { return one.name == name; });
  return found == all.end() ? nullptr : &*found;
}

}  // namespace

const DesiredServer* FleetFile::FindServer(absl::string_view name) const {
  return FindNamed(servers, name);
}

const DesiredClient* FleetFile::FindClient(absl::string_view name) const {
  return FindNamed(clients, name);
}

absl::StatusOr<FleetFile> ParseFleetFile(absl::string_view text, absl::string_view file) {
  ASSIGN_OR_RETURN(const TomlValue root, ParseToml(text, file));
  return FleetReader(file).Read(root);
}

absl::StatusOr<FleetFile> ReadFleetFile(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string text, ReadSmallFile(path, kTomlBytesMax));
  return ParseFleetFile(text, path);
}

absl::StatusOr<std::vector<std::string>> FlagsOfSetting(const TomlEntry& setting) {
  const std::vector<TomlValue> one = {setting.value};
  std::vector<std::string> flags;
  for (const TomlValue& value :
       setting.value.kind == TomlValue::Kind::kArray ? setting.value.items : one) {
    std::string text;
    switch (value.kind) {
      case TomlValue::Kind::kString:
        text = value.text;
        break;
      case TomlValue::Kind::kInteger:
        text = absl::StrCat(value.integer);
        break;
      case TomlValue::Kind::kFloat:
        text = absl::StrCat(value.number);
        break;
      case TomlValue::Kind::kBool:
        text = value.flag ? "true" : "false";
        break;
      default:
        return absl::InvalidArgumentError(
            absl::StrCat(setting.key, " is ", TomlKindName(value.kind), "; no flag takes that"));
    }
    flags.push_back(absl::StrCat("--", setting.key, "=", text));
  }
  return flags;
}

v1::UpdateServerRequest UpdateRequestFor(const DesiredServer& server) {
  v1::UpdateServerRequest request;
  request.set_name(server.name);
  *request.mutable_spec() = server.spec;
  *request.mutable_reset() = TakeLeftOut(request.mutable_spec());
  return request;
}

v1::StartClientRequest StartRequestFor(const DesiredClient& client) {
  v1::StartClientRequest request;
  request.set_name(client.name);
  *request.mutable_spec() = client.spec;
  *request.mutable_reset() = TakeLeftOut(request.mutable_spec());
  return request;
}

}  // namespace center
