// `context list|use|show|set|delete`: coordinators by name.
#include <algorithm>
#include <memory>

#include "absl/strings/str_cat.h"
#include "cli/commands.h"
#include "cli/context_file.h"
#include "cli/views.h"
#include "google/protobuf/struct.pb.h"
#include "services/common/net_address.h"
#include "services/common/status_macros.h"
#include "services/common/text.h"

namespace center::cli {
namespace {

using google::protobuf::Struct;

absl::Status RequireContextFormat(Context& context) {
  return RequireFormat(context, {Format::kTable, Format::kJson, Format::kYaml, Format::kName});
}

// An object for -o json and yaml.
Struct ObjectOf(const NamedContext& context, bool current) {
  Struct object;
  auto& fields = *object.mutable_fields();
  const auto set = [&fields](const char* key, const std::string& value) {
    if (!value.empty()) fields[key].set_string_value(value);
  };
  fields["name"].set_string_value(context.name);
  fields["current"].set_bool_value(current);
  set("address", context.address);
  set("tlsCert", context.credentials.tls_cert);
  set("tlsKey", context.credentials.tls_key);
  set("tlsCa", context.credentials.tls_ca);
  fields["insecure"].set_bool_value(context.credentials.insecure);
  return object;
}

absl::Status Print(Context& context, const Struct& object) {
  ASSIGN_OR_RETURN(const std::string text, Render(object, context.globals().format));
  context.out().Append(text);
  return absl::OkStatus();
}

std::string SecurityOf(const Credentials& credentials) {
  if (credentials.UsesTls()) return "TLS";
  return credentials.insecure ? "insecure" : "-";
}

absl::Status ListContexts(Context& context) {
  RETURN_IF_ERROR(RequireContextFormat(context));
  ASSIGN_OR_RETURN(const ContextFile file, ReadContextFile());
  const Format format = context.globals().format;
  if (format == Format::kJson || format == Format::kYaml) {
    Struct all;
    auto& list = *(*all.mutable_fields())["contexts"].mutable_list_value();
    for (const NamedContext& named : file.contexts) {
      *list.add_values()->mutable_struct_value() = ObjectOf(named, named.name == file.current);
    }
    return Print(context, all);
  }
  if (file.contexts.empty()) {
    context.Say("there are no contexts: `centerctl context set NAME --address ADDR` makes one");
    return absl::OkStatus();
  }
  Table table({{""}, {"NAME"}, {"ADDRESS"}, {"SECURITY"}});
  for (const NamedContext& named : file.contexts) {
    if (format == Format::kName) context.out().Append(absl::StrCat(named.name, "\n"));
    table.AddRow({named.name == file.current ? "*" : "",
                  {named.name, Color::kBold},
                  named.address.empty() ? std::string("-") : named.address,
                  SecurityOf(named.credentials)});
  }
  if (format != Format::kName) context.out().Append(table.Render(context.out_style()));
  return absl::OkStatus();
}

absl::Status ShowContext(Context& context, const std::string& wanted) {
  RETURN_IF_ERROR(RequireContextFormat(context));
  ASSIGN_OR_RETURN(const ContextFile file, ReadContextFile());
  // As another command would choose.
  if (wanted.empty()) RETURN_IF_ERROR(context.globals().context_error);
  const std::string& name = wanted.empty() ? context.globals().context : wanted;
  if (name.empty()) {
    context.Say(absl::StrCat("no context is in use; the coordinator is ", context.address()));
    return absl::OkStatus();
  }
  const NamedContext* named = file.Find(name);
  if (named == nullptr) return file.NoSuchContext(name);
  const Format format = context.globals().format;
  if (format == Format::kName) {
    context.out().Append(absl::StrCat(name, "\n"));
    return absl::OkStatus();
  }
  if (format == Format::kJson || format == Format::kYaml) {
    return Print(context, ObjectOf(*named, name == file.current));
  }
  Table table = Sheet();
  const auto add = [&table](const char* key, const std::string& value) {
    if (!value.empty()) table.AddRow({key, value});
  };
  table.AddRow({"Context", {name, Color::kBold}});
  add("Address", named->address);
  add("TLS certificate", named->credentials.tls_cert);
  add("TLS key", named->credentials.tls_key);
  add("TLS authorities", named->credentials.tls_ca);
  if (named->credentials.insecure) add("Insecure", "true");
  add("File", file.path);
  context.out().Append(table.Render(context.out_style(), false));
  return absl::OkStatus();
}

absl::Status UseContext(Context& context, const std::string& name) {
  RETURN_IF_ERROR(RequireFormat(context, {}));
  ASSIGN_OR_RETURN(ContextFile file, ReadContextFile());
  const NamedContext* named = file.Find(name);
  if (named == nullptr) return file.NoSuchContext(name);
  const std::string address = named->address;
  file.current = name;
  RETURN_IF_ERROR(WriteContextFile(file));
  context.Say(absl::StrCat("context ", name, " is in use",
                           address.empty() ? "" : absl::StrCat(": ", address)));
  return absl::OkStatus();
}

struct SetFlags {
  std::string name, tls_cert, tls_key, tls_ca, insecure;
  bool use = false;
};

absl::Status SetContext(Context& context, const SetFlags& flags) {
  RETURN_IF_ERROR(RequireFormat(context, {}));
  if (absl::Status valid = ValidateName("context name", flags.name); !valid.ok()) {
    return UsageError(valid.message());
  }
  const std::string& address = context.globals().address_flag;
  if (!address.empty()) {
    const auto parsed = ParseNetAddress(address);
    if (!parsed.ok()) return UsageError(absl::StrCat("--address: ", parsed.status().message()));
  }
  ASSIGN_OR_RETURN(ContextFile file, ReadContextFile());
  auto named = std::find_if(file.contexts.begin(), file.contexts.end(),
                            [&](const NamedContext& one) { return one.name == flags.name; });
  const bool fresh = named == file.contexts.end();
  if (fresh && file.contexts.size() == kContextsMax) {
    return absl::ResourceExhaustedError(absl::StrCat("there are ", kContextsMax, " contexts"));
  }
  if (fresh) named = file.contexts.insert(named, NamedContext{.name = flags.name});
  const auto set = [](const std::string& value, std::string* target) {
    if (!value.empty()) *target = value;
  };
  set(address, &named->address);
  set(flags.tls_cert, &named->credentials.tls_cert);
  set(flags.tls_key, &named->credentials.tls_key);
  set(flags.tls_ca, &named->credentials.tls_ca);
  if (!flags.insecure.empty()) named->credentials.insecure = flags.insecure == "true";
  // The first one is meant to be used.
  if (flags.use || (fresh && file.contexts.size() == 1)) file.current = flags.name;
  RETURN_IF_ERROR(WriteContextFile(file));
  context.Say(absl::StrCat("context ", flags.name, fresh ? " made" : " changed",
                           file.current == flags.name ? " and in use" : "", ", in ", file.path));
  return absl::OkStatus();
}

absl::Status DeleteContext(Context& context, const std::string& name) {
  RETURN_IF_ERROR(RequireFormat(context, {}));
  ASSIGN_OR_RETURN(ContextFile file, ReadContextFile());
  if (file.Find(name) == nullptr) return file.NoSuchContext(name);
  std::erase_if(file.contexts, [&](const NamedContext& one) { return one.name == name; });
  const bool was_current = file.current == name;
  if (was_current) file.current.clear();
  RETURN_IF_ERROR(WriteContextFile(file));
  context.Say(absl::StrCat("context ", name, " deleted", was_current ? "; none is in use" : ""));
  return absl::OkStatus();
}

void AddSetContext(CLI::App* noun, Selection& selection) {
  CLI::App* set = noun->add_subcommand("set", "Make a context, or change what is given of it");
  auto flags = std::make_shared<SetFlags>();
  set->add_option("CONTEXT", flags->name, "Its name: a-z, 0-9 and -")
      ->type_name("CONTEXT")
      ->required();
  set->add_option("--tls-cert", flags->tls_cert, "Our certificate, PEM")->type_name("FILE");
  set->add_option("--tls-key", flags->tls_key, "Its key, PEM")->type_name("FILE");
  set->add_option("--tls-ca", flags->tls_ca, "Who signs the coordinator's certificate, PEM")
      ->type_name("FILE");
  set->add_option("--insecure", flags->insecure, "Whether it is spoken to without TLS on purpose")
      ->type_name("true|false")
      ->check(CLI::IsMember({"true", "false"}).description(""));
  set->add_flag("--use", flags->use, "Use it from now on; the first context is anyway");
  set->footer(
      "Where the coordinator is comes from the global flag --address.\n"
      "\n"
      "Examples:\n"
      "  centerctl context set local --address unix:/run/center/center.sock\n"
      "  centerctl context set prod --address 10.0.0.5:7070 --tls-ca /etc/center/ca.pem --use");
  OnSelected(set, selection, [flags](Context& context) { return SetContext(context, *flags); });
}

std::shared_ptr<std::string> AddContextName(CLI::App* command, bool required) {
  auto name = std::make_shared<std::string>();
  command->add_option("CONTEXT", *name, required ? "Its name" : "Default: the one in use")
      ->type_name("CONTEXT")
      ->required(required);
  return name;
}

}  // namespace

void AddContextCommands(CLI::App& root, Selection& selection) {
  CLI::App* noun = root.add_subcommand("context", "Coordinators by name: where they are, and how");
  noun->require_subcommand(0, 1);
  CLI::App* list = noun->add_subcommand("list", "List the contexts; * is the one in use");
  list->footer("Examples:\n  centerctl context list");
  OnSelected(list, selection, ListContexts);

  CLI::App* use = noun->add_subcommand("use", "Make a context the one that commands use");
  auto used = AddContextName(use, /*required=*/true);
  use->footer(
      "For one command there is --context, for a terminal CENTER_CONTEXT.\n"
      "\n"
      "Examples:\n"
      "  centerctl context use prod\n"
      "  centerctl --context prod server list");
  OnSelected(use, selection, [used](Context& context) { return UseContext(context, *used); });

  CLI::App* show = noun->add_subcommand("show", "Show a context");
  auto shown = AddContextName(show, /*required=*/false);
  show->footer("Examples:\n  centerctl context show\n  centerctl context show prod -o json");
  OnSelected(show, selection, [shown](Context& context) { return ShowContext(context, *shown); });

  AddSetContext(noun, selection);

  CLI::App* drop = noun->add_subcommand("delete", "Forget a context");
  auto dropped = AddContextName(drop, /*required=*/true);
  drop->footer("Examples:\n  centerctl context delete prod");
  OnSelected(drop, selection,
             [dropped](Context& context) { return DeleteContext(context, *dropped); });
}

}  // namespace center::cli
