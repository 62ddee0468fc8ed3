// The part of SQLite that the store uses, with owners for its handles and errors as absl::Status.
//
//   ASSIGN_OR_RETURN(Statement insert, database.Prepare("INSERT INTO t VALUES (?, ?)"));
//   RETURN_IF_ERROR(insert.Bind(name, 7).Run());
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace center::state {

// Bound as a BLOB rather than as TEXT.
struct Blob {
  absl::string_view bytes;
};

// A prepared statement. Binding errors are kept and reported by the step that follows.
class Statement {
 public:
  // Binds the parameters ?1, ?2, … in order and starts over.
  template <typename... Values>
  Statement& Bind(const Values&... values) {
    Rewind();
    int index = 0;
    (BindOne(++index, values), ...);
    return *this;
  }

  // Executes a statement that returns no rows.
  absl::Status Run();
  // True: a row is there to be read. False: no more rows.
  absl::StatusOr<bool> Step();

  // Columns of the current row, from 0. REQUIRES: Step returned true.
  int64_t Int(int column) const { return sqlite3_column_int64(handle_.get(), column); }
  bool IsNull(int column) const {
    return sqlite3_column_type(handle_.get(), column) == SQLITE_NULL;
  }
  std::string Text(int column) const;

 private:
  friend class Database;
  struct Finalize {
    void operator()(sqlite3_stmt* handle) const { sqlite3_finalize(handle); }
  };
  explicit Statement(sqlite3_stmt* handle) : handle_(handle) {}

  void Rewind();
  void BindOne(int index, int64_t value) { Note(sqlite3_bind_int64(handle_.get(), index, value)); }
  void BindOne(int index, bool value) { BindOne(index, static_cast<int64_t>(value)); }
  void BindOne(int index, absl::string_view value);
  void BindOne(int index, const std::string& value) { BindOne(index, absl::string_view(value)); }
  void BindOne(int index, const char* value) { BindOne(index, absl::string_view(value)); }
  void BindOne(int index, Blob value);
  void Note(int result) {
    if (bind_error_ == SQLITE_OK) bind_error_ = result;
  }

  std::unique_ptr<sqlite3_stmt, Finalize> handle_;
  int bind_error_ = SQLITE_OK;
};

// One connection. Not thread-safe: its owner locks.
class Database {
 public:
  // Creates the file when it is not there.
  static absl::StatusOr<Database> Open(const std::string& path);

  absl::StatusOr<Statement> Prepare(absl::string_view sql);
  // Runs statements separated by semicolons; their rows are dropped.
  absl::Status Execute(const char* sql);
  // The first column of the first row; 0 when there is none.
  absl::StatusOr<int64_t> QueryInt(absl::string_view sql);
  // Rows changed by the last INSERT, UPDATE or DELETE.
  int changes() const { return sqlite3_changes(handle_.get()); }

 private:
  struct Close {
    void operator()(sqlite3* handle) const { sqlite3_close_v2(handle); }
  };
  explicit Database(sqlite3* handle) : handle_(handle) {}

  std::unique_ptr<sqlite3, Close> handle_;
};

// Rolls back unless committed.
class Transaction {
 public:
  static absl::StatusOr<Transaction> Begin(Database& database);
  Transaction(Transaction&& other) noexcept : database_(other.database_) {
    other.database_ = nullptr;
  }
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();

  absl::Status Commit();

 private:
  explicit Transaction(Database& database) : database_(&database) {}
  Database* database_;
};

}  // namespace center::state
