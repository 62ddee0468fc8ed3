// Which streams are open: to limit their number, and to end them when the coordinator stops.
#pragma once

#include <cstdint>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "services/coordinator/relay/merged_stream.h"

namespace center::relay {

// Thread-safe; outlives its tickets.
class StreamRegistry {
 public:
  // A stream's place; given back when destroyed.
  class Ticket {
   public:
    Ticket() = default;
    Ticket(Ticket&& other) noexcept;
    Ticket& operator=(Ticket&& other) noexcept;
    ~Ticket();

   private:
    friend class StreamRegistry;
    Ticket(StreamRegistry* registry, uint64_t id) : registry_(registry), id_(id) {}
    StreamRegistry* registry_ = nullptr;
    uint64_t id_ = 0;
  };

  explicit StreamRegistry(size_t streams_max) : streams_max_(streams_max) {}

  // Errors: ResourceExhausted (SUBSCRIBER_LIMIT), Unavailable (COORDINATOR_STOPPING).
  absl::StatusOr<Ticket> Add(std::weak_ptr<MergedStream> stream);
  // Ends all streams with COORDINATOR_STOPPING; none is added any more.
  void EndAll();
  size_t size() const;

 private:
  void Remove(uint64_t id);

  const size_t streams_max_;
  mutable absl::Mutex mutex_;
  absl::flat_hash_map<uint64_t, std::weak_ptr<MergedStream>> streams_ ABSL_GUARDED_BY(mutex_);
  uint64_t next_id_ ABSL_GUARDED_BY(mutex_) = 1;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace center::relay
