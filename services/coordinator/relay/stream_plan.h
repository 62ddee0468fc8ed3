// A request for a stream, checked and made ready for the workers.
#pragma once

#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "center/v1/payload.pb.h"

namespace center::relay {

inline constexpr uint32_t kMessageBytesMax = 4 << 20;
inline constexpr size_t kFilterBytesMax = 4096;
// People read tails: smaller messages, sooner and with less memory.
inline constexpr uint32_t kTailMessageBytes = 64 << 10;

// What a client asked for, of the whole server.
struct StreamPlan {
  std::string server;
  std::string worker;  // only this one; "": all
  bool follow = false;
  // When the stream began. A worker that joins a stream of the latest payloads later, or that dies
  // before it has said where it is, starts here: everything that came since then is new.
  absl::Time begin;
  // Whose cursor to start at; "" once it is in `request`, or when no subscription was named.
  std::string subscription;
  v1::StreamPayloadsRequest request;
};

// Checks what does not depend on the server's state. Errors: INVALID_FIELDS.
absl::StatusOr<StreamPlan> MakePlan(v1::StreamPayloadsRequest request, absl::Time now);
absl::StatusOr<StreamPlan> MakePlan(const v1::TailPayloadsRequest& request, absl::Time now);

// False for a stream of new payloads only: what was journalled before it began is not asked for.
bool WantsThePast(const StreamPlan& plan);

// Puts a subscription's committed offsets into the plan.
void UseCursor(const std::map<std::string, uint64_t>& next_offsets, StreamPlan* plan);

// What to ask one worker, serialised. `follow`: as the plan says, or false. `next_offset`: where
// the stream is with it; nullopt when it has not said yet. `joins_late`: not called when the stream
// began.
std::string RequestFor(const StreamPlan& plan, absl::string_view worker,
                       absl::optional<uint64_t> next_offset, bool joins_late, bool follow);

// "" -> "default".
std::string ServerName(absl::string_view name);

}  // namespace center::relay
