// The payloads that have been received but not yet appended, from all connections of a worker: one
// buffer that sockets are received into, and the batches in it.
//
// A turn of the event loop fills it, Flush hands everything to the journal with one call. When the
// journal is full the group stays as it is and Flush may be repeated. Ingest thread only.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "services/worker/ingest/carry.h"
#include "services/worker/ingest/journal_port.h"

namespace center::ingest {

// A batch carries at most this much, unless a single payload is larger.
inline constexpr size_t kBatchBytesMax = 1 << 20;
inline constexpr size_t kBatchPayloadsMax = 65536;
// From here on the group is full.
inline constexpr size_t kGroupBytes = 1 << 20;

class BatchGroup {
 public:
  struct Source {
    absl::string_view peer;
    int64_t receive_time_ns = 0;
  };

  // `tail_bytes` is what may be written at tail() whenever the group is not full. `port` must
  // outlive the group.
  BatchGroup(std::string worker, size_t tail_bytes, const JournalPort* port);

  // Where the next bytes may be received. REQUIRES: !full().
  char* tail() { return buffer_.get() + used_bytes_; }
  bool full() const { return used_bytes_ + kept_bytes_ >= kGroupBytes; }
  bool empty() const { return batches_.empty(); }
  uint64_t payloads() const { return payloads_; }
  uint64_t bytes() const { return bytes_; }

  // Adds a batch: `data` lies in the tail or in a buffer that is passed to Keep before the next
  // Flush. REQUIRES: the sizes add up to data.size(); at least one.
  void Add(const Source& source, absl::string_view data, std::span<const uint32_t> sizes);
  // The tail now begins here, a place in the old tail after everything that was added.
  void AdvanceTail(const char* tail) { used_bytes_ = static_cast<size_t>(tail - buffer_.get()); }
  // Keeps a buffer that batches point into until they are appended.
  void Keep(Carry buffer);

  // Appends everything as one group. After OK the group is empty; after an error it is unchanged.
  absl::Status Flush();

 private:
  struct Batch {
    uint32_t count;
    int64_t time_ns;
    size_t head_begin;  // in heads_
    size_t head_end;
    absl::string_view body;
  };

  const std::string worker_;
  const JournalPort* const port_;
  const std::unique_ptr<char[]> buffer_;

  size_t used_bytes_ = 0;
  size_t kept_bytes_ = 0;
  uint64_t payloads_ = 0;
  uint64_t bytes_ = 0;
  uint64_t first_offset_ = 0;  // of the first batch; set when it is added
  std::string heads_;          // the batches' encoded prefixes, back to back
  std::vector<Batch> batches_;
  std::vector<Carry> kept_;
  std::vector<EncodedBatch> encoded_;  // Flush's argument; a member to keep its memory
};

}  // namespace center::ingest
