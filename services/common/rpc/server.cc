#include "services/common/rpc/server.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "grpc/health/v1/health.pb.h"
#include "grpcpp/ext/channelz_service_plugin.h"
#include "grpcpp/ext/proto_server_reflection_plugin.h"
#include "grpcpp/health_check_service_interface.h"
#include "services/common/rpc/callback_threads.h"
#include "services/common/status_macros.h"

namespace center::rpc {
namespace {

// gRPC replaces an existing unix socket without asking, which would take a running process's
// address away.
absl::Status RefuseLiveUnixSocket(const std::string& path) {
  ScopedFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return ErrnoStatus(errno, "socket");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) {
    return absl::AlreadyExistsError(
        absl::StrCat("unix:", path, " is in use: another process is listening there"));
  }
  return absl::OkStatus();
}

}  // namespace

void InitServerPlugins() {
  grpc::EnableDefaultHealthCheckService(true);
  // gRPC serves health without a description of it; reflection has one once this is linked.
  grpc::health::v1::HealthCheckRequest::descriptor();
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::channelz::experimental::InitChannelzService();
}

absl::StatusOr<BoundServer> StartServer(const ServerOptions& options) {
  PrepareCallbackThreads();
  grpc::ServerBuilder builder;
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 60'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 10'000);
  builder.SetMaxReceiveMessageSize(kMaxMessageBytes);
  builder.SetMaxSendMessageSize(kMaxMessageBytes);
  for (grpc::Service* service : options.services) builder.RegisterService(service);

  const std::shared_ptr<grpc::ServerCredentials> plain = grpc::InsecureServerCredentials();
  const auto guarded = options.tls == nullptr ? plain : options.tls->ForServer(options.rules);
  std::vector<int> ports(options.addresses.size(), 0);
  // The unix sockets are born with mode 0600: there is no moment in which others could connect.
  const mode_t old_mask = ::umask(0177);
  absl::Status in_use;
  for (size_t i = 0; i < options.addresses.size(); ++i) {
    const NetAddress& address = options.addresses[i];
    if (address.is_unix) in_use.Update(RefuseLiveUnixSocket(address.path));
    builder.AddListeningPort(address.ToString(), address.is_unix ? plain : guarded, &ports[i]);
  }
  std::unique_ptr<grpc::Server> server;
  if (in_use.ok()) server = builder.BuildAndStart();
  ::umask(old_mask);
  RETURN_IF_ERROR(in_use);

  BoundServer bound;
  for (size_t i = 0; i < options.addresses.size(); ++i) {
    NetAddress address = options.addresses[i];
    if (ports[i] == 0) {
      return absl::AlreadyExistsError(absl::StrCat("cannot listen on ", address.ToString(),
                                                   ": the address is in use or not permitted"));
    }
    if (!address.is_unix) address.port = static_cast<uint16_t>(ports[i]);
    bound.addresses.push_back(std::move(address));
  }
  if (server == nullptr) return absl::InternalError("gRPC could not start the server");
  bound.server = std::move(server);
  if (auto* health = bound.server->GetHealthCheckService()) {
    for (const std::string& service : options.health_of) health->SetServingStatus(service, true);
  }
  return bound;
}

void SetServing(grpc::Server& server, bool serving) {
  if (auto* health = server.GetHealthCheckService()) health->SetServingStatus(serving);
}

}  // namespace center::rpc
