#include "services/worker/ingest/batch_group.h"

#include <utility>

#include "services/common/payload_batch.h"

namespace center::ingest {

BatchGroup::BatchGroup(std::string worker, size_t tail_bytes, const JournalPort* port)
    : worker_(std::move(worker)),
      port_(port),
      // Not initialised: what is never received into never becomes resident memory.
      buffer_(std::make_unique_for_overwrite<char[]>(kGroupBytes + tail_bytes)) {}

void BatchGroup::Add(const Source& source, absl::string_view data,
                     std::span<const uint32_t> sizes) {
  // The journal has one writer, so offsets can be given out before the append.
  if (batches_.empty()) first_offset_ = port_->next_offset();
  const size_t head_begin = heads_.size();
  AppendBatchPrefix({.worker = worker_,
                     .first_offset = first_offset_ + payloads_,
                     .receive_time_ns = source.receive_time_ns,
                     .peer = source.peer},
                    sizes, data.size(), &heads_);
  batches_.push_back({.count = static_cast<uint32_t>(sizes.size()),
                      .time_ns = source.receive_time_ns,
                      .head_begin = head_begin,
                      .head_end = heads_.size(),
                      .body = data});
  payloads_ += sizes.size();
  bytes_ += data.size();
}

void BatchGroup::Keep(Carry buffer) {
  kept_bytes_ += buffer.capacity();
  kept_.push_back(std::move(buffer));
}

absl::Status BatchGroup::Flush() {
  if (!batches_.empty()) {
    encoded_.clear();
    const absl::string_view heads = heads_;
    for (const Batch& batch : batches_) {
      encoded_.push_back({.count = batch.count,
                          .time_ns = batch.time_ns,
                          .head = heads.substr(batch.head_begin, batch.head_end - batch.head_begin),
                          .body = batch.body});
    }
    absl::Status status = port_->append(encoded_);
    if (!status.ok()) return status;
  }
  used_bytes_ = kept_bytes_ = 0;
  payloads_ = bytes_ = 0;
  heads_.clear();
  batches_.clear();
  kept_.clear();
  return absl::OkStatus();
}

}  // namespace center::ingest
