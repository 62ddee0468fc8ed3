// Reading from a relayed message the one thing that the relay must know: where the reader is after
// it.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/types/optional.h"
#include "grpcpp/support/byte_buffer.h"

namespace center::relay {

// The offset that follows everything in a serialised StreamPayloadsResponse: that of its progress
// or gap, else the one after its last batch; nullopt for a message without any.
//
// Only the tags and lengths of the top level are looked at, and the front of the last batch: its
// payload bytes are skipped. InvalidArgument when `message` is no StreamPayloadsResponse.
absl::StatusOr<absl::optional<uint64_t>> NextOffsetAfter(const grpc::ByteBuffer& message);

}  // namespace center::relay
