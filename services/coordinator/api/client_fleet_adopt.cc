// Taking up the clients that an earlier coordinator left.
#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "services/common/log.h"
#include "services/common/status_macros.h"
#include "services/coordinator/api/client_fleet.h"
#include "services/coordinator/api/client_spec.h"
#include "services/coordinator/api/spec.h"

namespace center::coordinator {

using supervision::AdoptedProcess;

absl::Status ClientFleet::Reconcile(const std::string& coordinator_address) {
  launch_.coordinator_address = coordinator_address;
  RETURN_IF_ERROR(LoadClients());
  ASSIGN_OR_RETURN(Orphans left, FindProcesses());
  for (auto& [name, entry] : clients_) TakeUp(entry, std::move(left[name]));
  return absl::OkStatus();
}

absl::Status ClientFleet::LoadClients() {
  ASSIGN_OR_RETURN(std::vector<state::ClientRecord> records, deps_.store->ListClients());
  for (state::ClientRecord& record : records) {
    v1::ClientSpec stored;
    v1::Client past;
    if (!stored.ParseFromString(record.spec) || !past.ParseFromString(record.past)) {
      return absl::DataLossError(
          absl::StrCat("the stored settings of client '", record.name, "' are damaged"));
    }
    Entry& entry = clients_[record.name];
    // Settings that a newer Center has added take their defaults.
    entry.spec = MergeClientSpec(DefaultClientSpec(), stored);
    entry.target.address = stored.address().empty() ? past.address() : stored.address();
    if (past.state() == v1::CLIENT_STATE_FINISHED) entry.ended = past.state();
    for (const v1::ClientProcess& process : past.processes()) {
      uint32_t number = 0;
      if (absl::SimpleAtoi(process.name(), &number)) entry.seats[number].past = process.stats();
    }
    RefreshTarget(entry);
    entry.record = std::move(record);
  }
  return absl::OkStatus();
}

absl::StatusOr<ClientFleet::Orphans> ClientFleet::FindProcesses() {
  ASSIGN_OR_RETURN(const std::vector<state::ProcessRecord> records,
                   deps_.store->ListProcesses(state::Owner::kClient));
  Orphans left;
  for (const state::ProcessRecord& record : records) {
    const std::pair<std::string, std::string> parts = absl::StrSplit(record.worker, '/');
    const auto found = clients_.find(parts.first);
    const bool known = found != clients_.end();
    uint32_t number = 0;
    if (!known || !absl::SimpleAtoi(parts.second, &number) ||
        number >= found->second.spec.processes()) {
      const v1::ClientSpec spec = known ? found->second.spec : DefaultClientSpec();
      RETURN_IF_ERROR(EndUnwanted(record, ToDuration(spec.drain_timeout())));
      continue;
    }
    left[parts.first].push_back({.slot = number,
                                 .pid = record.pid,
                                 .pidfd = deps_.open_process(record),
                                 .token = record.token,
                                 .start_time = record.launch_time,
                                 .generation = record.generation,
                                 .restarts = record.restarts});
  }
  return left;
}

absl::Status ClientFleet::EndUnwanted(const state::ProcessRecord& process, absl::Duration grace) {
  const auto forget = [this, name = process.worker] {
    if (absl::Status status = deps_.store->DeleteProcess(name, state::Owner::kClient);
        !status.ok()) {
      spdlog::error("client {}: its process record stays: {}", name, status);
    }
  };
  if (!deps_.end_process(process, grace, forget)) forget();
  return absl::OkStatus();
}

void ClientFleet::TakeUp(Entry& entry, std::vector<AdoptedProcess> left) {
  const std::string name = entry.record.name;
  const bool lives = std::any_of(left.begin(), left.end(),
                                 [](const auto& process) { return process.pidfd.valid(); });
  if (!lives && !entry.record.desired_running) {
    for (const AdoptedProcess& process : left) {
      const absl::Status status =
          deps_.store->DeleteProcess(WorkerName(name, process.slot), state::Owner::kClient);
      if (!status.ok()) spdlog::error("client {}: its process record stays: {}", name, status);
    }
    return;
  }
  entry.run = Run::kSupervised;
  absl::Status status;
  if (left.empty()) {
    status = supervisor_.Start(PlanOf(entry));
  } else {
    // As in the store: so that their deaths take them out of it.
    for (const AdoptedProcess& process : left) entry.seats[process.slot].pid = process.pid;
    status = supervisor_.Adopt(PlanOf(entry), std::move(left));
    if (entry.record.desired_running) supervisor_.Release(name);
  }
  if (!status.ok()) {
    spdlog::error("client {} cannot be started: {}", name, status);
    entry.run = Run::kBroken;
    entry.detail = std::string(status.message());
    return;
  }
  if (!entry.record.desired_running) return BeginStop(entry, /*now=*/false);
  ScheduleSettle(name);
}

}  // namespace center::coordinator
