// Building gRPC channels the way every Center process does.
#pragma once

#include <memory>

#include "grpcpp/grpcpp.h"
#include "services/common/net_address.h"

namespace center::rpc {

// A channel to a Center process: message limits and keepalive as the servers expect them;
// reconnects with a backoff of 50 ms to 2 s, so that a restarted peer is found again at once; never
// a proxy.
std::shared_ptr<grpc::Channel> MakeChannel(const NetAddress& address);
// The same, but not in plain text. tls.h has what makes and takes such credentials.
std::shared_ptr<grpc::Channel> MakeChannelWith(
    const NetAddress& address, const std::shared_ptr<grpc::ChannelCredentials>& credentials);

}  // namespace center::rpc
