#include "services/coordinator/state/store.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "services/common/fd.h"
#include "services/common/status_macros.h"

namespace center::state {
namespace {

// The schema's version, kept in the file's user_version. A change of the schema appends a migration
// and never alters one that was released.
constexpr const char* kMigrations[] = {
    R"sql(
      CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
      CREATE TABLE servers (
        name TEXT PRIMARY KEY, spec BLOB NOT NULL, desired_running INTEGER NOT NULL,
        create_time_ns INTEGER NOT NULL, port INTEGER NOT NULL) WITHOUT ROWID;
      CREATE TABLE processes (
        worker TEXT PRIMARY KEY, pid INTEGER NOT NULL, start_ticks INTEGER NOT NULL,
        boot_id TEXT NOT NULL) WITHOUT ROWID;
      CREATE TABLE subscriptions (
        server TEXT NOT NULL, name TEXT NOT NULL, commit_time_ns INTEGER NOT NULL,
        PRIMARY KEY (server, name)) WITHOUT ROWID;
      CREATE TABLE cursors (
        server TEXT NOT NULL, name TEXT NOT NULL, worker TEXT NOT NULL,
        next_offset INTEGER NOT NULL, PRIMARY KEY (server, name, worker)) WITHOUT ROWID;
      CREATE TABLE events (
        id INTEGER PRIMARY KEY, time_ns INTEGER NOT NULL, subject TEXT NOT NULL,
        body BLOB NOT NULL);
      CREATE TABLE answers (
        key TEXT PRIMARY KEY, time_ns INTEGER NOT NULL, answer BLOB NOT NULL) WITHOUT ROWID;
      CREATE INDEX answers_by_time ON answers (time_ns);
    )sql",
    R"sql(
      ALTER TABLE servers ADD COLUMN generation INTEGER NOT NULL DEFAULT 1;
    )sql",
    // Processes can be adopted: what a later coordinator must know of them. Of those that were
    // recorded before, the token is not known, so that they match nobody.
    R"sql(
      ALTER TABLE processes ADD COLUMN token TEXT NOT NULL DEFAULT '';
      ALTER TABLE processes ADD COLUMN launch_time_ns INTEGER NOT NULL DEFAULT 0;
      ALTER TABLE processes ADD COLUMN generation INTEGER NOT NULL DEFAULT 0;
      ALTER TABLE processes ADD COLUMN restarts INTEGER NOT NULL DEFAULT 0;
    )sql",
    R"sql(
      CREATE TABLE clients (
        name TEXT PRIMARY KEY, spec BLOB NOT NULL, desired_running INTEGER NOT NULL,
        create_time_ns INTEGER NOT NULL, past BLOB NOT NULL) WITHOUT ROWID;
      CREATE TABLE client_processes (
        worker TEXT PRIMARY KEY, pid INTEGER NOT NULL, start_ticks INTEGER NOT NULL,
        boot_id TEXT NOT NULL, token TEXT NOT NULL, launch_time_ns INTEGER NOT NULL,
        generation INTEGER NOT NULL, restarts INTEGER NOT NULL) WITHOUT ROWID;
    )sql",
};
constexpr int64_t kSchemaVersion = std::size(kMigrations);

// Answers are trimmed once in so many additions.
constexpr uint64_t kAnswersTrimInterval = 100;

absl::Status Migrate(Database& database) {
  ASSIGN_OR_RETURN(const int64_t version, database.QueryInt("PRAGMA user_version"));
  if (version > kSchemaVersion) {
    return absl::FailedPreconditionError(
        absl::StrCat("the state was written by a newer Center: its schema has version ", version,
                     ", this one knows up to ", kSchemaVersion));
  }
  for (int64_t next = version; next < kSchemaVersion; ++next) {
    ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(database));
    RETURN_IF_ERROR(database.Execute(kMigrations[next]));
    RETURN_IF_ERROR(database.Execute(absl::StrCat("PRAGMA user_version = ", next + 1).c_str()));
    RETURN_IF_ERROR(transaction.Commit());
  }
  return absl::OkStatus();
}

ServerRecord ReadServer(const Statement& row) {
  return {.name = row.Text(0),
          .spec = row.Text(1),
          .desired_running = row.Int(2) != 0,
          .create_time = absl::FromUnixNanos(row.Int(3)),
          .port = static_cast<uint32_t>(row.Int(4)),
          .generation = static_cast<uint64_t>(row.Int(5))};
}

}  // namespace

absl::StatusOr<std::unique_ptr<Store>> Store::Open(const std::string& path,
                                                   const StoreOptions& options) {
  ASSIGN_OR_RETURN(Database database, Database::Open(path));
  // Not make_unique: the constructor is private.
  std::unique_ptr<Store> store(new Store(std::move(database), options));
  absl::MutexLock lock(&store->mutex_);
  if (absl::Status status = store->Prepare(); !status.ok()) {
    return absl::Status(status.code(), absl::StrCat(path, ": ", status.message()));
  }
  return store;
}

