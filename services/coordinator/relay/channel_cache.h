// One gRPC channel for each worker process, shared by all streams that read from it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "grpcpp/grpcpp.h"
#include "services/common/net_address.h"
#include "services/common/rpc/channel.h"
#include "services/coordinator/relay/worker_directory.h"

namespace center::relay {

// Thread-safe. A channel belongs to one address and generation of a worker: a restarted worker gets
// a new one, which does not inherit the old one's connection backoff.
class ChannelCache {
 public:
  // Makes a channel; never waits.
  using Connect = std::function<std::shared_ptr<grpc::Channel>(const NetAddress&)>;
  explicit ChannelCache(Connect connect = rpc::MakeChannel) : connect_(std::move(connect)) {}

  // Errors: InvalidArgument when the address cannot be understood.
  absl::StatusOr<std::shared_ptr<grpc::Channel>> Get(const WorkerEndpoint& endpoint);

 private:
  struct Entry {
    WorkerEndpoint endpoint;
    std::shared_ptr<grpc::Channel> channel;
  };
  const Connect connect_;
  absl::Mutex mutex_;
  absl::flat_hash_map<std::string, Entry> entries_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace center::relay
