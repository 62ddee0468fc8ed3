#include "cli/context_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/common/config/toml.h"
#include "services/common/fd.h"
#include "services/common/nearest.h"
#include "services/common/net_address.h"
#include "services/common/status_macros.h"
#include "services/common/text.h"

namespace center::cli {
namespace {

using Kind = TomlValue::Kind;

std::string EnvironmentOr(const char* name, const std::string& otherwise) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0' ? value : otherwise;
}

class ContextReader {
 public:
  explicit ContextReader(const std::string& path) { file_.path = path; }

  absl::StatusOr<ContextFile> Read(const TomlValue& root) {
    for (const TomlEntry& entry : root.entries) {
      if (entry.key == "current") {
        RETURN_IF_ERROR(Text(entry, &file_.current));
      } else if (entry.key == "contexts" && entry.value.kind == Kind::kTable) {
        for (const TomlEntry& context : entry.value.entries) RETURN_IF_ERROR(AddContext(context));
      } else {
        return Wrong(entry.place, absl::StrCat("\"", entry.key,
                                               "\" does not belong here; there are "
                                               "current = \"NAME\" and tables [contexts.NAME]"));
      }
    }
    const TomlEntry* current = root.Find("current");
    if (current != nullptr && file_.Find(file_.current) == nullptr) {
      return Wrong(current->value.place, file_.NoSuchContext(file_.current).message());
    }
    return std::move(file_);
  }

 private:
  absl::Status Wrong(TomlPlace place, absl::string_view what) const {
    return UsageError(absl::StrCat(TomlPlaceText(file_.path, place), ": ", what));
  }
  absl::Status Text(const TomlEntry& entry, std::string* text) const {
    if (entry.value.kind != Kind::kString) {
      return Wrong(
          entry.value.place,
          absl::StrCat(entry.key, " is ", TomlKindName(entry.value.kind), "; must be a string"));
    }
    *text = entry.value.text;
    return absl::OkStatus();
  }

  absl::Status AddContext(const TomlEntry& entry) {
    if (absl::Status valid = ValidateName("context name", entry.key); !valid.ok()) {
      return Wrong(entry.place, valid.message());
    }
    if (entry.value.kind != Kind::kTable) {
      return Wrong(entry.place, absl::StrCat("write [contexts.", entry.key, "]"));
    }
    if (file_.contexts.size() == kContextsMax) {
      return Wrong(entry.place, absl::StrCat("more than ", kContextsMax, " contexts"));
    }
    NamedContext context{.name = entry.key};
    for (const TomlEntry& setting : entry.value.entries) {
      RETURN_IF_ERROR(AddSetting(setting, &context));
    }
    file_.contexts.push_back(std::move(context));
    return absl::OkStatus();
  }

  absl::Status AddSetting(const TomlEntry& setting, NamedContext* context) const {
    if (setting.key == "address") {
      RETURN_IF_ERROR(Text(setting, &context->address));
      const auto address = ParseNetAddress(context->address);
      if (address.ok()) return absl::OkStatus();
      return Wrong(setting.value.place, absl::StrCat("address: ", address.status().message()));
    }
    if (setting.key == "tls_cert") return Text(setting, &context->credentials.tls_cert);
    if (setting.key == "tls_key") return Text(setting, &context->credentials.tls_key);
    if (setting.key == "tls_ca") return Text(setting, &context->credentials.tls_ca);
    if (setting.key == "insecure") {
      if (setting.value.kind != Kind::kBool) {
        return Wrong(setting.value.place, "insecure must be true or false");
      }
      context->credentials.insecure = setting.value.flag;
      return absl::OkStatus();
    }
    const std::vector<std::string> keys = {"address", "tls_cert", "tls_key", "tls_ca", "insecure"};
    const std::string nearest = Nearest(setting.key, keys);
    return Wrong(setting.place,
                 absl::StrCat("a context has no setting \"", setting.key, "\"",
                              nearest.empty() ? "; there are " + absl::StrJoin(keys, ", ")
                                              : absl::StrCat("; did you mean ", nearest, "?")));
  }

  ContextFile file_;
};

std::string ContextText(const NamedContext& context) {
  std::string text = absl::StrCat("\n[contexts.", TomlKey(context.name), "]\n");
  const auto add = [&text](const char* key, const std::string& value) {
    if (!value.empty()) absl::StrAppend(&text, key, " = ", TomlString(value), "\n");
  };
  add("address", context.address);
  add("tls_cert", context.credentials.tls_cert);
  add("tls_key", context.credentials.tls_key);
  add("tls_ca", context.credentials.tls_ca);
  if (context.credentials.insecure) absl::StrAppend(&text, "insecure = true\n");
  return text;
}

}  // namespace

