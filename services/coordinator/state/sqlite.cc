#include "services/coordinator/state/sqlite.h"

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/status_macros.h"

namespace center::state {
namespace {

// How long a statement waits for another process (a backup, a shell) that has the file locked.
constexpr int kBusyTimeoutMs = 5000;

absl::Status SqliteStatus(sqlite3* handle, int result, absl::string_view what) {
  absl::StatusCode code = absl::StatusCode::kInternal;
  std::string why = handle != nullptr ? sqlite3_errmsg(handle) : sqlite3_errstr(result);
  switch (result & 0xff) {
    case SQLITE_FULL:
      code = absl::StatusCode::kResourceExhausted;
      break;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      code = absl::StatusCode::kUnavailable;
      break;
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
      code = absl::StatusCode::kPermissionDenied;
      break;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      code = absl::StatusCode::kDataLoss;
      break;
    case SQLITE_IOERR:
      // "disk I/O error" alone helps nobody.
      if (const int error = handle != nullptr ? sqlite3_system_errno(handle) : 0; error != 0) {
        if (error == ENOSPC || error == EDQUOT) code = absl::StatusCode::kResourceExhausted;
        absl::StrAppend(&why, " (", std::strerror(error), ")");
      }
      break;
    default:
      break;
  }
  return absl::Status(code, absl::StrCat(what, ": ", why));
}

}  // namespace

void Statement::Rewind() {
  // Both report the error of the step before, which was reported then.
  sqlite3_reset(handle_.get());
  sqlite3_clear_bindings(handle_.get());
  bind_error_ = SQLITE_OK;
}

void Statement::BindOne(int index, absl::string_view value) {
  Note(sqlite3_bind_text64(handle_.get(), index, value.data() != nullptr ? value.data() : "",
                           value.size(), SQLITE_TRANSIENT, SQLITE_UTF8));
}

void Statement::BindOne(int index, Blob value) {
  Note(sqlite3_bind_blob64(handle_.get(), index,
                           value.bytes.data() != nullptr ? value.bytes.data() : "",
                           value.bytes.size(), SQLITE_TRANSIENT));
}

absl::StatusOr<bool> Statement::Step() {
  sqlite3* database = sqlite3_db_handle(handle_.get());
  const char* sql = sqlite3_sql(handle_.get());
  if (bind_error_ != SQLITE_OK) return SqliteStatus(nullptr, bind_error_, sql);
  const int result = sqlite3_step(handle_.get());
  if (result == SQLITE_ROW) return true;
  if (result == SQLITE_DONE) return false;
  return SqliteStatus(database, result, sql);
}

absl::Status Statement::Run() { return Step().status(); }

std::string Statement::Text(int column) const {
  // The blob call gives text unconverted; the size must be asked for after it.
  const void* bytes = sqlite3_column_blob(handle_.get(), column);
  const int size = sqlite3_column_bytes(handle_.get(), column);
  return bytes == nullptr ? "" : std::string(static_cast<const char*>(bytes), size);
}

absl::StatusOr<Database> Database::Open(const std::string& path) {
  sqlite3* handle = nullptr;
  const int result =
      sqlite3_open_v2(path.c_str(), &handle,
                      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  Database database(handle);
  if (result != SQLITE_OK) return SqliteStatus(handle, result, absl::StrCat("open ", path));
  sqlite3_extended_result_codes(handle, 1);
  sqlite3_busy_timeout(handle, kBusyTimeoutMs);
  return database;
}

absl::StatusOr<Statement> Database::Prepare(absl::string_view sql) {
  sqlite3_stmt* handle = nullptr;
  const int result =
      sqlite3_prepare_v2(handle_.get(), sql.data(), static_cast<int>(sql.size()), &handle, nullptr);
  if (result != SQLITE_OK) return SqliteStatus(handle_.get(), result, sql);
  return Statement(handle);
}

absl::Status Database::Execute(const char* sql) {
  const int result = sqlite3_exec(handle_.get(), sql, nullptr, nullptr, nullptr);
  return result == SQLITE_OK ? absl::OkStatus() : SqliteStatus(handle_.get(), result, sql);
}

absl::StatusOr<int64_t> Database::QueryInt(absl::string_view sql) {
  ASSIGN_OR_RETURN(Statement query, Prepare(sql));
  ASSIGN_OR_RETURN(const bool row, query.Step());
  return row ? query.Int(0) : 0;
}

absl::StatusOr<Transaction> Transaction::Begin(Database& database) {
  RETURN_IF_ERROR(database.Execute("BEGIN IMMEDIATE"));
  return Transaction(database);
}

Transaction::~Transaction() {
  // A rollback that fails leaves nothing that could be done better; SQLite rolls back on close.
  if (database_ != nullptr) (void)database_->Execute("ROLLBACK");
}

absl::Status Transaction::Commit() {
  RETURN_IF_ERROR(database_->Execute("COMMIT"));
  database_ = nullptr;
  return absl::OkStatus();
}

}  // namespace center::state
