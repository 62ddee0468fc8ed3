// What the processes of clients and their supervisor tell, and what follows from it.
#include <algorithm>
#include <csignal>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "services/common/log.h"
#include "services/common/rpc/status.h"
#include "services/common/status_macros.h"
#include "services/common/utf8.h"
#include "services/coordinator/api/client_fleet.h"
#include "services/coordinator/api/process_identity.h"
#include "services/coordinator/supervision/exit_reason.h"

namespace center::coordinator {
namespace {

constexpr absl::string_view kSubjectPrefix = "client/";
constexpr size_t kLastErrorBytesMax = 512;

}  // namespace

ClientFleet::Seat* ClientFleet::Find(absl::string_view process, Entry** entry) {
  const size_t slash = process.find('/');
  uint32_t number = 0;
  if (slash == absl::string_view::npos || !absl::SimpleAtoi(process.substr(slash + 1), &number)) {
    return nullptr;
  }
  const auto found = clients_.find(std::string(process.substr(0, slash)));
  if (found == clients_.end()) return nullptr;
  const auto seat = found->second.seats.find(number);
  if (seat == found->second.seats.end()) return nullptr;
  if (entry != nullptr) *entry = &found->second;
  return &seat->second;
}

supervision::SupervisorOptions ClientFleet::SupervisorSettings() {
  return {.words = {.group = "client", .member = "client process"},
          .autopsy = AutopsyBy(deps_.take_stacks),
          .on_deadline = deps_.arm_timer};
}

supervision::Evidence ClientFleet::Examine(const Entry& entry, uint32_t number,
                                           const supervision::ProcessExit& exit) const {
  supervision::Evidence evidence;
  if (deps_.judge_oom && (exit.signal == SIGKILL || !exit.known)) {
    evidence.oom = deps_.judge_oom();
  }
  const auto seat = entry.seats.find(number);
  if (seat == entry.seats.end()) return evidence;
  const uint64_t sent = seat->second.past.payloads_sent() + seat->second.stats.payloads_sent();
  if (entry.spec.count() > 0 && sent >= entry.spec.count()) {
    evidence.finished = absl::StrCat("finished: ", sent, " payloads sent");
  }
  if (!exit.known && seat->second.ended) {
    // Its last report stands for the exit that nobody but its parent was told of.
    evidence.recorded = true;
    evidence.end = FlightRecorder::End::kExit;
  }
  return evidence;
}

void ClientFleet::RefreshTarget(Entry& entry) const {
  if (!entry.spec.address().empty()) return;
  // What was known last stays when the server is gone.
  if (auto target = deps_.find_server(entry.spec.server()); target.ok()) {
    entry.target = *std::move(target);
  }
}

v1::Framing ClientFleet::FramingOf(const Entry& entry) const {
  return entry.spec.framing() != v1::FRAMING_UNSPECIFIED ? entry.spec.framing()
                                                         : entry.target.framing;
}

uint64_t ClientFleet::Left(const Entry& entry, const Seat& seat) {
  const uint64_t count = entry.spec.count();
  if (count == 0) return 0;
  // What the one before has said is not in the past yet when the next one is launched at once.
  const uint64_t sent = seat.past.payloads_sent() + seat.stats.payloads_sent();
  // One that died when it had sent everything says so by sending once more: 0 would have no end.
  return count > sent ? count - sent : 1;
}

absl::StatusOr<v1::ReportClientResponse> ClientFleet::Report(
    const v1::ReportClientRequest& request) {
  const absl::Status known = supervisor_.Register(request.client(), request.pid(), request.token());
  Entry* entry = nullptr;
  Seat* seat = Find(request.client(), &entry);
  if (!known.ok() || seat == nullptr) {
    return rpc::WithReason(
        absl::FailedPreconditionError(known.ok() ? "there is no such client" : known.message()),
        "CLIENT_UNKNOWN", {{"client", request.client()}});
  }
  seat->stats = request.stats();
  seat->stats.set_last_error(ValidUtf8(Printable(seat->stats.last_error(), kLastErrorBytesMax)));
  seat->ended = request.ending() && request.stats().connections() == 0;
  const bool finishes =
      entry->spec.count() > 0 &&
      seat->past.payloads_sent() + seat->stats.payloads_sent() >= entry->spec.count();
  if (request.ending() && !finishes) {
    supervisor_.Draining(request.client());
  } else {
    supervisor_.SetReady(request.client());
  }
  RefreshTarget(*entry);
  v1::ReportClientResponse response;
  response.set_address(entry->target.address);
  response.set_framing(FramingOf(*entry));
  response.set_hold(entry->target.stopping);
  response.set_drains(entry->target.drains);
  return response;
}

void ClientFleet::OnSlotChanged(absl::string_view client, const supervision::SlotView& slot) {
  const std::string name(client);
  const auto found = clients_.find(name);
  if (found == clients_.end()) return;
  Entry& entry = found->second;
  Seat& seat = entry.seats[slot.slot];
  if (slot.pid != seat.pid) {
    if (seat.pid != 0) {
      seat.stats.set_connections(0);
      AddStats(seat.stats, &seat.past);
      entry.past_changed = true;
    }
    seat.stats.Clear();
    seat.ended = false;
    RecordProcess(name, slot, seat);
  }
  ScheduleSettle(name);
}

void ClientFleet::RecordProcess(const std::string& client, const supervision::SlotView& slot,
                                Seat& seat) {
  seat.pid = slot.pid;
  const std::string process = WorkerName(client, slot.slot);
  absl::Status stored;
  if (slot.pid == 0) {
    stored = deps_.store->DeleteProcess(process, state::Owner::kClient);
  } else {
    state::ProcessRecord record = IdentifyProcess(process, slot.pid);
    record.token = slot.token;
    record.launch_time = slot.start_time;
    record.generation = slot.generation;
    record.restarts = slot.restarts;
    stored = deps_.store->PutProcess(record, state::Owner::kClient);
  }
  // It runs all the same; only a later coordinator would not know it.
  if (!stored.ok()) spdlog::error("client {}: its process is not recorded: {}", process, stored);
}

void ClientFleet::OnServerStopped(absl::string_view client) {
  stopped_.insert(std::string(client));
  ScheduleSettle(std::string(client));
}

void ClientFleet::OnEvent(const supervision::SupervisionEvent& event) {
  v1::Event stored = ToProto(event);
  stored.set_subject(absl::StrCat(kSubjectPrefix, event.subject));
  deps_.events->Append(std::move(stored));
}

void ClientFleet::AddEvent(v1::EventType type, absl::string_view client, absl::string_view reason) {
  deps_.events->Append(type, absl::StrCat(kSubjectPrefix, client), reason);
}

void ClientFleet::RequestDrain(absl::string_view process, bool now) {
  const Seat* seat = Find(process);
  if (seat == nullptr || seat->pid == 0) return;
  // NotFound: it has died, and the report of that is on its way.
  deps_.launcher->Signal(seat->pid, SIGTERM).IgnoreError();
  // Two different ones arrive both, where two of a kind may become one: the second says "at once".
  if (now) deps_.launcher->Signal(seat->pid, SIGINT).IgnoreError();
  // A signal needs no answer, and a second SIGTERM would cut connections.
  supervisor_.Draining(process);
}

SteadyTime ClientFleet::OnTimer() {
  SteadyTime next = supervisor_.Tick();
  const SteadyTime now = deps_.clock->Steady();
  for (const auto& [name, entry] : clients_) {
    for (const StartWaiter& waiter : entry.start_waiters) {
      if (waiter.deadline <= now) {
        ScheduleSettle(name);
      } else {
        next = std::min(next, waiter.deadline);
      }
    }
  }
  return next;
}

void ClientFleet::ScheduleSettle(const std::string& client) {
  dirty_.insert(client);
  if (std::exchange(settle_posted_, true)) return;
  deps_.post([this] { Settle(); });
}

void ClientFleet::Settle() {
  settle_posted_ = false;
  for (const std::string& name : std::exchange(stopped_, {})) {
    if (auto found = clients_.find(name); found != clients_.end()) FinishStop(found->second);
  }
  for (const std::string& name : std::exchange(dirty_, {})) {
    if (auto found = clients_.find(name); found != clients_.end()) SettleClient(found->second);
  }
  TellWhenShutDown();
}

void ClientFleet::SettleClient(Entry& entry) {
  if (entry.run != Run::kSupervised) return;
  const auto slots = supervisor_.Slots(entry.record.name);
  const bool finished = std::all_of(slots.begin(), slots.end(), [](const auto& slot) {
    return slot.state == supervision::SlotState::kStopped;
  });
  if (finished) return Finish(entry);
  StorePast(entry);
  AnswerStartWaiters(entry);
}

void ClientFleet::StorePast(Entry& entry) {
  if (!std::exchange(entry.past_changed, false)) return;
  v1::Client past;
  past.set_state(entry.ended);
  past.set_address(entry.target.address);
  for (const auto& [number, seat] : entry.seats) {
    v1::ClientProcess& process = *past.add_processes();
    process.set_name(absl::StrCat(number));
    *process.mutable_stats() = seat.past;
  }
  entry.record.past = past.SerializeAsString();
  if (absl::Status stored = deps_.store->PutClient(entry.record); !stored.ok()) {
    spdlog::error("client {}: what it has sent is not stored: {}", entry.record.name, stored);
  }
}

}  // namespace center::coordinator
