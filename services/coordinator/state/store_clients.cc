// Desired clients.
#include "services/common/status_macros.h"
#include "services/coordinator/state/store.h"

namespace center::state {

absl::Status Store::PutClient(const ClientRecord& client) {
  absl::MutexLock lock(&mutex_);
  RETURN_IF_ERROR(SetSync(Sync::kPowerLoss));
  ASSIGN_OR_RETURN(Statement insert,
                   database_.Prepare("INSERT OR REPLACE INTO clients (name, spec, desired_running, "
                                     "create_time_ns, past) VALUES (?, ?, ?, ?, ?)"));
  return insert
      .Bind(client.name, Blob{client.spec}, client.desired_running,
            absl::ToUnixNanos(client.create_time), Blob{client.past})
      .Run();
}

absl::StatusOr<std::vector<ClientRecord>> Store::ListClients() {
  absl::MutexLock lock(&mutex_);
  ASSIGN_OR_RETURN(Statement query,
                   database_.Prepare("SELECT name, spec, desired_running, create_time_ns, past "
                                     "FROM clients ORDER BY name"));
  std::vector<ClientRecord> clients;
  for (;;) {
    ASSIGN_OR_RETURN(const bool row, query.Step());
    if (!row) return clients;
    clients.push_back({.name = query.Text(0),
                       .spec = query.Text(1),
                       .desired_running = query.Int(2) != 0,
                       .create_time = absl::FromUnixNanos(query.Int(3)),
                       .past = query.Text(4)});
  }
}

absl::Status Store::DeleteClient(absl::string_view name) {
  absl::MutexLock lock(&mutex_);
  RETURN_IF_ERROR(SetSync(Sync::kPowerLoss));
  ASSIGN_OR_RETURN(Statement statement, database_.Prepare("DELETE FROM clients WHERE name = ?"));
  return statement.Bind(name).Run();
}

}  // namespace center::state
