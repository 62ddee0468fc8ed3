// Where the API server is, and how we prove who we are.
#pragma once

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "services/coordinator/kube/json.h"

namespace center::kube {

struct ClusterConfig {
  std::string server;    // "https://10.0.0.1:443", without a slash at the end
  std::string ca_pem;    // of the authorities that the server may be certified by; "": the system's
  std::string tls_name;  // by which the server is known; "": as in `server`
  bool skip_verify = false;  // the server may be anybody
  std::string cert_pem;      // of us; "": none
  std::string key_pem;
  // Whichever is set: a fixed token, or the file in which the current one is found (it rotates).
  std::string token;
  std::string token_file;
  std::string name_space = "default";
};

// Reads files; a fake in tests.
using ReadFileFn = std::function<absl::StatusOr<std::string>(const std::string& path)>;
// As getenv: "" when not set.
using ReadEnvFn = std::function<std::string(const char* name)>;

// What a kubeconfig file says of its current context. `folder` is where its relative paths start.
// InvalidArgument, saying what is wrong; Unimplemented for credentials by a plugin.
absl::StatusOr<ClusterConfig> ParseKubeconfig(absl::string_view yaml, const std::string& folder,
                                              const ReadFileFn& read_file);

// The same of a file; `path` is named in errors.
absl::StatusOr<ClusterConfig> LoadKubeconfig(const std::string& path, const ReadFileFn& read_file);

// Of the pod that we run in. FailedPrecondition when we run in none.
absl::StatusOr<ClusterConfig> InClusterConfig(const ReadEnvFn& read_env,
                                              const ReadFileFn& read_file);

}  // namespace center::kube
