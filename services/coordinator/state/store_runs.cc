// Who has had this file, and whether they left it in order.
#include "services/common/status_macros.h"
#include "services/coordinator/state/store.h"

namespace center::state {

absl::StatusOr<absl::optional<RunRecord>> Store::BeginRun(const RunRecord& run) {
  absl::MutexLock lock(&mutex_);
  RETURN_IF_ERROR(SetSync(Sync::kProcessCrash));
  ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(database_));
  absl::optional<RunRecord> before;
  {
    ASSIGN_OR_RETURN(Statement query,
                     database_.Prepare("SELECT value FROM meta WHERE key = 'run_version'"));
    ASSIGN_OR_RETURN(const bool known, query.Step());
    if (known) before = RunRecord{.version = query.Text(0)};
  }
  if (before.has_value()) {
    ASSIGN_OR_RETURN(before->pid,
                     database_.QueryInt("SELECT value FROM meta WHERE key = 'run_pid'"));
    ASSIGN_OR_RETURN(const int64_t start_ns,
                     database_.QueryInt("SELECT value FROM meta WHERE key = 'run_start_ns'"));
    before->start_time = absl::FromUnixNanos(start_ns);
    ASSIGN_OR_RETURN(const int64_t ended,
                     database_.QueryInt("SELECT value FROM meta WHERE key = 'run_ended'"));
    before->ended = ended != 0;
  }
  ASSIGN_OR_RETURN(Statement insert,
                   database_.Prepare("INSERT OR REPLACE INTO meta VALUES (?1, ?2)"));
  RETURN_IF_ERROR(insert.Bind("run_version", run.version).Run());
  RETURN_IF_ERROR(insert.Bind("run_pid", run.pid).Run());
  RETURN_IF_ERROR(insert.Bind("run_start_ns", absl::ToUnixNanos(run.start_time)).Run());
  RETURN_IF_ERROR(insert.Bind("run_ended", int64_t{0}).Run());
  RETURN_IF_ERROR(transaction.Commit());
  return before;
}

absl::Status Store::EndRun() {
  absl::MutexLock lock(&mutex_);
  RETURN_IF_ERROR(SetSync(Sync::kProcessCrash));
  ASSIGN_OR_RETURN(Statement update,
                   database_.Prepare("UPDATE meta SET value = 1 WHERE key = 'run_ended'"));
  return update.Run();
}

}  // namespace center::state
