// What a StreamPayloadsRequest means for this worker: checked, and resolved to an offset.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "center/v1/payload.pb.h"
#include "services/worker/api/payload_matcher.h"
#include "services/worker/journal/journal.h"

namespace center::worker {

// Limits of StreamPayloadsRequest.max_message_bytes.
inline constexpr uint32_t kMessageBytesDefault = 1 << 20;
inline constexpr uint32_t kMessageBytesMax = 4 << 20;

struct StreamPlan {
  uint64_t start = 0;
  uint64_t stop = 0;  // without follow: end here, where the journal ended when the call came
  bool follow = false;
  uint32_t message_bytes = kMessageBytesDefault;
  std::unique_ptr<const PayloadMatcher> matcher;  // null: everything
};

// InvalidArgument with every wrong field; DataLoss when the journal cannot be read. `worker` is
// this worker's name.
absl::StatusOr<StreamPlan> MakeStreamPlan(const v1::StreamPayloadsRequest& request,
                                          absl::string_view worker,
                                          const journal::Journal& journal);

// What a subscriber is told when the journal says `status`.
absl::Status JournalUnreadable(const absl::Status& status);

}  // namespace center::worker