absl::Status Store::Prepare() {
  RETURN_IF_ERROR(database_.Execute("PRAGMA journal_mode = WAL"));
  RETURN_IF_ERROR(database_.Execute("PRAGMA synchronous = FULL"));
  RETURN_IF_ERROR(database_.Execute("PRAGMA foreign_keys = ON"));
  RETURN_IF_ERROR(Migrate(database_));
  RETURN_IF_ERROR(PrepareEventIds());
  return TrimEvents();
}

absl::Status Store::SetSync(Sync sync) {
  if (sync == sync_) return absl::OkStatus();
  RETURN_IF_ERROR(database_.Execute(sync == Sync::kPowerLoss ? "PRAGMA synchronous = FULL"
                                                             : "PRAGMA synchronous = NORMAL"));
  sync_ = sync;
  return absl::OkStatus();
}

absl::Status Store::PutServer(const ServerRecord& server) {
  absl::MutexLock lock(&mutex_);
  RETURN_IF_ERROR(SetSync(Sync::kPowerLoss));
  ASSIGN_OR_RETURN(Statement insert,
                   database_.Prepare("INSERT OR REPLACE INTO servers VALUES (?, ?, ?, ?, ?, ?)"));
  return insert
      .Bind(server.name, Blob{server.spec}, server.desired_running,
            absl::ToUnixNanos(server.create_time), static_cast<int64_t>(server.port),
            static_cast<int64_t>(server.generation))
      .Run();
}

absl::StatusOr<ServerRecord> Store::GetServer(absl::string_view name) {
  absl::MutexLock lock(&mutex_);
  ASSIGN_OR_RETURN(Statement query,
                   database_.Prepare("SELECT name, spec, desired_running, create_time_ns, port, "
                                     "generation FROM servers WHERE name = ?"));
  ASSIGN_OR_RETURN(const bool row, query.Bind(name).Step());
  if (!row) return absl::NotFoundError(absl::StrCat("no server '", name, "' is stored"));
  return ReadServer(query);
}

absl::StatusOr<std::vector<ServerRecord>> Store::ListServers() {
  absl::MutexLock lock(&mutex_);
  ASSIGN_OR_RETURN(Statement query,
                   database_.Prepare("SELECT name, spec, desired_running, create_time_ns, port, "
                                     "generation FROM servers ORDER BY name"));
  std::vector<ServerRecord> servers;
  for (;;) {
    ASSIGN_OR_RETURN(const bool row, query.Step());
    if (!row) return servers;
    servers.push_back(ReadServer(query));
  }
}

absl::Status Store::DeleteServer(absl::string_view name) {
  absl::MutexLock lock(&mutex_);
  RETURN_IF_ERROR(SetSync(Sync::kPowerLoss));
  ASSIGN_OR_RETURN(Statement statement, database_.Prepare("DELETE FROM servers WHERE name = ?"));
  return statement.Bind(name).Run();
}

absl::Status Store::RememberAnswer(absl::string_view key, absl::string_view answer,
                                   absl::Time now) {
  absl::MutexLock lock(&mutex_);
  RETURN_IF_ERROR(SetSync(Sync::kProcessCrash));
  ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(database_));
  ASSIGN_OR_RETURN(Statement insert,
                   database_.Prepare("INSERT OR REPLACE INTO answers VALUES (?, ?, ?)"));
  RETURN_IF_ERROR(insert.Bind(key, absl::ToUnixNanos(now), Blob{answer}).Run());
  if (answers_since_trim_++ % kAnswersTrimInterval == 0) {
    ASSIGN_OR_RETURN(Statement age, database_.Prepare("DELETE FROM answers WHERE time_ns < ?"));
    RETURN_IF_ERROR(age.Bind(absl::ToUnixNanos(now - kAnswerAge)).Run());
    ASSIGN_OR_RETURN(Statement count,
                     database_.Prepare("DELETE FROM answers WHERE key IN (SELECT key FROM answers "
                                       "ORDER BY time_ns DESC LIMIT -1 OFFSET ?)"));
    RETURN_IF_ERROR(count.Bind(static_cast<int64_t>(kAnswersMax - kAnswersTrimInterval)).Run());
  }
  return transaction.Commit();
}

absl::StatusOr<absl::optional<std::string>> Store::FindAnswer(absl::string_view key,
                                                              absl::Time now) {
  absl::MutexLock lock(&mutex_);
  ASSIGN_OR_RETURN(Statement query,
                   database_.Prepare("SELECT answer FROM answers WHERE key = ? AND time_ns >= ?"));
  ASSIGN_OR_RETURN(const bool row, query.Bind(key, absl::ToUnixNanos(now - kAnswerAge)).Step());
  if (!row) return absl::optional<std::string>();
  return absl::optional<std::string>(query.Text(0));
}

}  // namespace center::state
