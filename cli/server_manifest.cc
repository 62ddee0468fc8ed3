#include "cli/server_manifest.h"

#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "cli/commands.h"
#include "cli/errors.h"
#include "cli/server_change.h"
#include "cli/server_flags.h"
#include "cli/server_manifest_text.h"
#include "services/common/config/server_spec.h"
#include "services/common/status_macros.h"
#include "services/common/text.h"

namespace center::cli {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

constexpr absl::Duration kLameDuckTime = absl::Seconds(5);  // as in the text
// Beyond lame duck and drain: to flush, and for the node to notice.
constexpr absl::Duration kEndGrace = absl::Seconds(15);

// What the manifest says in other places, or the cluster's own machinery decides.
enum class SettingPlace { kFlag, kElsewhere, kNowhere };
SettingPlace PlaceOf(absl::string_view field) {
  if (field == "workers" || field == "port" || field == "drain_timeout")
    return SettingPlace::kElsewhere;
  for (const char* none : {"host", "restart", "start_timeout", "liveness_timeout", "no_listen",
                           "task_modules", "orphan_timeout"}) {
    if (field == none) return SettingPlace::kNowhere;
  }
  return SettingPlace::kFlag;
}

// "FRAMING_OCTET" of the enum Framing as a flag has it: "octet".
std::string EnumFlag(const google::protobuf::EnumValueDescriptor& value) {
  std::string word = value.name();
  const std::string prefix = absl::StrCat(absl::AsciiStrToUpper(value.type()->name()), "_");
  if (word.rfind(prefix, 0) == 0) word.erase(0, prefix.size());
  return absl::StrReplaceAll(absl::AsciiStrToLower(word), {{"_", "-"}});
}

std::string ValueText(const v1::ServerSpec& spec, const FieldDescriptor& field) {
  const auto& reflection = *spec.GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_ENUM:
      return EnumFlag(*reflection.GetEnum(spec, &field));
    case FieldDescriptor::CPPTYPE_UINT32:
      return absl::StrCat(reflection.GetUInt32(spec, &field));
    case FieldDescriptor::CPPTYPE_UINT64:
      return absl::StrCat(reflection.GetUInt64(spec, &field));
    case FieldDescriptor::CPPTYPE_STRING:
      return reflection.GetString(spec, &field);
    case FieldDescriptor::CPPTYPE_MESSAGE: {
      // The only messages among the flags of a worker.
      const auto& duration =
          static_cast<const google::protobuf::Duration&>(reflection.GetMessage(spec, &field));
      return absl::FormatDuration(ToDuration(duration));
    }
    default:
      return "";
  }
}

// One word of a command in YAML. "$(" would be a variable to Kubernetes.
std::string CommandLine(const std::string& word) {
  return absl::StrCat("            - \"",
                      absl::Utf8SafeCHexEscape(absl::StrReplaceAll(word, {{"$(", "$$("}})), "\"\n");
}

absl::StatusOr<std::string> WorkerFlags(const v1::ServerSpec& spec) {
  std::string flags;
  std::vector<const FieldDescriptor*> fields;
  spec.GetReflection()->ListFields(spec, &fields);
  for (const FieldDescriptor* field : fields) {
    const std::string flag = FlagOfField(field->name());
    switch (PlaceOf(field->name())) {
      case SettingPlace::kElsewhere:
        break;
      case SettingPlace::kNowhere:
        return UsageError(absl::StrCat("--", flag, " has no meaning in a cluster"));
      case SettingPlace::kFlag:
        flags += CommandLine(absl::StrCat("--", flag, "=", ValueText(spec, *field)));
    }
  }
  return flags;
}

