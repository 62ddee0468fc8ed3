#include "services/worker/api/stream_plan.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/common/rpc/status.h"
#include "services/common/status_macros.h"

namespace center::worker {
namespace {

constexpr int64_t kNanosPerSecond = 1'000'000'000;
// The last second whose nanoseconds fit into 64 bits (the year 2262).
constexpr int64_t kSecondsMax = INT64_MAX / kNanosPerSecond - 1;

absl::Status BadField(absl::string_view field, std::string description) {
  return rpc::InvalidFields({{std::string(field), std::move(description)}});
}

absl::StatusOr<uint64_t> StartOfTime(const google::protobuf::Timestamp& time,
                                     const journal::Journal& journal) {
  if (time.nanos() < 0 || time.nanos() >= kNanosPerSecond) {
    return BadField("start.time", absl::StrCat("nanos ", time.nanos(), " is not in 0..999999999"));
  }
  if (time.seconds() < 0) return journal.first_offset();
  if (time.seconds() > kSecondsMax) return journal.visible_end();
  return journal.OffsetAtTime(time.seconds() * kNanosPerSecond + time.nanos());
}

absl::StatusOr<uint64_t> StartOfCursor(const v1::Cursor& cursor, absl::string_view worker,
                                       const journal::Journal& journal) {
  const auto found = cursor.next_offsets().find(std::string(worker));
  if (found == cursor.next_offsets().end()) return journal.first_offset();
  const uint64_t end = journal.visible_end();
  if (found->second > end) {
    return BadField(
        "start.cursor",
        absl::StrCat("offset ", found->second, " of ", worker,
                     " is beyond the end of its journal, ", end,
                     ": the cursor is not of this journal, or what it covered was lost"));
  }
  return found->second;
}

absl::StatusOr<uint64_t> ResolveStart(const v1::StartPosition& start, absl::string_view worker,
                                      const journal::Journal& journal) {
  switch (start.position_case()) {
    case v1::StartPosition::kPlace:
      if (start.place() == v1::StartPosition::PLACE_EARLIEST) return journal.first_offset();
      if (start.place() == v1::StartPosition::PLACE_LATEST) return journal.visible_end();
      return BadField("start.place", "use PLACE_EARLIEST or PLACE_LATEST");
    case v1::StartPosition::kTime:
      return StartOfTime(start.time(), journal);
    case v1::StartPosition::kCursor:
      return StartOfCursor(start.cursor(), worker, journal);
    case v1::StartPosition::kSubscription:
      return BadField("start.subscription",
                      "a worker knows no subscriptions: ask the coordinator, or send a cursor");
    case v1::StartPosition::POSITION_NOT_SET:
      return journal.visible_end();
  }
  return BadField("start", "unknown position");
}

}  // namespace

absl::StatusOr<StreamPlan> MakeStreamPlan(const v1::StreamPayloadsRequest& request,
                                          absl::string_view worker,
                                          const journal::Journal& journal) {
  const absl::string_view server = worker.substr(0, worker.find('/'));
  if (!request.server().empty() && request.server() != server) {
    return BadField("server",
                    absl::StrCat("'", request.server(), "': this is a worker of ", server));
  }
  if (!request.worker().empty() && request.worker() != worker) {
    return BadField("worker", absl::StrCat("'", request.worker(), "': this is ", worker));
  }
  if (request.max_message_bytes() > kMessageBytesMax) {
    return BadField("max_message_bytes", absl::StrCat(request.max_message_bytes(),
                                                      " is too much; at most ", kMessageBytesMax));
  }
  StreamPlan plan;
  ASSIGN_OR_RETURN(plan.matcher, PayloadMatcher::Create(request.filter()));
  ASSIGN_OR_RETURN(plan.start, ResolveStart(request.start(), worker, journal));
  plan.stop = journal.visible_end();
  plan.follow = request.follow();
  if (request.max_message_bytes() > 0) plan.message_bytes = request.max_message_bytes();
  return plan;
}

}  // namespace center::worker
