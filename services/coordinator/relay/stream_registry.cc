#include "services/coordinator/relay/stream_registry.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/common/rpc/status.h"

namespace center::relay {
namespace {

absl::Status Stopping() {
  return rpc::WithRetryDelay(rpc::WithReason(absl::UnavailableError("the coordinator is stopping"),
                                             "COORDINATOR_STOPPING"),
                             absl::Seconds(1));
}

}  // namespace

StreamRegistry::Ticket::Ticket(Ticket&& other) noexcept
    : registry_(std::exchange(other.registry_, nullptr)), id_(other.id_) {}

StreamRegistry::Ticket& StreamRegistry::Ticket::operator=(Ticket&& other) noexcept {
  if (this != &other) {
    if (registry_ != nullptr) registry_->Remove(id_);
    registry_ = std::exchange(other.registry_, nullptr);
    id_ = other.id_;
  }
  return *this;
}

StreamRegistry::Ticket::~Ticket() {
  if (registry_ != nullptr) registry_->Remove(id_);
}

absl::StatusOr<StreamRegistry::Ticket> StreamRegistry::Add(std::weak_ptr<MergedStream> stream) {
  absl::MutexLock lock(&mutex_);
  if (stopping_) return Stopping();
  if (streams_.size() >= streams_max_) {
    return rpc::WithReason(
        absl::ResourceExhaustedError(absl::StrCat("there are ", streams_.size(),
                                                  " streams already, the most that are permitted")),
        "SUBSCRIBER_LIMIT", {{"limit", absl::StrCat(streams_max_)}});
  }
  const uint64_t id = next_id_++;
  streams_[id] = std::move(stream);
  return Ticket(this, id);
}

void StreamRegistry::EndAll() {
  std::vector<std::shared_ptr<MergedStream>> streams;
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
    for (const auto& [id, stream] : streams_) {
      if (auto strong = stream.lock()) streams.push_back(std::move(strong));
    }
  }
  for (const auto& stream : streams) stream->End(Stopping());
}

size_t StreamRegistry::size() const {
  absl::MutexLock lock(&mutex_);
  return streams_.size();
}

void StreamRegistry::Remove(uint64_t id) {
  absl::MutexLock lock(&mutex_);
  streams_.erase(id);
}

}  // namespace center::relay
