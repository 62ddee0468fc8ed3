#include "services/coordinator/relay/channel_cache.h"

#include "services/common/status_macros.h"

namespace center::relay {

absl::StatusOr<std::shared_ptr<grpc::Channel>> ChannelCache::Get(const WorkerEndpoint& endpoint) {
  ASSIGN_OR_RETURN(const NetAddress address, ParseNetAddress(endpoint.address));
  absl::MutexLock lock(&mutex_);
  const auto found = entries_.find(endpoint.worker);
  if (found != entries_.end()) {
    if (found->second.endpoint == endpoint) return found->second.channel;
    // A stream that has not heard of the newer process yet must not take its channel away.
    if (found->second.endpoint.generation > endpoint.generation) return connect_(address);
  }
  // A new process: a good moment to let go of the channels of those that are gone.
  absl::erase_if(entries_, [](const auto& item) { return item.second.channel.use_count() == 1; });
  Entry entry{endpoint, connect_(address)};
  std::shared_ptr<grpc::Channel> channel = entry.channel;
  entries_[endpoint.worker] = std::move(entry);
  return channel;
}

}  // namespace center::relay