absl::Status CheckManifest(const ManifestOptions& options, const v1::ServerSpec& merged) {
  if (absl::Status valid = ValidateName("server name", options.name); !valid.ok()) {
    return UsageError(valid.message());
  }
  std::vector<SpecProblem> problems;
  FindSpecProblems(merged, &problems);
  if (!problems.empty()) {
    return UsageError(
        absl::StrCat("--", FlagOfField(problems.front().field), " ", problems.front().description));
  }
  if (merged.port() == 0) return UsageError("in a cluster a server needs a port of its own");
  for (const std::string& text : {options.image, options.storage}) {
    if (text.empty() || text.find_first_of(" \t\r\n\"'{}[],#&*!|>%@`\\") != std::string::npos) {
      return UsageError(absl::StrCat("'", text, "' is no name of an image, nor a size"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> ServerManifest(const ManifestOptions& options) {
  const v1::ServerSpec merged = MergeSpec(DefaultSpec(), options.spec);
  RETURN_IF_ERROR(CheckManifest(options, merged));
  ASSIGN_OR_RETURN(std::string flags, WorkerFlags(options.spec));
  std::string mounts;
  std::string volumes;
  std::string protocol;  // what speaks to the service: gateways and meshes go by it
  if (options.security == ManifestOptions::Security::kInsecure) {
    flags += CommandLine("--insecure");
    protocol = ", appProtocol: kubernetes.io/h2c";
  }
  if (options.security == ManifestOptions::Security::kTls) {
    for (const char* flag :
         {"--tls-cert=/tls/tls.crt", "--tls-key=/tls/tls.key", "--tls-ca=/tls/ca.crt"}) {
      flags += CommandLine(flag);
    }
    protocol = ", appProtocol: https";
    mounts = "            - {name: tls, mountPath: /tls, readOnly: true}\n";
    volumes = "        - {name: tls, secret: {secretName: center-worker-tls, defaultMode: 288}}\n";
  }
  const absl::Duration drain = ToDuration(merged.drain_timeout());
  return absl::StrReplaceAll(
      kServerManifestText, {{"@NAME@", options.name},
                            {"@REPLICAS@", absl::StrCat(merged.workers())},
                            {"@IMAGE@", options.image},
                            {"@STORAGE@", options.storage},
                            {"@PORT@", absl::StrCat(merged.port())},
                            {"@DRAIN@", absl::FormatDuration(drain)},
                            {"@GRACE@", absl::StrCat(absl::ToInt64Seconds(absl::Ceil(
                                            kLameDuckTime + drain + kEndGrace, absl::Seconds(1))))},
                            {"@APP_PROTOCOL@", protocol},
                            {"@FLAGS@", flags},
                            {"@MOUNTS@", mounts},
                            {"@VOLUMES@", volumes}});
}

void AddServerManifestCommand(CLI::App* noun, Selection& selection) {
  CLI::App* command =
      noun->add_subcommand("manifest", "Print a server's Kubernetes objects, for kubectl apply");
  auto options = std::make_shared<ManifestOptions>();
  auto spec = std::make_shared<v1::ServerSpec>();
  auto insecure = std::make_shared<bool>(false);
  options->name = "default";
  command->add_option("NAME", options->name, "Its name: a-z, 0-9 and - (default: \"default\")")
      ->type_name("NAME");
  AddSpecFlags(*command, spec);
  command->add_option("--image", options->image, "The image with center-worker")
      ->type_name("IMAGE")
      ->capture_default_str();
  command->add_option("--storage", options->storage, "The size of a worker's volume")
      ->type_name("SIZE")
      ->capture_default_str();
  command->add_flag("--insecure", *insecure,
                    "Without encryption: whoever can reach a worker may read what it has stored. "
                    "Else it has the certificates of the secret center-worker-tls");
  command->footer(
      "Asks no coordinator. One with --backend statefulset finds the server as soon as it is "
      "there.\n"
      "\n"
      "Examples:\n"
      "  centerctl server manifest games -n 4 --framing length | kubectl apply -n center -f -\n"
      "  centerctl server manifest --insecure --image registry/center:0.1.0 > default.yaml");
  OnSelected(command, selection, [=](Context& context) -> absl::Status {
    options->spec = *spec;
    options->security =
        *insecure ? ManifestOptions::Security::kInsecure : ManifestOptions::Security::kTls;
    ASSIGN_OR_RETURN(const std::string manifest, ServerManifest(*options));
    context.out().Append(manifest);
    return absl::OkStatus();
  });
}

}  // namespace center::cli
