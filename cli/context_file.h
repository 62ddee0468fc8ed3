// Named contexts: where a coordinator is and what it takes to speak with it, kept in
// $XDG_CONFIG_HOME/center/config.toml (or ~/.config/center/config.toml):
//
//     current = "prod"
//
//     [contexts.prod]
//     address = "10.0.0.5:7070"
//     tls_ca = "/etc/center/ca.pem"
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "cli/context.h"

namespace center::cli {

inline constexpr size_t kContextsMax = 1000;

struct NamedContext {
  std::string name;
  std::string address;  // "": the default
  Credentials credentials;
};

struct ContextFile {
  std::string path;
  std::string current;  // "": none
  std::vector<NamedContext> contexts;

  const NamedContext* Find(absl::string_view name) const;
  // NotFound, with the nearest name.
  absl::Status NoSuchContext(absl::string_view name) const;
};

// "" when there is neither $XDG_CONFIG_HOME nor $HOME.
std::string ContextFilePath();

// One that is not there has no contexts. A usage error "PATH:LINE:COLUMN: …" for what is malformed.
absl::StatusOr<ContextFile> ReadContextFile();
// Of a reader's own text, for tests.
absl::StatusOr<ContextFile> ParseContextFile(absl::string_view text, const std::string& path);

// Replaces the file in one step, mode 0600; its folder is made. Comments do not survive.
absl::Status WriteContextFile(const ContextFile& file);

// What the user chose, each in order of precedence: a flag, the environment, the file.
struct ContextChoice {
  std::string address_flag;  // "": not given
  std::string context_flag;
};
// Sets address, context and credentials. What is wrong is kept in globals->context_error until
// somebody wants to connect.
void ChooseContext(const ContextChoice& choice, Globals* globals);

}  // namespace center::cli
