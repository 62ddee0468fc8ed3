// Subscriptions: how far named readers have processed each worker's payloads.
#include <algorithm>
#include <limits>

#include "absl/strings/str_cat.h"
#include "services/common/status_macros.h"
#include "services/coordinator/state/store.h"

namespace center::state {
namespace {

absl::Status NoSubscription(absl::string_view server, absl::string_view subscription) {
  return absl::NotFoundError(
      absl::StrCat("server '", server, "' has no subscription '", subscription, "'"));
}

absl::Status CheckOffsets(const Offsets& offsets) {
  for (const auto& [worker, offset] : offsets) {
    if (offset > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
      return absl::InvalidArgumentError(
          absl::StrCat("the offset of ", worker, " is ", offset, ": at most 2^63-1"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Offsets> Store::ReadOffsets(absl::string_view server,
                                           absl::string_view subscription) {
  ASSIGN_OR_RETURN(Statement query,
                   database_.Prepare("SELECT worker, next_offset FROM cursors WHERE server = ? "
                                     "AND name = ?"));
  query.Bind(server, subscription);
  Offsets offsets;
  for (;;) {
    ASSIGN_OR_RETURN(const bool row, query.Step());
    if (!row) return offsets;
    offsets[query.Text(0)] = static_cast<uint64_t>(query.Int(1));
  }
}

absl::StatusOr<Offsets> Store::CommitCursor(const Commit& commit) {
  RETURN_IF_ERROR(CheckOffsets(commit.offsets));
  absl::MutexLock lock(&mutex_);
  RETURN_IF_ERROR(SetSync(Sync::kPowerLoss));
  ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(database_));
  ASSIGN_OR_RETURN(Statement touch, database_.Prepare("INSERT OR REPLACE INTO subscriptions "
                                                      "VALUES (?, ?, ?)"));
  RETURN_IF_ERROR(
      touch.Bind(commit.server, commit.subscription, absl::ToUnixNanos(commit.time)).Run());
  ASSIGN_OR_RETURN(Statement count,
                   database_.Prepare("SELECT count(*) FROM subscriptions WHERE server = ?"));
  ASSIGN_OR_RETURN(const bool counted, count.Bind(commit.server).Step());
  if (counted && count.Int(0) > static_cast<int64_t>(kSubscriptionsPerServerMax)) {
    return absl::ResourceExhaustedError(absl::StrCat("server '", commit.server, "' has ",
                                                     kSubscriptionsPerServerMax,
                                                     " subscriptions, the most there can be"));
  }
  ASSIGN_OR_RETURN(
      Statement put,
      database_.Prepare(commit.rewind
                            ? "INSERT OR REPLACE INTO cursors VALUES (?1, ?2, ?3, ?4)"
                            : "INSERT INTO cursors VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE "
                              "SET next_offset = max(next_offset, excluded.next_offset)"));
  for (const auto& [worker, offset] : commit.offsets) {
    RETURN_IF_ERROR(
        put.Bind(commit.server, commit.subscription, worker, static_cast<int64_t>(offset)).Run());
  }
  ASSIGN_OR_RETURN(Offsets stored, ReadOffsets(commit.server, commit.subscription));
  RETURN_IF_ERROR(transaction.Commit());
  return stored;
}

absl::StatusOr<SubscriptionRecord> Store::GetCursor(absl::string_view server,
                                                    absl::string_view subscription) {
  absl::MutexLock lock(&mutex_);
  ASSIGN_OR_RETURN(Statement query,
                   database_.Prepare("SELECT commit_time_ns FROM subscriptions WHERE server = ? "
                                     "AND name = ?"));
  ASSIGN_OR_RETURN(const bool row, query.Bind(server, subscription).Step());
  if (!row) return NoSubscription(server, subscription);
  SubscriptionRecord record{.server = std::string(server),
                            .name = std::string(subscription),
                            .commit_time = absl::FromUnixNanos(query.Int(0))};
  ASSIGN_OR_RETURN(record.next_offsets, ReadOffsets(server, subscription));
  return record;
}

absl::StatusOr<std::vector<SubscriptionRecord>> Store::ListSubscriptions(
    absl::string_view server, absl::string_view after_name, uint32_t limit) {
  absl::MutexLock lock(&mutex_);
  ASSIGN_OR_RETURN(Statement query,
                   database_.Prepare("SELECT name, commit_time_ns FROM subscriptions WHERE "
                                     "server = ? AND name > ? ORDER BY name LIMIT ?"));
  query.Bind(server, after_name, static_cast<int64_t>(limit));
  std::vector<SubscriptionRecord> records;
  for (;;) {
    ASSIGN_OR_RETURN(const bool row, query.Step());
    if (!row) return records;
    SubscriptionRecord record{.server = std::string(server),
                              .name = query.Text(0),
                              .commit_time = absl::FromUnixNanos(query.Int(1))};
    ASSIGN_OR_RETURN(record.next_offsets, ReadOffsets(server, record.name));
    records.push_back(std::move(record));
  }
}

absl::Status Store::DeleteSubscription(absl::string_view server, absl::string_view subscription) {
  absl::MutexLock lock(&mutex_);
  RETURN_IF_ERROR(SetSync(Sync::kPowerLoss));
  ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(database_));
  ASSIGN_OR_RETURN(Statement offsets,
                   database_.Prepare("DELETE FROM cursors WHERE server = ? AND name = ?"));
  RETURN_IF_ERROR(offsets.Bind(server, subscription).Run());
  ASSIGN_OR_RETURN(Statement drop,
                   database_.Prepare("DELETE FROM subscriptions WHERE server = ? AND name = ?"));
  RETURN_IF_ERROR(drop.Bind(server, subscription).Run());
  if (database_.changes() == 0) return NoSubscription(server, subscription);
  return transaction.Commit();
}

absl::StatusOr<absl::optional<uint64_t>> Store::MinCommitted(absl::string_view server,
                                                             absl::string_view worker) {
  absl::MutexLock lock(&mutex_);
  ASSIGN_OR_RETURN(
      Statement query,
      database_.Prepare("SELECT min(coalesce(c.next_offset, 0)) FROM subscriptions s LEFT JOIN "
                        "cursors c ON c.server = s.server AND c.name = s.name AND c.worker = ?2 "
                        "WHERE s.server = ?1"));
  ASSIGN_OR_RETURN(const bool row, query.Bind(server, worker).Step());
  if (!row || query.IsNull(0)) return absl::optional<uint64_t>();
  return absl::optional<uint64_t>(static_cast<uint64_t>(query.Int(0)));
}

}  // namespace center::state
