#include "services/coordinator/relay/stream_plan.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/common/rpc/status.h"
#include "services/common/text.h"

namespace center::relay {
namespace {

using Violations = std::vector<rpc::FieldViolation>;

void CheckName(absl::string_view field, absl::string_view what, absl::string_view name,
               Violations* violations) {
  const absl::Status status = ValidateName(what, name);
  if (!status.ok()) violations->push_back({std::string(field), std::string(status.message())});
}

void CheckStart(const v1::StartPosition& start, Violations* violations) {
  switch (start.position_case()) {
    case v1::StartPosition::kPlace:
      if (start.place() != v1::StartPosition::PLACE_EARLIEST &&
          start.place() != v1::StartPosition::PLACE_LATEST) {
        violations->push_back({"start.place", "must be PLACE_EARLIEST or PLACE_LATEST"});
      }
      break;
    case v1::StartPosition::kTime:
      // The range of google.protobuf.Timestamp: years 1 to 9999.
      if (start.time().seconds() < -62'135'596'800 || start.time().seconds() > 253'402'300'799 ||
          start.time().nanos() < 0 || start.time().nanos() > 999'999'999) {
        violations->push_back({"start.time", "is no valid google.protobuf.Timestamp"});
      }
      break;
    case v1::StartPosition::kSubscription:
      CheckName("start.subscription", "subscription name", start.subscription(), violations);
      break;
    case v1::StartPosition::kCursor:
    case v1::StartPosition::POSITION_NOT_SET:
      break;
  }
}

void CheckFilter(const v1::PayloadFilter& filter, Violations* violations) {
  for (const int kind : filter.kinds()) {
    if (kind == v1::PAYLOAD_KIND_UNSPECIFIED || !v1::PayloadKind_IsValid(kind)) {
      violations->push_back({"filter.kinds", absl::StrCat("there is no payload kind ", kind)});
    }
  }
  if (filter.contains().size() > kFilterBytesMax) {
    violations->push_back(
        {"filter.contains", absl::StrCat("must be at most ", kFilterBytesMax, " bytes")});
  }
  if (filter.regex().size() > kFilterBytesMax) {
    violations->push_back(
        {"filter.regex", absl::StrCat("must be at most ", kFilterBytesMax, " bytes")});
  }
}

}  // namespace

std::string ServerName(absl::string_view name) {
  return name.empty() ? "default" : std::string(name);
}

absl::StatusOr<StreamPlan> MakePlan(v1::StreamPayloadsRequest request, absl::Time now) {
  Violations violations;
  CheckStart(request.start(), &violations);
  CheckFilter(request.filter(), &violations);
  if (request.max_message_bytes() > kMessageBytesMax) {
    violations.push_back({"max_message_bytes", absl::StrCat("must be at most ", kMessageBytesMax)});
  }
  if (!violations.empty()) return rpc::InvalidFields(violations);

  StreamPlan plan;
  plan.server = ServerName(request.server());
  plan.worker = request.worker();
  plan.follow = request.follow();
  plan.begin = now;
  plan.subscription = request.start().subscription();
  plan.request = std::move(request);
  plan.request.set_server(plan.server);
  return plan;
}

absl::StatusOr<StreamPlan> MakePlan(const v1::TailPayloadsRequest& request, absl::Time now) {
  v1::StreamPayloadsRequest stream;
  stream.set_server(request.server());
  stream.set_worker(request.worker());
  if (request.has_start()) *stream.mutable_start() = request.start();
  if (request.has_filter()) *stream.mutable_filter() = request.filter();
  stream.set_follow(request.follow());
  stream.set_max_message_bytes(kTailMessageBytes);
  return MakePlan(std::move(stream), now);
}

void UseCursor(const std::map<std::string, uint64_t>& next_offsets, StreamPlan* plan) {
  plan->subscription.clear();
  auto* cursor = plan->request.mutable_start()->mutable_cursor();
  cursor->mutable_next_offsets()->insert(next_offsets.begin(), next_offsets.end());
}

bool WantsThePast(const StreamPlan& plan) {
  const v1::StartPosition& start = plan.request.start();
  return start.has_cursor() || start.has_time() ||
         start.place() == v1::StartPosition::PLACE_EARLIEST;
}

std::string RequestFor(const StreamPlan& plan, absl::string_view worker,
                       absl::optional<uint64_t> next_offset, bool joins_late, bool follow) {
  v1::StreamPayloadsRequest request = plan.request;
  request.set_follow(follow);
  request.set_worker(std::string(worker));
  v1::StartPosition start;
  const v1::StartPosition& asked = plan.request.start();
  if (next_offset.has_value()) {
    (*start.mutable_cursor()->mutable_next_offsets())[std::string(worker)] = *next_offset;
  } else if (asked.has_cursor()) {
    const auto& offsets = asked.cursor().next_offsets();
    const auto found = offsets.find(std::string(worker));
    if (found != offsets.end()) {
      (*start.mutable_cursor()->mutable_next_offsets())[std::string(worker)] = found->second;
    } else {
      start.set_place(v1::StartPosition::PLACE_EARLIEST);
    }
  } else if (asked.has_time() || asked.place() == v1::StartPosition::PLACE_EARLIEST) {
    start = asked;
  } else if (joins_late) {
    const int64_t nanos = absl::ToUnixNanos(plan.begin);
    start.mutable_time()->set_seconds(nanos / 1'000'000'000);
    start.mutable_time()->set_nanos(static_cast<int32_t>(nanos % 1'000'000'000));
  } else {
    start.set_place(v1::StartPosition::PLACE_LATEST);
  }
  *request.mutable_start() = std::move(start);
  return request.SerializeAsString();
}

}  // namespace center::relay
