#include "services/worker/api/worker_messages.h"

#include <string>

#include "absl/strings/str_cat.h"

namespace center::worker {
namespace {

constexpr int64_t kEventNanosPerSecond = 1'000'000'000;

// Event types are about what an operator has to know; the journal's events are finer.
v1::EventType TypeOf(journal::JournalEvent::Type type) {
  switch (type) {
    case journal::JournalEvent::Type::kTailTruncated:
    case journal::JournalEvent::Type::kCorruption:
    case journal::JournalEvent::Type::kDropped:
      return v1::EVENT_TYPE_JOURNAL_GAP;
    case journal::JournalEvent::Type::kBlocked:
    case journal::JournalEvent::Type::kFailed:
      return v1::EVENT_TYPE_INGEST_BLOCKED;
    case journal::JournalEvent::Type::kResumed:
      return v1::EVENT_TYPE_INGEST_RESUMED;
  }
  return v1::EVENT_TYPE_UNSPECIFIED;
}

}  // namespace

v1::Event MakeEvent(v1::EventType type, absl::string_view worker, absl::string_view reason,
                    const Clock& clock) {
  const int64_t now_ns = clock.WallNanos();
  v1::Event event;
  event.mutable_time()->set_seconds(now_ns / kEventNanosPerSecond);
  event.mutable_time()->set_nanos(static_cast<int32_t>(now_ns % kEventNanosPerSecond));
  event.set_type(type);
  event.set_subject(std::string(worker));
  event.set_reason(std::string(reason));
  return event;
}

v1::Event JournalEventToProto(const journal::JournalEvent& event, absl::string_view worker,
                              const Clock& clock) {
  v1::Event proto = MakeEvent(TypeOf(event.type), worker, event.detail, clock);
  if (event.to > event.from) {
    (*proto.mutable_details())["from_offset"] = absl::StrCat(event.from);
    (*proto.mutable_details())["to_offset"] = absl::StrCat(event.to);
  }
  return proto;
}

void SetDuration(absl::Duration duration, google::protobuf::Duration* proto) {
  const int64_t nanos = absl::ToInt64Nanoseconds(duration);
  proto->set_seconds(nanos / kEventNanosPerSecond);
  proto->set_nanos(static_cast<int32_t>(nanos % kEventNanosPerSecond));
}

v1::Gap GapToProto(const journal::Gap& gap, absl::string_view worker) {
  v1::Gap proto;
  proto.set_worker(std::string(worker));
  proto.set_from_offset(gap.from);
  proto.set_to_offset(gap.to);
  proto.set_reason(gap.reason == journal::Gap::Reason::kRetention ? v1::Gap::REASON_RETENTION
                                                                  : v1::Gap::REASON_CORRUPTION);
  proto.set_detail(gap.detail);
  return proto;
}

}  // namespace center::worker
