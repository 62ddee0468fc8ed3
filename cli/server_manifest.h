// A server as objects of Kubernetes: what `kubectl apply` makes of it, the coordinator finds.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "center/v1/server.pb.h"

namespace center::cli {

struct ManifestOptions {
  std::string name;
  v1::ServerSpec spec;  // exactly the fields that were given
  std::string image = "center";
  std::string storage = "4Gi";  // of a worker's journal; a quantity of Kubernetes
  enum class Security {
    kUnsaid,    // somebody adds it, as an overlay does
    kTls,       // the certificates of the secret center-worker-tls
    kInsecure,  // whoever can reach a worker may read what it has
  };
  Security security = Security::kTls;
};

// YAML. InvalidArgument for settings that make no sense in a cluster, or are wrong.
absl::StatusOr<std::string> ServerManifest(const ManifestOptions& options);

}  // namespace center::cli
