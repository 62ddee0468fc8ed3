// The processes that were started, of workers and of clients.
#include "absl/strings/str_cat.h"
#include "services/common/status_macros.h"
#include "services/coordinator/state/store.h"

namespace center::state {
namespace {

absl::string_view TableOf(Owner owner) {
  return owner == Owner::kClient ? "client_processes" : "processes";
}

}  // namespace

absl::Status Store::PutProcess(const ProcessRecord& process, Owner owner) {
  absl::MutexLock lock(&mutex_);
  RETURN_IF_ERROR(SetSync(Sync::kProcessCrash));
  ASSIGN_OR_RETURN(Statement insert,
                   database_.Prepare(absl::StrCat(
                       "INSERT OR REPLACE INTO ", TableOf(owner),
                       " (worker, pid, start_ticks, boot_id, token, launch_time_ns, generation, "
                       "restarts) VALUES (?, ?, ?, ?, ?, ?, ?, ?)")));
  return insert
      .Bind(process.worker, process.pid, static_cast<int64_t>(process.start_ticks), process.boot_id,
            process.token, absl::ToUnixNanos(process.launch_time),
            static_cast<int64_t>(process.generation), static_cast<int64_t>(process.restarts))
      .Run();
}

absl::Status Store::DeleteProcess(absl::string_view worker, Owner owner) {
  absl::MutexLock lock(&mutex_);
  RETURN_IF_ERROR(SetSync(Sync::kProcessCrash));
  ASSIGN_OR_RETURN(Statement statement, database_.Prepare(absl::StrCat(
                                            "DELETE FROM ", TableOf(owner), " WHERE worker = ?")));
  return statement.Bind(worker).Run();
}

absl::StatusOr<std::vector<ProcessRecord>> Store::ListProcesses(Owner owner) {
  absl::MutexLock lock(&mutex_);
  ASSIGN_OR_RETURN(Statement query,
                   database_.Prepare(absl::StrCat(
                       "SELECT worker, pid, start_ticks, boot_id, token, launch_time_ns, "
                       "generation, restarts FROM ",
                       TableOf(owner), " ORDER BY worker")));
  std::vector<ProcessRecord> processes;
  for (;;) {
    ASSIGN_OR_RETURN(const bool row, query.Step());
    if (!row) return processes;
    processes.push_back({.worker = query.Text(0),
                         .pid = query.Int(1),
                         .start_ticks = static_cast<uint64_t>(query.Int(2)),
                         .boot_id = query.Text(3),
                         .token = query.Text(4),
                         .launch_time = absl::FromUnixNanos(query.Int(5)),
                         .generation = static_cast<uint64_t>(query.Int(6)),
                         .restarts = static_cast<uint64_t>(query.Int(7))});
  }
}

}  // namespace center::state
