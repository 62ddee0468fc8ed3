#include "services/coordinator/api/job_table.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/status_macros.h"

namespace center::coordinator {
namespace {

constexpr int64_t kJobTableVersion = 1;

}  // namespace

absl::StatusOr<std::unique_ptr<JobTable>> JobTable::Open(const std::string& path) {
  ASSIGN_OR_RETURN(state::Database database, state::Database::Open(path));
  std::unique_ptr<JobTable> table(new JobTable(std::move(database)));  // it is private
  if (absl::Status status = table->Prepare(); !status.ok()) {
    return absl::Status(status.code(), absl::StrCat(path, ": ", status.message()));
  }
  return table;
}

absl::Status JobTable::Prepare() {
  absl::MutexLock lock(&mutex_);
  // Nobody else opens it, so that it need not be locked and unlocked with every job.
  RETURN_IF_ERROR(database_.Execute(
      "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL"));
  ASSIGN_OR_RETURN(const int64_t version, database_.QueryInt("PRAGMA user_version"));
  if (version > kJobTableVersion) {
    return absl::FailedPreconditionError(
        absl::StrCat("the jobs were stored by a newer Center (version ", version, ")"));
  }
  RETURN_IF_ERROR(database_.Execute(
      "CREATE TABLE IF NOT EXISTS records (row INTEGER PRIMARY KEY, job INTEGER NOT NULL, type "
      "INTEGER NOT NULL, first INTEGER NOT NULL, count INTEGER NOT NULL, failed INTEGER NOT NULL, "
      "body BLOB NOT NULL);"
      "CREATE INDEX IF NOT EXISTS records_of_job ON records (job);"
      "PRAGMA user_version=1"));
  ASSIGN_OR_RETURN(last_row_, database_.QueryInt("SELECT max(row) FROM records"));
  ASSIGN_OR_RETURN(state::Statement add,
                   database_.Prepare("INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, ?)"));
  ASSIGN_OR_RETURN(state::Statement remove, database_.Prepare("DELETE FROM records WHERE job = ?"));
  ASSIGN_OR_RETURN(
      state::Statement read,
      database_.Prepare("SELECT type, first, count, failed, body FROM records WHERE row = ?"));
  statements_ =
      std::make_unique<Statements>(Statements{std::move(add), std::move(remove), std::move(read)});
  return absl::OkStatus();
}

absl::Status JobTable::Begin() {
  absl::MutexLock lock(&mutex_);
  return database_.Execute("BEGIN IMMEDIATE");
}

absl::Status JobTable::Commit() {
  absl::MutexLock lock(&mutex_);
  absl::Status status = database_.Execute("COMMIT");
  if (!status.ok()) database_.Execute("ROLLBACK").IgnoreError();
  return status;
}

absl::StatusOr<uint64_t> JobTable::Add(jobs::JobId job, const jobs::RecordHeader& header,
                                       std::span<const absl::string_view> body) {
  std::string joined;
  absl::string_view bytes = body.empty() ? "" : body.front();
  if (body.size() > 1) {
    for (const absl::string_view piece : body) joined.append(piece.data(), piece.size());
    bytes = joined;
  }
  absl::MutexLock lock(&mutex_);
  const int64_t row = last_row_ + 1;
  RETURN_IF_ERROR(statements_->add
                      .Bind(row, static_cast<int64_t>(job), static_cast<int64_t>(header.type),
                            static_cast<int64_t>(header.first), static_cast<int64_t>(header.count),
                            static_cast<int64_t>(header.failed), state::Blob{bytes})
                      .Run());
  last_row_ = row;
  return static_cast<uint64_t>(row);
}

absl::Status JobTable::Remove(jobs::JobId job) {
  absl::MutexLock lock(&mutex_);
  return statements_->remove.Bind(static_cast<int64_t>(job)).Run();
}

absl::StatusOr<std::string> JobTable::Read(uint64_t row, jobs::RecordHeader* header) {
  absl::MutexLock lock(&mutex_);
  state::Statement& read = statements_->read;
  ASSIGN_OR_RETURN(const bool found, read.Bind(static_cast<int64_t>(row)).Step());
  if (!found) return absl::NotFoundError("the job's record is gone");
  *header = {.type = static_cast<jobs::RecordType>(read.Int(0)),
             .first = static_cast<uint64_t>(read.Int(1)),
             .count = static_cast<uint64_t>(read.Int(2)),
             .failed = static_cast<uint32_t>(read.Int(3))};
  std::string body = read.Text(4);
  header->body_bytes = static_cast<uint32_t>(body.size());
  // Ends the statement: an open one would hold back the log's checkpoint.
  read.Bind(int64_t{0});
  return body;
}

absl::Status JobTable::ForEach(const std::function<void(Row)>& visit) {
  absl::MutexLock lock(&mutex_);
  // Bodies of results and inputs are read when they are needed.
  ASSIGN_OR_RETURN(
      state::Statement query,
      database_.Prepare(absl::StrCat(
          "SELECT row, job, type, first, count, failed, length(body), CASE WHEN type IN (",
          static_cast<int>(jobs::RecordType::kJob), ",", static_cast<int>(jobs::RecordType::kEnd),
          ",", static_cast<int>(jobs::RecordType::kCursor),
          ") THEN body ELSE x'' END FROM records ORDER BY row")));
  for (;;) {
    ASSIGN_OR_RETURN(const bool more, query.Step());
    if (!more) return absl::OkStatus();
    visit({.number = static_cast<uint64_t>(query.Int(0)),
           .job = static_cast<jobs::JobId>(query.Int(1)),
           .header = {.type = static_cast<jobs::RecordType>(query.Int(2)),
                      .first = static_cast<uint64_t>(query.Int(3)),
                      .count = static_cast<uint64_t>(query.Int(4)),
                      .failed = static_cast<uint32_t>(query.Int(5)),
                      .body_bytes = static_cast<uint32_t>(query.Int(6))},
           .body = query.Text(7)});
  }
}

}  // namespace center::coordinator
