#include "services/worker/api/stream_plan.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/common/rpc/status.h"

namespace center::worker {
namespace {

constexpr int64_t kNanosPerSecond = 1'000'000'000;
// The last second whose nanoseconds fit into 64 bits (the year 2262).
constexpr int64_t kSecondsMax = INT64_MAX / kNanosPerSecond - 1;

using Violations = std::vector<rpc::FieldViolation>;

// The start beside a violation: nobody looks at it.
constexpr uint64_t kNowhere = 0;

absl::StatusOr<uint64_t> StartOfTime(const google::protobuf::Timestamp& time,
                                     const journal::Journal& journal, Violations* violations) {
  if (time.nanos() < 0 || time.nanos() >= kNanosPerSecond) {
    violations->push_back(
        {"start.time", absl::StrCat("nanos ", time.nanos(), " is not in 0..999999999")});
    return kNowhere;
  }
  if (time.seconds() < 0) return journal.first_offset();
  if (time.seconds() > kSecondsMax) return journal.visible_end();
  return journal.OffsetAtTime(time.seconds() * kNanosPerSecond + time.nanos());
}

uint64_t StartOfCursor(const v1::Cursor& cursor, absl::string_view worker,
                       const journal::Journal& journal, Violations* violations) {
  const auto found = cursor.next_offsets().find(std::string(worker));
  if (found == cursor.next_offsets().end()) return journal.first_offset();
  const uint64_t end = journal.visible_end();
  if (found->second > end) {
    violations->push_back(
        {"start.cursor",
         absl::StrCat("offset ", found->second, " of ", worker,
                      " is beyond the end of its journal, ", end,
                      ": the cursor is not of this journal, or what it covered was lost")});
  }
  return found->second;
}

// Errors: the journal cannot be read.
absl::StatusOr<uint64_t> ResolveStart(const v1::StartPosition& start, absl::string_view worker,
                                      const journal::Journal& journal, Violations* violations) {
  switch (start.position_case()) {
    case v1::StartPosition::kPlace:
      if (start.place() == v1::StartPosition::PLACE_EARLIEST) return journal.first_offset();
      if (start.place() == v1::StartPosition::PLACE_LATEST) return journal.visible_end();
      violations->push_back({"start.place", "use PLACE_EARLIEST or PLACE_LATEST"});
      return kNowhere;
    case v1::StartPosition::kTime:
      return StartOfTime(start.time(), journal, violations);
    case v1::StartPosition::kCursor:
      return StartOfCursor(start.cursor(), worker, journal, violations);
    case v1::StartPosition::kSubscription:
      violations->push_back(
          {"start.subscription",
           "a worker knows no subscriptions: ask the coordinator, or send a cursor"});
      return kNowhere;
    case v1::StartPosition::POSITION_NOT_SET:
      return journal.visible_end();
  }
  return journal.visible_end();
}

void CheckNamesAndLimits(const v1::StreamPayloadsRequest& request, absl::string_view worker,
                         Violations* violations) {
  const absl::string_view server = worker.substr(0, worker.find('/'));
  if (!request.server().empty() && request.server() != server) {
    violations->push_back(
        {"server", absl::StrCat("'", request.server(), "': this is a worker of ", server)});
  }
  if (!request.worker().empty() && request.worker() != worker) {
    violations->push_back({"worker", absl::StrCat("'", request.worker(), "': this is ", worker)});
  }
  if (request.max_message_bytes() > kMessageBytesMax) {
    violations->push_back(
        {"max_message_bytes",
         absl::StrCat(request.max_message_bytes(), " is too much; at most ", kMessageBytesMax)});
  }
}

}  // namespace

absl::StatusOr<StreamPlan> MakeStreamPlan(const v1::StreamPayloadsRequest& request,
                                          absl::string_view worker,
                                          const journal::Journal& journal) {
  Violations violations;
  CheckNamesAndLimits(request, worker, &violations);
  StreamPlan plan;
  plan.matcher = PayloadMatcher::Create(request.filter(), &violations);
  const auto start = ResolveStart(request.start(), worker, journal, &violations);
  if (!violations.empty()) return rpc::InvalidFields(violations);
  if (!start.ok()) return JournalUnreadable(start.status());
  plan.start = *start;
  plan.stop = journal.visible_end();
  plan.follow = request.follow();
  if (request.max_message_bytes() > 0) plan.message_bytes = request.max_message_bytes();
  return plan;
}

absl::Status JournalUnreadable(const absl::Status& status) {
  return rpc::WithReason(absl::DataLossError(status.message()), "JOURNAL_UNREADABLE");
}

}  // namespace center::worker
