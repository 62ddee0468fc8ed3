#include "services/coordinator/kube/config.h"

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "services/common/status_macros.h"
#include "services/coordinator/kube/yaml.h"

namespace center::kube {
namespace {

constexpr char kServiceAccount[] = "/var/run/secrets/kubernetes.io/serviceaccount/";

std::string Resolve(const std::string& folder, const std::string& path) {
  return path.empty() || absl::StartsWith(path, "/") ? path : absl::StrCat(folder, "/", path);
}

std::string Trimmed(absl::string_view text) {
  return std::string(absl::StripAsciiWhitespace(text));
}

// The value of `key`-data (base64), or what the file named by `key` holds.
absl::StatusOr<std::string> DataOrFile(const Json& object, const std::string& key,
                                       const std::string& folder, const ReadFileFn& read_file) {
  const std::string data = TextAt(object, {absl::StrCat(key, "-data").c_str()});
  if (!data.empty()) {
    std::string decoded;
    if (!absl::Base64Unescape(data, &decoded)) {
      return absl::InvalidArgumentError(absl::StrCat(key, "-data is no base64"));
    }
    return decoded;
  }
  const std::string path = TextAt(object, {key.c_str()});
  if (path.empty()) return std::string();
  return read_file(Resolve(folder, path));
}

absl::Status AddCluster(const Json& cluster, const std::string& folder, const ReadFileFn& read_file,
                        ClusterConfig* config) {
  config->server = std::string(absl::StripSuffix(TextAt(cluster, {"server"}), "/"));
  if (!absl::StartsWith(config->server, "https://") &&
      !absl::StartsWith(config->server, "http://")) {
    return absl::InvalidArgumentError("the cluster's server is no https:// address");
  }
  ASSIGN_OR_RETURN(config->ca_pem, DataOrFile(cluster, "certificate-authority", folder, read_file));
  config->tls_name = TextAt(cluster, {"tls-server-name"});
  config->skip_verify = TruthAt(cluster, {"insecure-skip-tls-verify"});
  if (!TextAt(cluster, {"proxy-url"}).empty()) {
    return absl::UnimplementedError("proxy-url is not supported");
  }
  return absl::OkStatus();
}

absl::Status AddUser(const Json& user, const std::string& folder, const ReadFileFn& read_file,
                     ClusterConfig* config) {
  for (const char* plugin : {"exec", "auth-provider"}) {
    if (At(user, {plugin}).is_null()) continue;
    return absl::UnimplementedError(
        absl::StrCat("the user's credentials come from a program (", plugin,
                     "), which is not supported: use a token or a client certificate, such as "
                     "those of a service account"));
  }
  if (!TextAt(user, {"username"}).empty()) {
    return absl::UnimplementedError("a user with a password is not supported: use a token");
  }
  ASSIGN_OR_RETURN(config->cert_pem, DataOrFile(user, "client-certificate", folder, read_file));
  ASSIGN_OR_RETURN(config->key_pem, DataOrFile(user, "client-key", folder, read_file));
  if (config->cert_pem.empty() != config->key_pem.empty()) {
    return absl::InvalidArgumentError("the user has a client certificate or its key, but not both");
  }
  config->token = TextAt(user, {"token"});
  // As kubectl has it: the file wins.
  config->token_file = Resolve(folder, TextAt(user, {"tokenFile"}));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ClusterConfig> ParseKubeconfig(absl::string_view yaml, const std::string& folder,
                                              const ReadFileFn& read_file) {
  ASSIGN_OR_RETURN(const Json file, ParseYaml(yaml));
  const std::string current = TextAt(file, {"current-context"});
  if (current.empty()) return absl::InvalidArgumentError("there is no current-context");
  const Json& context = At(Named(At(file, {"contexts"}), current), {"context"});
  if (!context.is_object()) {
    return absl::InvalidArgumentError(absl::StrCat("there is no context '", current, "'"));
  }
  const std::string cluster_name = TextAt(context, {"cluster"});
  const Json& cluster = At(Named(At(file, {"clusters"}), cluster_name), {"cluster"});
  if (!cluster.is_object()) {
    return absl::InvalidArgumentError(absl::StrCat("there is no cluster '", cluster_name, "'"));
  }
  ClusterConfig config;
  RETURN_IF_ERROR(AddCluster(cluster, folder, read_file, &config));
  const std::string user_name = TextAt(context, {"user"});
  if (!user_name.empty()) {
    const Json& user = At(Named(At(file, {"users"}), user_name), {"user"});
    if (!user.is_object()) {
      return absl::InvalidArgumentError(absl::StrCat("there is no user '", user_name, "'"));
    }
    RETURN_IF_ERROR(AddUser(user, folder, read_file, &config));
  }
  if (const std::string wanted = TextAt(context, {"namespace"}); !wanted.empty()) {
    config.name_space = wanted;
  }
  return config;
}

absl::StatusOr<ClusterConfig> LoadKubeconfig(const std::string& path, const ReadFileFn& read_file) {
  ASSIGN_OR_RETURN(const std::string text, read_file(path));
  const size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash);
  auto config = ParseKubeconfig(text, folder, read_file);
  if (config.ok()) return config;
  return absl::Status(config.status().code(),
                      absl::StrCat("kubeconfig ", path, ": ", config.status().message()));
}

absl::StatusOr<ClusterConfig> InClusterConfig(const ReadEnvFn& read_env,
                                              const ReadFileFn& read_file) {
  const std::string host = read_env("KUBERNETES_SERVICE_HOST");
  const std::string port = read_env("KUBERNETES_SERVICE_PORT");
  if (host.empty() || port.empty()) {
    return absl::FailedPreconditionError(
        "this process runs in no pod (KUBERNETES_SERVICE_HOST is not set): say --kubeconfig FILE");
  }
  ClusterConfig config;
  const bool is_v6 = absl::StrContains(host, ':');
  config.server = absl::StrCat("https://", is_v6 ? "[" : "", host, is_v6 ? "]" : "", ":", port);
  const std::string folder = kServiceAccount;
  ASSIGN_OR_RETURN(config.ca_pem, read_file(folder + "ca.crt"));
  config.token_file = folder + "token";
  // Whether it can be read is known now rather than with the first call.
  RETURN_IF_ERROR(read_file(config.token_file).status());
  if (const auto name_space = read_file(folder + "namespace"); name_space.ok()) {
    config.name_space = Trimmed(*name_space);
  }
  return config;
}

}  // namespace center::kube
