#include "services/common/rpc/channel.h"

#include "absl/strings/match.h"
#include "services/common/rpc/server.h"

namespace center::rpc {
namespace {

// How long connecting may take. A distant machine that is gone says nothing, so it is given up
// soon; on this one whoever is gone refuses at once, and who is slow to greet is only busy: that is
// no absence, and a call's own deadline says how long it is waited for.
constexpr int kConnectTimeoutMs = 2'000;
constexpr int kLocalConnectTimeoutMs = 20'000;

// A distant machine that vanishes says nothing either: a connection on which nothing has come for
// the first of these is probed, and is broken when the second passes without an answer (or with
// data that nobody confirms). Servers take probes from 10 s on (rpc::StartServer). Whoever is on
// this machine cannot vanish without a word.
constexpr int kKeepaliveMs = 15'000;
constexpr int kKeepaliveTimeoutMs = 10'000;
constexpr int kLocalKeepaliveMs = 60'000;
constexpr int kLocalKeepaliveTimeoutMs = 20'000;

bool IsOnThisMachine(const NetAddress& address) {
  return address.is_unix || address.host == "localhost" || address.host == "::1" ||
         absl::StartsWith(address.host, "127.");
}

}  // namespace

std::shared_ptr<grpc::Channel> MakeChannel(const NetAddress& address) {
  return MakeChannelWith(address, grpc::InsecureChannelCredentials());
}

std::shared_ptr<grpc::Channel> MakeChannelWith(
    const NetAddress& address, const std::shared_ptr<grpc::ChannelCredentials>& credentials) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
  arguments.SetMaxSendMessageSize(kMaxMessageBytes);
  const bool local = IsOnThisMachine(address);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 50);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS,
                   local ? kLocalConnectTimeoutMs : kConnectTimeoutMs);
  // A process of this machine is found within this time after it has come back; asking whether a
  // unix socket is there costs next to nothing.
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, address.is_unix ? 250 : 2000);
  // A pod that was replaced has another address behind the same name.
  arguments.SetInt(GRPC_ARG_DNS_MIN_TIME_BETWEEN_RESOLUTIONS_MS, 1000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, local ? kLocalKeepaliveMs : kKeepaliveMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS,
                   local ? kLocalKeepaliveTimeoutMs : kKeepaliveTimeoutMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  // Who reads a quiet stream sends nothing: gRPC would stop to probe after two probes.
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  // A new channel is a new connection: it does not share one, nor its backoff, with an older
  // channel to the same address, whose process may be gone.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel(address.ToString(), credentials, arguments);
}

}  // namespace center::rpc
