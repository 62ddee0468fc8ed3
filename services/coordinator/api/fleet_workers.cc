// What workers and the supervisor tell, and what follows from it.
#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "services/common/log.h"
#include "services/common/net_address.h"
#include "services/common/utf8.h"
#include "services/coordinator/api/fleet.h"
#include "services/coordinator/api/process_identity.h"
#include "services/coordinator/api/spec.h"
#include "services/coordinator/api/supervision_messages.h"

namespace center::coordinator {
absl::optional<Fleet::Found> Fleet::Find(absl::string_view worker) {
  const size_t slash = worker.find('/');
  uint32_t slot = 0;
  if (slash == absl::string_view::npos || !absl::SimpleAtoi(worker.substr(slash + 1), &slot)) {
    return absl::nullopt;
  }
  const std::string server(worker.substr(0, slash));
  const auto found = servers_.find(server);
  if (found == servers_.end()) return absl::nullopt;
  const auto seat = found->second.seats.find(slot);
  if (seat == found->second.seats.end()) return absl::nullopt;
  return Found{&found->second, &seat->second, server, slot};
}

absl::Status Fleet::Register(const v1::Hello& hello, std::shared_ptr<WorkerLine> line) {
  if (auto address = ParseNetAddress(hello.address()); !address.ok()) {
    return rpc::InvalidFields({{"hello.address", std::string(address.status().message())}});
  }
  const auto refuse = [&](absl::string_view why) {
    return rpc::WithReason(absl::FailedPreconditionError(why), "WORKER_UNKNOWN",
                           {{"worker", hello.worker()}});
  };
  if (RegisterReader(hello)) {
    line->SendWelcome("");
    return absl::OkStatus();
  }
  const absl::Status known = supervisor_.Register(hello.worker(), hello.pid(), hello.token());
  // A pod that is not known yet may call again.
  if (absl::IsUnavailable(known)) return known;
  if (!known.ok()) return refuse(known.message());
  auto found = Find(hello.worker());
  if (!found.has_value()) return refuse("there is no such worker");
  Seat& seat = *found->seat;
  const std::shared_ptr<WorkerLine> before = std::exchange(seat.line, std::move(line));
  if (before != nullptr && before != seat.line) {
    before->Close(absl::AbortedError("the worker has opened another line"));
  }
  seat.address = hello.address();
  const bool brings = seat.adopted && !seat.handed_over;
  seat.line->SendWelcome(brings ? launch_.handover_address : "");
  SendCommitted(*found);
  dirty_.insert(found->server);
  ScheduleSettle();
  return absl::OkStatus();
}

void Fleet::OnHeartbeat(const std::string& worker, const WorkerLine* line,
                        const v1::Heartbeat& heartbeat) {
  auto found = Find(worker);
  if (!found.has_value() || found->seat->line.get() != line) return;
  found->seat->stats = heartbeat.stats();
  switch (heartbeat.state()) {
    case v1::WORKER_STATE_READY:
      supervisor_.SetReady(worker);
      break;
    case v1::WORKER_STATE_DRAINING:
      supervisor_.Draining(worker);
      break;
    default:
      supervisor_.Heartbeat(worker);
  }
}

void Fleet::OnWorkerEvent(const std::string& worker, const WorkerLine* line,
                          const v1::Event& event) {
  const auto found = Find(worker);
  if (!found.has_value() || found->seat->line.get() != line) return;
  v1::Event stored = event;
  stored.set_subject(worker);
  deps_.events->Append(std::move(stored));
}

void Fleet::OnLineClosed(const std::string& worker, const WorkerLine* line) {
  auto found = Find(worker);
  if (!found.has_value() || found->seat->line.get() != line) return;
  found->seat->line.reset();
  supervisor_.Disconnected(worker);
}

void Fleet::OnCommitted(const std::string& server) {
  const auto entry = servers_.find(server);
  if (entry == servers_.end()) return;
  for (auto& [slot, seat] : entry->second.seats) {
    if (seat.line != nullptr) SendCommitted({&entry->second, &seat, server, slot});
  }
}

void Fleet::SendCommitted(const Found& found) {
  const std::string worker = WorkerName(found.server, found.slot);
  auto offset = deps_.store->MinCommitted(found.server, worker);
  if (!offset.ok()) {
    // The worker goes on with what it knows: it keeps more than it must, never less.
    spdlog::error("worker {}: the committed offset is not known: {}", worker, offset.status());
    return;
  }
  found.seat->committed_offset = *offset;
  found.seat->line->SendCommitted(*offset);
}

void Fleet::OnSlotChanged(absl::string_view server, const supervision::SlotView& slot) {
  const std::string name(server);
  const auto found = servers_.find(name);
  if (found == servers_.end()) return;
  Seat& seat = found->second.seats[slot.slot];
  if (slot.pid != seat.pid) {
    if (seat.pid != 0 && slot.last_exit.has_value()) ++deaths_[{name, slot.last_exit->cause}];
    if (seat.pid != 0 && slot.last_exit.has_value() && deps_.observer != nullptr) {
      const std::string worker = WorkerName(name, slot.slot);
      deps_.observer->OnWorkerExited(worker, seat.pid, *slot.last_exit, RunningTasks(worker));
    }
    if (slot.pid != 0) {
      seat.stats.Clear();
      ++seat.generation;
    }
    seat.address.clear();
    seat.line.reset();
    seat.adopted = seat.handed_over = false;
    RecordProcess(name, slot, seat);
  }
  const bool draining = slot.state == supervision::SlotState::kDraining;
  if (draining && !seat.draining) ++found->second.drains;
  seat.draining = draining;
  dirty_.insert(name);
  ScheduleSettle();
}

void Fleet::RecordProcess(const std::string& server, const supervision::SlotView& slot,
                          Seat& seat) {
  seat.pid = slot.pid;
  if (!supervisor_.Launches()) return;  // no process of this machine
  const std::string worker = WorkerName(server, slot.slot);
  state::ProcessRecord record;
  if (slot.pid != 0) {
    record = IdentifyProcess(worker, slot.pid);
    record.token = slot.token;
    record.launch_time = slot.start_time;
    record.generation = slot.generation;
    record.restarts = slot.restarts;
  }
  const absl::Status stored =
      slot.pid == 0 ? deps_.store->DeleteProcess(worker) : deps_.store->PutProcess(record);
  // The worker runs all the same; only a later coordinator would not know it.
  if (!stored.ok()) spdlog::error("worker {}: its process is not recorded: {}", worker, stored);
}

void Fleet::OnServerStopped(absl::string_view server) {
  stopped_.insert(std::string(server));
  ScheduleSettle();
}

void Fleet::OnEvent(const supervision::SupervisionEvent& event) {
  deps_.events->Append(ToProto(event));
}

void Fleet::RequestDrain(absl::string_view worker, bool now) {
  auto found = Find(worker);
  if (found.has_value() && found->seat->line != nullptr) found->seat->line->SendDrain(now);
}

void Fleet::AddEvent(v1::EventType type, absl::string_view subject, absl::string_view reason,
                     const std::map<std::string, std::string>& details) {
  v1::Event event;
  event.set_type(type);
  event.set_subject(std::string(subject));
  event.set_reason(std::string(reason));
  event.mutable_details()->insert(details.begin(), details.end());
  deps_.events->Append(std::move(event));
}

SteadyTime Fleet::OnTimer() {
  const SteadyTime now = deps_.clock->Steady();
  SteadyTime next = std::min({supervisor_.Tick(), deadlines_.Expire(now), archive_.Tick()});
  for (const auto& [name, entry] : servers_) {
    if (entry.held && entry.held_until <= now) {
      dirty_.insert(name);
      ScheduleSettle();
    } else if (entry.held) {
      next = std::min(next, entry.held_until);
    }
    for (const StartWaiter& waiter : entry.start_waiters) {
      if (waiter.deadline <= now) {
        dirty_.insert(name);
        ScheduleSettle();
      } else {
        next = std::min(next, waiter.deadline);
      }
    }
  }
  return next;
}

void Fleet::ScheduleSettle() {
  if (settle_posted_) return;
  settle_posted_ = true;
  deps_.post([this] { Settle(); });
}

void Fleet::Settle() {
  settle_posted_ = false;
  for (const std::string& name : std::exchange(stopped_, {})) {
    if (auto found = servers_.find(name); found != servers_.end()) FinishStop(found->second);
  }
  for (const std::string& name : std::exchange(dirty_, {})) {
    if (auto found = servers_.find(name); found != servers_.end()) SettleServer(found->second);
  }
  if (shutdown_done_ == nullptr || archive_.processes() > 0) return;
  const bool ended = std::none_of(servers_.begin(), servers_.end(), [](const auto& server) {
    return server.second.run == Run::kSupervised || server.second.run == Run::kStopping;
  });
  if (ended) std::exchange(shutdown_done_, nullptr)();
}

// Producers are refused from now on, rather than left in the queue of a socket without readers:
// whoever else has the socket, as workers that drain do.
void Fleet::CloseListener(Entry& entry) {
  if (entry.listener.valid()) ::shutdown(entry.listener.get(), SHUT_RDWR);
  entry.listener.Reset();
}

void Fleet::SettleServer(Entry& entry) {
  FollowOutside(entry);
  CheckHeld(entry);
  // Nobody will accept any more: producers are refused rather than left waiting.
  if (entry.run == Run::kSupervised && NobodyLeft(entry)) CloseListener(entry);
  Publish(entry);
  TellHealth(entry);
  if (!entry.start_waiters.empty() && entry.run == Run::kSupervised) AnswerStartWaiters(entry);
  if (!entry.scale_waiters.empty()) AnswerScaleWaiters(entry);
}

void Fleet::TellHealth(Entry& entry) {
  const auto slots = supervisor_.Slots(entry.record.name);
  const bool serves = std::any_of(slots.begin(), slots.end(), [](const auto& slot) {
    return slot.state == supervision::SlotState::kReady;
  });
  if (!deps_.set_health || entry.healthy == serves) return;
  entry.healthy = serves;
  deps_.set_health(entry.record.name, serves);
}

void Fleet::AnswerStartWaiters(Entry& entry) {
  const auto slots = supervisor_.Slots(entry.record.name);
  const bool settled = std::all_of(slots.begin(), slots.end(), [](const auto& slot) {
    return slot.state == supervision::SlotState::kReady ||
           slot.state == supervision::SlotState::kFailed ||
           slot.state == supervision::SlotState::kStopped;
  });
  if (settled) {
    for (StartWaiter& waiter : std::exchange(entry.start_waiters, {})) {
      if (NobodyLeft(entry)) {
        waiter.answer(StartFailed(entry));
      } else {
        waiter.answer(View(entry));
      }
    }
    return;
  }
  const SteadyTime now = deps_.clock->Steady();
  for (StartWaiter& waiter : std::exchange(entry.start_waiters, {})) {
    if (waiter.deadline > now) {
      entry.start_waiters.push_back(std::move(waiter));
      continue;
    }
    waiter.answer(absl::DeadlineExceededError(absl::StrCat(
        "server '", entry.record.name, "' is started but not ready yet: ", DetailOf(entry))));
  }
}

void Fleet::Publish(const Entry& entry) {
  const std::string& name = entry.record.name;
  std::vector<relay::WorkerEndpoint> endpoints;
  // A server that takes no connections has no payloads.
  if (!entry.spec.no_listen()) {
    for (uint32_t slot = 0; slot < entry.spec.workers(); ++slot) {
      endpoints.push_back(EndpointOf(entry, slot));
    }
    for (const uint32_t slot : ArchivedSlots(entry)) endpoints.push_back(EndpointOf(entry, slot));
  }
  const bool running = entry.run == Run::kSupervised && !NobodyLeft(entry);
  TellObserver(entry, running);
  deps_.directory->SetServer(name, std::move(endpoints), running);
}

void Fleet::TellObserver(const Entry& entry, bool running) const {
  if (deps_.observer == nullptr) return;
  const std::string& name = entry.record.name;
  FleetServer server{
      .name = name, .running = running, .cancel_grace = ToDuration(entry.spec.cancel_grace())};
  for (const supervision::SlotView& slot : supervisor_.Slots(name)) {
    FleetWorker worker{.endpoint = {.worker = WorkerName(name, slot.slot)}, .pid = slot.pid};
    if (auto seat = entry.seats.find(slot.slot); seat != entry.seats.end()) {
      worker.endpoint.address = seat->second.address;
      worker.endpoint.generation = seat->second.generation;
      worker.ready = slot.state == supervision::SlotState::kReady && seat->second.line != nullptr;
    }
    server.workers.push_back(std::move(worker));
  }
  deps_.observer->OnServer(server);
}

void Fleet::KillForTask(const std::string& worker, int64_t pid, const std::string& reason) {
  supervisor_.KillForTask(worker, pid, reason);
}

}  // namespace center::coordinator
