// Taking up what an earlier coordinator left.
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "services/common/log.h"
#include "services/common/status_macros.h"
#include "services/coordinator/api/fleet.h"
#include "services/coordinator/api/spec.h"

namespace center::coordinator {

absl::Status Fleet::Reconcile(const std::string& coordinator_address) {
  launch_.coordinator_address = coordinator_address;
  ASSIGN_OR_RETURN(std::vector<state::ServerRecord> records, deps_.store->ListServers());
  for (state::ServerRecord& record : records) {
    v1::ServerSpec stored;
    if (!stored.ParseFromString(record.spec)) {
      return absl::DataLossError(
          absl::StrCat("the stored settings of server '", record.name, "' are damaged"));
    }
    Entry& entry = servers_[record.name];
    // Settings that a newer Center has added take their defaults.
    entry.spec = MergeSpec(DefaultSpec(), stored);
    dirty_.insert(record.name);
    entry.record = std::move(record);
  }
  RETURN_IF_ERROR(ReapOrphans());
  for (auto& [name, entry] : servers_) {
    if (entry.orphans == 0 && entry.record.desired_running) Restart(name);
  }
  ScheduleSettle();
  return absl::OkStatus();
}

absl::Status Fleet::ReapOrphans() {
  ASSIGN_OR_RETURN(const std::vector<state::ProcessRecord> processes, deps_.store->ListProcesses());
  for (const state::ProcessRecord& process : processes) {
    const std::pair<std::string, std::string> parts = absl::StrSplit(process.worker, '/');
    const auto found = servers_.find(parts.first);
    const bool known = found != servers_.end();
    const absl::Duration grace =
        ToDuration(known ? found->second.spec.drain_timeout() : DefaultSpec().drain_timeout());
    const bool lives =
        deps_.end_process(process, grace, [this, server = parts.first, worker = process.worker] {
          if (absl::Status status = deps_.store->DeleteProcess(worker); !status.ok()) {
            spdlog::error("worker {}: its process record stays: {}", worker, status);
          }
          OnOrphanEnded(server);
        });
    if (!lives) {
      RETURN_IF_ERROR(deps_.store->DeleteProcess(process.worker));
      continue;
    }
    AddEvent(v1::EVENT_TYPE_WORKER_DRAINING, process.worker,
             absl::StrCat("process ", process.pid,
                          " was started by an earlier coordinator and is asked to end"));
    if (!known) continue;
    found->second.run = Run::kReaping;
    ++found->second.orphans;
  }
  return absl::OkStatus();
}

void Fleet::OnOrphanEnded(const std::string& server) {
  const auto found = servers_.find(server);
  if (found == servers_.end()) return;
  Entry& entry = found->second;
  if (--entry.orphans > 0 || shutting_down_) return;
  if (entry.record.desired_running) return Restart(server);
  FinishStop(entry);
}

void Fleet::Restart(const std::string& name) {
  Entry& entry = servers_.at(name);
  const uint32_t port = entry.spec.port() != 0 ? entry.spec.port() : entry.record.port;
  entry.run = Run::kReaping;
  Bind(name, entry.spec, port, [name](const absl::Status& status) {
    if (!status.ok()) spdlog::error("server {} cannot be started: {}", name, status);
  });
}

}  // namespace center::coordinator
