#include "services/coordinator/api/event_log.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/log.h"
#include "services/common/status_macros.h"
#include "services/common/utf8.h"
#include "services/coordinator/api/spec.h"

namespace center::coordinator {
namespace {

// The details may have lines, and stacks among them.
constexpr size_t kReasonBytesMax = 4096;

bool IsTrouble(v1::EventType type) {
  switch (type) {
    case v1::EVENT_TYPE_WORKER_DIED:
    case v1::EVENT_TYPE_WORKER_HUNG:
    case v1::EVENT_TYPE_WORKER_FAILED:
    case v1::EVENT_TYPE_JOURNAL_GAP:
    case v1::EVENT_TYPE_INGEST_BLOCKED:
    case v1::EVENT_TYPE_LIMIT_REACHED:
      return true;
    default:
      return false;
  }
}

void Log(const v1::Event& event) {
  constexpr absl::string_view kPrefix = "EVENT_TYPE_";
  const std::string& name = v1::EventType_Name(event.type());
  spdlog::log(IsTrouble(event.type()) ? spdlog::level::warn : spdlog::level::info, "{} {}: {}",
              event.subject(),
              absl::string_view(name).substr(std::min(name.size(), kPrefix.size())),
              event.reason());
}

// Paths and what processes write need not be UTF-8, nor one line. One stored event that cannot be
// parsed again would end every stream that comes to it.
void MakeReadable(v1::Event& event) {
  event.set_subject(ValidUtf8(event.subject()));
  event.set_reason(ValidUtf8(Printable(event.reason(), kReasonBytesMax)));
  for (auto& [key, value] : *event.mutable_details()) value = ValidUtf8(value);
}

}  // namespace

void EventLog::AppendSoon(v1::Event event) {
  const absl::Time now = clock_.Wall();
  event.clear_id();
  MakeReadable(event);
  if (!event.has_time()) *event.mutable_time() = FromTime(now);
  Log(event);
  waiting_.push_back({.time = absl::FromUnixSeconds(event.time().seconds()) +
                              absl::Nanoseconds(event.time().nanos()),
                      .subject = event.subject(),
                      .body = event.SerializeAsString()});
}

void EventLog::StoreWaiting() {
  if (waiting_.empty()) return;
  const std::vector<state::EventRecord> records = std::exchange(waiting_, {});
  if (absl::Status status = store_.AppendEvents(records); !status.ok()) {
    spdlog::error("{} events could not be stored: {}", records.size(), status);
    return;
  }
  untold_ = true;
}

void EventLog::Flush() {
  StoreWaiting();
  if (!std::exchange(untold_, false)) return;
  // A follower may leave while it is told.
  const std::set<Follower*> followers = followers_;
  for (Follower* follower : followers) {
    if (followers_.contains(follower)) follower->OnNewEvents();
  }
}

void EventLog::Append(v1::Event event) {
  AppendSoon(std::move(event));
  Flush();
}

void EventLog::Append(v1::EventType type, absl::string_view subject, absl::string_view reason) {
  v1::Event event;
  event.set_type(type);
  event.set_subject(std::string(subject));
  event.set_reason(std::string(reason));
  Append(std::move(event));
}

void EventLog::LimitReached(absl::string_view limit, absl::string_view subject,
                            absl::string_view reason) {
  const absl::Time now = clock_.Wall();
  std::erase_if(limits_, [now](const auto& told) { return now - told.second >= kLimitInterval; });
  if (!limits_.try_emplace({std::string(limit), std::string(subject)}, now).second) return;
  v1::Event event;
  event.set_type(v1::EVENT_TYPE_LIMIT_REACHED);
  event.set_subject(std::string(subject));
  event.set_reason(std::string(reason));
  (*event.mutable_details())["limit"] = std::string(limit);
  Append(std::move(event));
}

absl::StatusOr<EventLog::Page> EventLog::Read(const state::EventQuery& query) {
  StoreWaiting();  // not Flush: who reads may be a follower, and is not to be called meanwhile
  ASSIGN_OR_RETURN(state::EventPage stored, store_.ListEvents(query));
  Page page{.history_gone = stored.history_gone, .seen_id = stored.seen_id};
  page.events.reserve(stored.events.size());
  for (const state::EventRecord& record : stored.events) {
    v1::Event event;
    if (!event.ParseFromString(record.body)) {
      return absl::DataLossError(absl::StrCat("the stored event ", record.id, " is damaged"));
    }
    event.set_id(record.id);
    page.events.push_back(std::move(event));
  }
  return page;
}

v1::Event CoordinatorEvent(v1::EventType type, const std::string& reason) {
  v1::Event event;
  event.set_type(type);
  event.set_subject("coordinator");
  event.set_reason(reason);
  return event;
}

}  // namespace center::coordinator