const NamedContext* ContextFile::Find(absl::string_view name) const {
  const auto found = std::find_if(contexts.begin(), contexts.end(),
                                  [name](const NamedContext& one) { return one.name == name; });
  return found == contexts.end() ? nullptr : &*found;
}

absl::Status ContextFile::NoSuchContext(absl::string_view name) const {
  std::vector<std::string> names;
  names.reserve(contexts.size());
  for (const NamedContext& context : contexts) names.push_back(context.name);
  const std::string nearest = Nearest(name, names);
  return UsageError(absl::StrCat("there is no context \"", name, "\" in ", path,
                                 !nearest.empty() ? absl::StrCat("; did you mean ", nearest, "?")
                                 : names.empty()
                                     ? "; `centerctl context set NAME --address ADDR` makes one"
                                     : absl::StrCat("; there are ", absl::StrJoin(names, ", "))));
}

std::string ContextFilePath() {
  const char* config = std::getenv("XDG_CONFIG_HOME");
  if (config != nullptr && config[0] == '/') return absl::StrCat(config, "/center/config.toml");
  const char* home = std::getenv("HOME");
  if (home != nullptr && home[0] == '/') return absl::StrCat(home, "/.config/center/config.toml");
  return "";
}

absl::StatusOr<ContextFile> ParseContextFile(absl::string_view text, const std::string& path) {
  const auto root = ParseToml(text, path);
  if (!root.ok()) return UsageError(root.status().message());
  return ContextReader(path).Read(*root);
}

absl::StatusOr<ContextFile> ReadContextFile() {
  const std::string path = ContextFilePath();
  if (path.empty()) return ContextFile();
  const auto text = ReadSmallFile(path, kTomlBytesMax);
  if (absl::IsNotFound(text.status())) return ContextFile{.path = path};
  if (!text.ok()) return text.status();
  return ParseContextFile(*text, path);
}

absl::Status WriteContextFile(const ContextFile& file) {
  if (file.path.empty()) {
    return absl::FailedPreconditionError(
        "there is no place for contexts: neither $XDG_CONFIG_HOME nor $HOME is set");
  }
  std::string text = "# Contexts of centerctl: `centerctl context --help`.\n";
  if (!file.current.empty()) {
    absl::StrAppend(&text, "current = ", TomlString(file.current), "\n");
  }
  for (const NamedContext& context : file.contexts) text += ContextText(context);

  RETURN_IF_ERROR(MakeDirectories(file.path.substr(0, file.path.rfind('/'))));
  // Of a name of its own: two that write at once do not mix.
  const std::string next = absl::StrCat(file.path, ".", ::getpid());
  ScopedFd fd(::open(next.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!fd.valid()) return ErrnoStatus(errno, absl::StrCat("write ", next));
  Writer writer(fd.get());
  writer.Append(text);
  absl::Status written = writer.Flush();
  if (written.ok() && ::fsync(fd.get()) != 0) written = ErrnoStatus(errno, "sync " + next);
  if (written.ok()) written = fd.Close(next);
  if (written.ok() && ::rename(next.c_str(), file.path.c_str()) != 0) {
    written = ErrnoStatus(errno, absl::StrCat("replace ", file.path));
  }
  if (!written.ok()) ::unlink(next.c_str());
  return written;
}

void ChooseContext(const ContextChoice& choice, Globals* globals) {
  const std::string address_variable = EnvironmentOr("CENTER_ADDRESS", "");
  const std::string named =
      !choice.context_flag.empty() ? choice.context_flag : EnvironmentOr("CENTER_CONTEXT", "");
  globals->address = !choice.address_flag.empty() ? choice.address_flag : address_variable;
  // Who says where to go and names no context wants none.
  if (named.empty() && !globals->address.empty()) return;
  const auto file = ReadContextFile();
  if (!file.ok()) {
    globals->context_error = file.status();
    return;
  }
  const std::string& name = named.empty() ? file->current : named;
  if (name.empty()) return;
  const NamedContext* context = file->Find(name);
  if (context == nullptr) {
    globals->context_error = file->NoSuchContext(name);
    return;
  }
  globals->context = name;
  globals->credentials = context->credentials;
  // A context that is named by a flag goes before a variable.
  const bool keep =
      !choice.address_flag.empty() || (choice.context_flag.empty() && !address_variable.empty());
  if (!keep) globals->address = context->address;
}

}  // namespace center::cli
