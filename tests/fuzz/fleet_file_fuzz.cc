// Any text as a description of the fleet: it is refused with a place, or what it says can be
// written and says the same when it is read again.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "services/common/config/fleet_file.h"
#include "services/common/config/server_spec.h"

namespace {

void Require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto file = center::ParseFleetFile(text, "f.toml");
  if (!file.ok()) {
    Require(absl::StartsWith(file.status().message(), "f.toml:"));
    return 0;
  }
  std::vector<std::string> fields;
  const auto* descriptor = center::v1::ServerSpec::descriptor();
  for (int i = 0; i < descriptor->field_count(); ++i)
    fields.push_back(descriptor->field(i)->name());
  for (const center::DesiredServer& server : file->servers) {
    center::v1::Server shown;
    shown.set_name(server.name);
    *shown.mutable_spec() = center::MergeSpec(center::DefaultSpec(), server.spec);
    const auto again = center::ParseFleetFile(center::ServerToToml(shown, fields), "again");
    Require(again.ok() && again->servers.size() == 1);
    const auto spec = center::MergeSpec(center::DefaultSpec(), again->servers[0].spec);
    Require(spec.SerializeAsString() == shown.spec().SerializeAsString());
  }
  return 0;
}
