// Batches of payloads as a worker makes them, and what a response says of them.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "center/v1/payload.pb.h"
#include "google/rpc/error_details.pb.h"
#include "services/common/payload_batch.h"

namespace center::worker {

inline constexpr char kWorker[] = "default/0";
inline constexpr char kPeer[] = "10.1.2.3:4567";

struct EncodedPayloads {
  std::string prefix;
  std::string data;
  std::string bytes() const { return prefix + data; }
};

inline EncodedPayloads Encode(uint64_t first_offset, int64_t time_ns,
                              const std::vector<std::string>& payloads) {
  EncodedPayloads encoded;
  std::vector<uint32_t> sizes;
  for (const std::string& payload : payloads) {
    sizes.push_back(static_cast<uint32_t>(payload.size()));
    encoded.data += payload;
  }
  AppendBatchPrefix({kWorker, first_offset, time_ns, kPeer}, sizes, encoded.data.size(),
                    &encoded.prefix);
  return encoded;
}

// One payload and where it stands.
using Placed = std::pair<uint64_t, std::string>;

// The payloads of a response, in order.
inline std::vector<Placed> PayloadsOf(const v1::StreamPayloadsResponse& response) {
  std::vector<Placed> payloads;
  for (const v1::PayloadBatch& batch : response.batches()) {
    size_t at = 0;
    for (int i = 0; i < batch.sizes_size(); ++i) {
      payloads.emplace_back(batch.first_offset() + static_cast<uint64_t>(i),
                            batch.data().substr(at, batch.sizes(i)));
      at += batch.sizes(i);
    }
  }
  return payloads;
}

// The fields that a status complains of, in order.
inline std::vector<std::string> BadFieldsOf(const absl::Status& status) {
  std::vector<std::string> fields;
  google::rpc::BadRequest details;
  const auto payload = status.GetPayload("type.googleapis.com/google.rpc.BadRequest");
  if (payload.has_value() && details.ParseFromString(std::string(*payload))) {
    for (const auto& violation : details.field_violations()) fields.push_back(violation.field());
  }
  return fields;
}

}  // namespace center::worker
