// A relayed message as single, readable payloads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "center/v1/payload.pb.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/slice.h"
#include "services/common/payload_batch.h"

namespace center::relay {

// Walks the payloads and the gap of one message at a time, making one item when it is asked for:
// its memory is that of the message. One thread at a time.
class TailItems {
 public:
  // Replaces what is left by what `message` holds. InvalidArgument when it cannot be understood.
  absl::Status Load(const grpc::ByteBuffer& message);
  // Writes the next item into `item`; false when there is none.
  bool Next(v1::TailPayloadsResponse* item);
  // Whether Next would say true.
  bool HasNext() const;

 private:
  void OpenBatch();  // the next one that is not empty

  grpc::Slice bytes_;  // what the views below point into
  std::vector<BatchView> batches_;
  size_t batch_ = 0;
  std::vector<uint32_t> sizes_;  // of the payloads of batches_[batch_]
  size_t index_ = 0;             // the next of them
  size_t data_at_ = 0;           // where it starts
  absl::optional<v1::Gap> gap_;
};

}  // namespace center::relay
