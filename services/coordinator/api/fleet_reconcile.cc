// Taking up what an earlier coordinator left.
//
// A process that lives is adopted: its slot goes on with it as soon as it registers, and it brings
// the listening socket, the scoreboard and the pipes of its output (TakeHandover). Until the first
// has brought the socket its server is held. The port is bound anew only when none is left that
// could bring it, or none has within kHandoverTimeout.
#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "services/common/log.h"
#include "services/common/net_address.h"
#include "services/common/scoreboard.h"
#include "services/common/status_macros.h"
#include "services/coordinator/api/fleet.h"
#include "services/coordinator/api/spec.h"

namespace center::coordinator {

using supervision::AdoptedProcess;

absl::Status Fleet::Reconcile(const Addresses& addresses) {
  launch_.coordinator_address = addresses.coordinator;
  launch_.handover_address = addresses.handover;
  RETURN_IF_ERROR(LoadServers());
  if (!supervisor_.Launches()) {  // what runs is told by OnOutside
    ScheduleSettle();
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(Left left, FindProcesses());
  for (auto& [name, entry] : servers_) TakeUp(entry, std::move(left[name]));
  ScheduleSettle();
  return absl::OkStatus();
}

absl::Status Fleet::LoadServers() {
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
  return absl::OkStatus();
}

absl::StatusOr<Fleet::Left> Fleet::FindProcesses() {
  ASSIGN_OR_RETURN(const std::vector<state::ProcessRecord> records, deps_.store->ListProcesses());
  Left left;
  for (const state::ProcessRecord& record : records) {
    const std::pair<std::string, std::string> parts = absl::StrSplit(record.worker, '/');
    const auto found = servers_.find(parts.first);
    const bool known = found != servers_.end();
    uint32_t slot = 0;
    if (!known || !absl::SimpleAtoi(parts.second, &slot) || slot >= found->second.spec.workers()) {
      const v1::ServerSpec spec = known ? found->second.spec : DefaultSpec();
      EndUnwanted(record, ToDuration(spec.drain_timeout()));
      continue;
    }
    left[parts.first].push_back({.slot = slot,
                                 .pid = record.pid,
                                 .pidfd = deps_.open_process(record),
                                 .token = record.token,
                                 .start_time = record.launch_time,
                                 .generation = record.generation,
                                 .restarts = record.restarts});
  }
  return left;
}

void Fleet::ForgetProcess(v1::EventType how, const std::string& worker, int64_t pid,
                          absl::string_view reason) {
  AddEvent(how, worker, absl::StrCat("process ", pid, " of an earlier coordinator ", reason),
           {{"pid", absl::StrCat(pid)}});
  if (absl::Status status = deps_.store->DeleteProcess(worker); !status.ok()) {
    spdlog::error("worker {}: its process record stays: {}", worker, status);
  }
}

void Fleet::EndUnwanted(const state::ProcessRecord& process, absl::Duration grace) {
  const auto forget = [this, worker = process.worker, pid = process.pid] {
    ForgetProcess(v1::EVENT_TYPE_WORKER_STOPPED, worker, pid, "has ended, as it was asked to");
  };
  if (!deps_.end_process(process, grace, forget)) {
    return ForgetProcess(v1::EVENT_TYPE_WORKER_DIED, process.worker, process.pid,
                         "ended while there was no coordinator; how is not known. Its slot had "
                         "been scaled away: nothing replaces it");
  }
  AddEvent(v1::EVENT_TYPE_WORKER_DRAINING, process.worker,
           absl::StrCat("process ", process.pid,
                        " of an earlier coordinator is asked to end: there is no such slot"),
           {{"pid", absl::StrCat(process.pid)}});
}

void Fleet::TakeUp(Entry& entry, std::vector<AdoptedProcess> left) {
  const std::string name = entry.record.name;
  const bool lives = std::any_of(left.begin(), left.end(),
                                 [](const auto& process) { return process.pidfd.valid(); });
  if (lives) return Adopt(entry, std::move(left));
  if (entry.record.desired_running) {
    entry.lost = std::move(left);
    return Restart(name);
  }
  for (const AdoptedProcess& process : left) {
    ForgetProcess(v1::EVENT_TYPE_WORKER_STOPPED, WorkerName(name, process.slot), process.pid,
                  "ended while there was no coordinator; its server was being stopped");
  }
}

void Fleet::Adopt(Entry& entry, std::vector<AdoptedProcess> left) {
  entry.run = Run::kSupervised;
  entry.held = true;
  entry.held_until = deps_.clock->Steady() + kHandoverTimeout;
  // Slots that were scaled away before are read still.
  entry.journals = launch_.data_dir->JournalSlots(entry.record.name);
  for (const AdoptedProcess& process : left) {
    Seat& seat = entry.seats[process.slot];
    seat.pid = process.pid;  // as in the store
    seat.adopted = process.pidfd.valid();
    seat.generation = 1;
  }
  // It fails only for a server that runs already, and here none does.
  if (absl::Status status = supervisor_.Adopt(PlanOf(entry), std::move(left)); !status.ok()) {
    spdlog::error("server {}: {}", entry.record.name, status);
  }
  deps_.arm_timer(entry.held_until);
  if (!entry.record.desired_running) BeginStop(entry, /*now=*/false);
}

void Fleet::Restart(const std::string& name) {
  Entry& entry = servers_.at(name);
  const uint32_t port = entry.spec.port() != 0 ? entry.spec.port() : entry.record.port;
  Bind(name, entry.spec, port, [name](const absl::Status& status) {
    if (!status.ok()) spdlog::error("server {} cannot be started: {}", name, status);
  });
}

absl::Status Fleet::TakeHandover(Handover handover, int64_t pid) {
  RETURN_IF_ERROR(supervisor_.Identify(handover.worker, pid, handover.token));
  auto found = Find(handover.worker);
  if (!found.has_value()) return absl::NotFoundError("there is no such worker");
  Seat& seat = *found->seat;
  Entry& entry = *found->entry;
  if (!seat.adopted || seat.handed_over) {
    return absl::FailedPreconditionError(
        absl::StrCat("nothing is wanted of worker ", handover.worker));
  }
  if (!IsPipeReadEnd(handover.stdout_pipe.get()) || !IsPipeReadEnd(handover.stderr_pipe.get())) {
    return absl::InvalidArgumentError(
        absl::StrCat("worker ", handover.worker, " has not brought the pipes of its output"));
  }
  // One that drains has no socket any more.
  const bool releases = entry.held && (entry.spec.no_listen() || handover.listener.valid());
  if (releases) RETURN_IF_ERROR(CheckListener(entry, handover));
  seat.handed_over = true;
  const absl::Status attached = deps_.launcher->AttachOutput(pid, std::move(handover.stdout_pipe),
                                                             std::move(handover.stderr_pipe));
  if (releases) Release(entry, std::move(handover.listener), std::move(handover.scoreboard));
  return attached;
}

absl::Status Fleet::CheckListener(const Entry& entry, const Handover& handover) const {
  if (entry.spec.no_listen()) return Scoreboard::Map(handover.scoreboard.get()).status();
  if (!IsListeningSocket(handover.listener.get()).value_or(false)) {
    return absl::InvalidArgumentError(
        absl::StrCat("worker ", handover.worker, " has not brought a listening socket"));
  }
  ASSIGN_OR_RETURN(const uint16_t port, LocalPort(handover.listener.get()));
  if (port != entry.record.port) {
    return absl::InvalidArgumentError(absl::StrCat("worker ", handover.worker,
                                                   " has brought a socket of port ", port, ", not ",
                                                   entry.record.port));
  }
  return Scoreboard::Map(handover.scoreboard.get()).status();
}

// Called whenever something of the server has changed, and when its time is over.
void Fleet::CheckHeld(Entry& entry) {
  if (!entry.held || entry.rebinding) return;
  const auto slots = supervisor_.Slots(entry.record.name);
  const bool lives =
      std::any_of(slots.begin(), slots.end(), [](const auto& slot) { return slot.pid != 0; });
  if (!lives || entry.held_until <= deps_.clock->Steady()) Rebind(entry);
}

void Fleet::Rebind(Entry& entry) {
  entry.rebinding = true;
  entry.held_until = deps_.clock->Steady() + kHandoverTimeout;
  deps_.arm_timer(entry.held_until);
  Listen(entry.spec, entry.record.port,
         [this, name = entry.record.name](absl::StatusOr<ScopedFd> listener) {
           Entry& rebound = servers_.at(name);
           rebound.rebinding = false;
           if (rebound.held) OnRebound(rebound, std::move(listener));
         });
}

void Fleet::OnRebound(Entry& entry, absl::StatusOr<ScopedFd> listener) {
  const std::string& name = entry.record.name;
  auto scoreboard = Scoreboard::CreateMemfd();
  const absl::Status status = listener.ok() ? scoreboard.status() : listener.status();
  if (status.ok()) {
    spdlog::info("server {}: no worker has handed its socket back, its port is bound anew", name);
    return Release(entry, *std::move(listener), *std::move(scoreboard));
  }
  const auto slots = supervisor_.Slots(name);
  if (std::any_of(slots.begin(), slots.end(), [](const auto& slot) { return slot.pid != 0; })) {
    // The workers that live have the port, and serve. It is tried again.
    spdlog::error(
        "server {}: no worker hands its socket back, and what dies cannot be replaced: {}", name,
        status);
    return;
  }
  spdlog::error("server {} cannot be started: {}", name, status);
  entry.failure = std::string(status.message());
  BeginStop(entry, /*now=*/true);
}

void Fleet::Release(Entry& entry, ScopedFd listener, ScopedFd scoreboard) {
  entry.held = false;
  entry.listener = std::move(listener);
  entry.scoreboard = std::move(scoreboard);
  dirty_.insert(entry.record.name);
  ScheduleSettle();
  supervisor_.Release(entry.record.name);
}

}  // namespace center::coordinator
