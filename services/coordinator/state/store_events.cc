// Events: an append-only, bounded log.
#include "absl/strings/strip.h"
#include "services/common/fd.h"
#include "services/common/status_macros.h"
#include "services/coordinator/state/store.h"

namespace center::state {
namespace {

// The last events before a power loss may be missing from the file though somebody saw their ids.
// After a boot ids go on so far ahead that none of those is used again: more are never unsynced,
// because SQLite syncs its log at each checkpoint, every 1000 pages.
constexpr uint64_t kEventIdsSkippedAfterBoot = kEventsMax;

absl::StatusOr<std::string> BootId() {
  ASSIGN_OR_RETURN(const std::string text, ReadSmallFile("/proc/sys/kernel/random/boot_id"));
  return std::string(absl::StripSuffix(text, "\n"));
}

}  // namespace

absl::Status Store::PrepareEventIds() {
  // A machine without /proc counts as one that never boots.
  const std::string boot_id = BootId().value_or("");
  ASSIGN_OR_RETURN(const int64_t newest, database_.QueryInt("SELECT max(id) FROM events"));
  ASSIGN_OR_RETURN(const int64_t count, database_.QueryInt("SELECT count(*) FROM events"));
  event_count_ = static_cast<uint64_t>(count);
  next_event_id_ = static_cast<uint64_t>(newest) + 1;
  ASSIGN_OR_RETURN(Statement query, database_.Prepare("SELECT value FROM meta WHERE key = ?"));
  ASSIGN_OR_RETURN(const bool known, query.Bind("boot_id").Step());
  if (known && query.Text(0) == boot_id) return absl::OkStatus();
  if (known) next_event_id_ += kEventIdsSkippedAfterBoot;
  ASSIGN_OR_RETURN(Statement insert,
                   database_.Prepare("INSERT OR REPLACE INTO meta VALUES ('boot_id', ?)"));
  return insert.Bind(boot_id).Run();
}

absl::Status Store::TrimEvents() {
  // More may be there than are to be kept from now on.
  if (event_count_ <= options_.events_max) return absl::OkStatus();
  ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(database_));
  const uint64_t surplus = event_count_ - options_.events_max;
  for (uint64_t i = 0; i < surplus; ++i) RETURN_IF_ERROR(DropOldestEvent());
  RETURN_IF_ERROR(transaction.Commit());
  event_count_ = options_.events_max;
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> Store::AppendEvent(const EventRecord& event) {
  absl::MutexLock lock(&mutex_);
  RETURN_IF_ERROR(AppendLocked(&event, 1));
  return next_event_id_ - 1;
}

absl::Status Store::AppendEvents(const std::vector<EventRecord>& events) {
  absl::MutexLock lock(&mutex_);
  return AppendLocked(events.data(), events.size());
}

absl::Status Store::AppendLocked(const EventRecord* events, size_t count) {
  RETURN_IF_ERROR(SetSync(Sync::kProcessCrash));
  ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(database_));
  ASSIGN_OR_RETURN(Statement insert, database_.Prepare("INSERT INTO events VALUES (?, ?, ?, ?)"));
  uint64_t stored = event_count_;
  for (size_t i = 0; i < count; ++i) {
    const EventRecord& event = events[i];
    RETURN_IF_ERROR(insert
                        .Bind(static_cast<int64_t>(next_event_id_ + i),
                              absl::ToUnixNanos(event.time), event.subject, Blob{event.body})
                        .Run());
    if (stored >= options_.events_max) {
      RETURN_IF_ERROR(DropOldestEvent());
    } else {
      ++stored;
    }
  }
  RETURN_IF_ERROR(transaction.Commit());
  event_count_ = stored;
  next_event_id_ += count;
  return absl::OkStatus();
}

absl::Status Store::DropOldestEvent() {
  ASSIGN_OR_RETURN(Statement query,
                   database_.Prepare("SELECT id, time_ns FROM events ORDER BY id LIMIT 1"));
  ASSIGN_OR_RETURN(const bool row, query.Step());
  if (!row) return absl::OkStatus();
  // max: wall time may jump back, and "something at that time or later was deleted" must stay true.
  ASSIGN_OR_RETURN(
      Statement note,
      database_.Prepare("INSERT INTO meta VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = "
                        "max(value, excluded.value)"));
  RETURN_IF_ERROR(note.Bind("deleted_event_id", query.Int(0)).Run());
  RETURN_IF_ERROR(note.Bind("deleted_event_time_ns", query.Int(1)).Run());
  ASSIGN_OR_RETURN(Statement drop, database_.Prepare("DELETE FROM events WHERE id = ?"));
  return drop.Bind(query.Int(0)).Run();
}

absl::StatusOr<EventPage> Store::ListEvents(const EventQuery& query) {
  absl::MutexLock lock(&mutex_);
  EventPage page;
  ASSIGN_OR_RETURN(const int64_t deleted_id,
                   database_.QueryInt("SELECT value FROM meta WHERE key = 'deleted_event_id'"));
  const int64_t since_ns =
      query.since_time.has_value() ? absl::ToUnixNanos(*query.since_time) : INT64_MIN;
  if (query.since_id != 0) {
    page.history_gone = static_cast<uint64_t>(deleted_id) > query.since_id;
  } else if (query.since_time.has_value()) {
    ASSIGN_OR_RETURN(
        const int64_t deleted_ns,
        database_.QueryInt("SELECT value FROM meta WHERE key = 'deleted_event_time_ns'"));
    page.history_gone = deleted_id > 0 && deleted_ns >= since_ns;
  }
  ASSIGN_OR_RETURN(
      Statement select,
      database_.Prepare("SELECT id, time_ns, subject, body FROM events WHERE id > ?1 AND "
                        "time_ns >= ?2 AND (?3 = '' OR subject = ?3 OR "
                        "substr(subject, 1, length(?3) + 1) = ?3 || '/') ORDER BY id LIMIT ?4"));
  select.Bind(static_cast<int64_t>(query.since_id), since_ns, query.server,
              static_cast<int64_t>(query.limit));
  for (;;) {
    ASSIGN_OR_RETURN(const bool row, select.Step());
    if (!row) break;
    page.events.push_back({.id = static_cast<uint64_t>(select.Int(0)),
                           .time = absl::FromUnixNanos(select.Int(1)),
                           .subject = select.Text(2),
                           .body = select.Text(3)});
  }
  page.seen_id = page.events.size() == query.limit && query.limit > 0 ? page.events.back().id
                                                                      : next_event_id_ - 1;
  return page;
}

}  // namespace center::state
