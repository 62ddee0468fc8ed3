// A server's payloads, read from its workers themselves: the coordinator only says where they are.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "center/v1/payload.pb.h"
#include "cli/payload_source.h"
#include "grpcpp/grpcpp.h"
#include "services/common/net_address.h"

namespace center::cli {

struct DirectOptions {
  std::shared_ptr<grpc::Channel> coordinator;
  std::string address;  // the coordinator's
  std::function<std::shared_ptr<grpc::Channel>(const NetAddress&)> connect;
  // A line for people: a worker cannot be reached, or is read again. On any thread, not after the
  // payloads' destruction.
  std::function<void(const std::string&)> tell;
};

// Merges the workers' streams as the coordinator does, with the same request, cursors and errors.
// Workers that come back, move or are added are followed; meanwhile, and while the coordinator is
// away, the others are read on.
std::unique_ptr<PayloadSource> DirectPayloads(const DirectOptions& options,
                                              const v1::StreamPayloadsRequest& request);

}  // namespace center::cli
