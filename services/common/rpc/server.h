// Building a gRPC server the way every Center process does: health (grpc.health.v1), reflection and
// channelz on, no shared ports, keepalive that tolerates long quiet streams, message limits stated
// once.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "grpcpp/grpcpp.h"
#include "services/common/net_address.h"
#include "services/common/rpc/access_rules.h"
#include "services/common/rpc/tls.h"

namespace center::rpc {

// The largest message that any Center process accepts: a batch with one payload of the largest
// permitted size (64 MiB) and its envelope.
inline constexpr int kMaxMessageBytes = 72 << 20;

struct ServerOptions {
  std::vector<NetAddress>
      addresses;  // unix sockets are made with mode 0600; port 0: the kernel chooses
  std::vector<grpc::Service*> services;  // outlive the server
  // Full names of the services that have a health of their own: gRPC does not know them by itself.
  std::vector<std::string> health_of = {};
  // For the TCP addresses, loopback or not; null: they are served in plain text. Unix sockets are
  // guarded by their mode.
  std::shared_ptr<const Tls> tls = nullptr;
  AccessRules rules = {};  // of calls over TLS
};

// A running server and where it listens.
struct BoundServer {
  std::unique_ptr<grpc::Server> server;
  std::vector<NetAddress> addresses;  // with the ports that were chosen
};

// Must be called once in main, before the first server is built.
void InitServerPlugins();

// Starts serving. A stale unix socket that nobody answers on is replaced; AlreadyExists when an
// address is in use. Health says SERVING for "" and what is named.
absl::StatusOr<BoundServer> StartServer(const ServerOptions& options);

// Sets the health of all services, so that probes see a process that is going away before it is
// gone.
void SetServing(grpc::Server& server, bool serving);

}  // namespace center::rpc
