// The fleet as the API shows it.
#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "services/common/log.h"
#include "services/common/net_address.h"
#include "services/common/text.h"
#include "services/common/utf8.h"
#include "services/coordinator/api/fleet.h"
#include "services/coordinator/api/spec.h"
#include "services/coordinator/api/supervision_messages.h"

namespace center::coordinator {
namespace {

using supervision::SlotState;
using supervision::SlotView;

// The last words of a process in a message for people.
constexpr size_t kStderrInMessageBytes = 1024;

uint32_t PageSize(uint32_t requested) {
  return requested == 0 ? kPageSizeDefault : std::min(requested, kPageSizeMax);
}

absl::Status BadPageToken() {
  return rpc::InvalidFields({{"page_token", "is not the next_page_token of an earlier answer"}});
}

}  // namespace

bool Fleet::NobodyLeft(const Entry& entry) const {
  const auto slots = supervisor_.Slots(entry.record.name);
  return !slots.empty() && std::all_of(slots.begin(), slots.end(), [](const SlotView& slot) {
    return slot.state == SlotState::kFailed || slot.state == SlotState::kStopped;
  });
}

std::string Fleet::LastWords(const Entry& entry, absl::optional<uint32_t> slot) const {
  for (const SlotView& view : supervisor_.Slots(entry.record.name)) {
    if (slot.value_or(view.slot) != view.slot || !view.last_exit.has_value()) continue;
    if (view.last_exit->exit.stderr_tail.empty()) continue;
    std::string tail = Utf8Lines(view.last_exit->exit.stderr_tail);
    if (tail.size() > kStderrInMessageBytes) tail.erase(0, tail.size() - kStderrInMessageBytes);
    return ValidUtf8(tail);
  }
  return "";
}

absl::Status Fleet::StartFailed(const Entry& entry) const {
  std::string message =
      absl::StrCat("server '", entry.record.name, "' could not be started: ", DetailOf(entry));
  const std::string words = LastWords(entry, absl::nullopt);
  if (!words.empty()) absl::StrAppend(&message, "; it wrote: ", words);
  return rpc::WithReason(absl::AbortedError(message), "START_FAILED",
                         {{"server", entry.record.name}});
}

v1::ServerState Fleet::StateOf(const Entry& entry) const {
  switch (entry.run) {
    case Run::kStopped:
      // It may well run.
      if (NotTold() && entry.record.desired_running) return v1::SERVER_STATE_STARTING;
      return v1::SERVER_STATE_STOPPED;
    case Run::kBroken:
      return v1::SERVER_STATE_FAILED;
    case Run::kStopping:
      return v1::SERVER_STATE_DRAINING;
    case Run::kBinding:
      return v1::SERVER_STATE_STARTING;
    case Run::kSupervised:
      break;
  }
  std::vector<SlotView> slots = supervisor_.Slots(entry.record.name);
  std::erase_if(slots, [](const SlotView& slot) { return slot.leaving; });
  const auto count = [&](SlotState state) {
    return static_cast<size_t>(std::count_if(
        slots.begin(), slots.end(), [&](const SlotView& slot) { return slot.state == state; }));
  };
  if (count(SlotState::kReady) == slots.size()) return v1::SERVER_STATE_RUNNING;
  if (count(SlotState::kStopped) == slots.size()) return v1::SERVER_STATE_STOPPED;
  if (NobodyLeft(entry)) return v1::SERVER_STATE_FAILED;
  // A slot on its first process is starting; on a later one it is being repaired or replaced.
  const bool first_starts = std::all_of(slots.begin(), slots.end(), [](const SlotView& slot) {
    return slot.state == SlotState::kReady ||
           (slot.state == SlotState::kStarting && slot.restarts == 0);
  });
  return first_starts ? v1::SERVER_STATE_STARTING : v1::SERVER_STATE_DEGRADED;
}

std::string Fleet::DetailOf(const Entry& entry) const {
  if (!entry.detail.empty()) return entry.detail;
  if (entry.held) {
    return "waits for a worker of the earlier coordinator to hand back the listening socket";
  }
  std::vector<std::string> parts;
  if (const auto rolling = supervisor_.Rolling(entry.record.name); rolling.has_value()) {
    parts.push_back(
        absl::StrCat(rolling->replaced, " of ", rolling->total, " workers are replaced"));
  }
  if (const std::string trouble = supervisor_.Trouble(); !trouble.empty()) {
    parts.push_back(trouble);
  }
  uint32_t outdated = 0;
  for (const SlotView& slot : supervisor_.Slots(entry.record.name)) {
    if (slot.pid != 0 && slot.generation < entry.record.generation) ++outdated;
    const std::string worker = WorkerName(entry.record.name, slot.slot);
    const auto seat = entry.seats.find(slot.slot);
    if (slot.state != SlotState::kReady) {
      std::string part = absl::StrCat(worker, " is ", supervision::SlotStateName(slot.state));
      if (slot.last_exit.has_value() && !slot.last_exit->requested) {
        absl::StrAppend(&part, " (", Printable(slot.last_exit->reason, 1024), ")");
      }
      parts.push_back(std::move(part));
    } else if (seat != entry.seats.end() && !seat->second.stats.blocked_reason().empty()) {
      parts.push_back(
          absl::StrCat(worker, " does not read: ", seat->second.stats.blocked_reason()));
    }
  }
  if (outdated > 0) parts.push_back(absl::StrCat(outdated, " workers run with older settings"));
  return absl::StrJoin(parts, "; ");
}

v1::Server Fleet::View(const Entry& entry) const {
  v1::Server server;
  server.set_name(entry.record.name);
  *server.mutable_spec() = entry.spec;
  if (entry.record.port != 0) server.mutable_spec()->set_port(entry.record.port);
  server.set_state(StateOf(entry));
  if (!entry.spec.no_listen()) {
    server.set_address(
        NetAddress{.host = entry.spec.host(), .port = static_cast<uint16_t>(server.spec().port())}
            .ToString());
  }
  *server.mutable_create_time() = FromTime(entry.record.create_time);
  server.set_detail(DetailOf(entry));
  server.set_generation(entry.record.generation);
  for (const SlotView& slot : supervisor_.Slots(entry.record.name)) {
    *server.add_workers() = ViewWorker(entry, slot);
  }
  return server;
}

v1::Worker Fleet::ViewWorker(const Entry& entry, const SlotView& slot) const {
  v1::Worker worker;
  worker.set_name(WorkerName(entry.record.name, slot.slot));
  worker.set_slot(slot.slot);
  // Elsewhere it is no process id.
  if (supervisor_.Launches()) worker.set_pid(slot.pid);
  worker.set_state(ToProto(slot.state));
  worker.mutable_stats();
  if (auto seat = entry.seats.find(slot.slot); seat != entry.seats.end()) {
    *worker.mutable_stats() = seat->second.stats;
    worker.set_address(seat->second.address);
  }
  if (slot.last_exit.has_value()) *worker.mutable_last_exit() = ToProto(*slot.last_exit);
  *worker.mutable_start_time() = FromTime(slot.start_time);
  worker.set_restarts(slot.restarts);
  worker.set_generation(slot.generation);
  worker.set_adopted(slot.adopted);
  return worker;
}

absl::StatusOr<v1::Server> Fleet::GetServer(const std::string& name) const {
  const auto found = servers_.find(ServerNameOrDefault(name));
  if (found == servers_.end())
    return ServerNotFound(ServerNameOrDefault(name), supervisor_.Trouble());
  return View(found->second);
}

absl::StatusOr<ServerTarget> Fleet::FindTarget(const std::string& name) const {
  const auto found = servers_.find(name);
  if (found == servers_.end()) return ServerNotFound(name, supervisor_.Trouble());
  const Entry& entry = found->second;
  if (entry.spec.no_listen()) {
    return rpc::WithReason(absl::FailedPreconditionError(absl::StrCat(
                               "server '", name, "' takes no connections: it is a pool for jobs")),
                           "SERVER_NOT_LISTENING", {{"server", name}});
  }
  const bool runs =
      entry.record.desired_running &&
      (entry.run == Run::kBinding || (entry.run == Run::kSupervised && !NobodyLeft(entry)));
  const uint32_t port = entry.record.port != 0 ? entry.record.port : entry.spec.port();
  return ServerTarget{
      .address =
          NetAddress{.host = entry.spec.host(), .port = static_cast<uint16_t>(port)}.ToString(),
      .framing = entry.spec.framing(),
      .running = runs,
      .stopping = !entry.record.desired_running,
      .drains = entry.drains};
}

absl::StatusOr<v1::ListServersResponse> Fleet::ListServers(
    const v1::ListServersRequest& request) const {
  const std::string& token = request.page_token();
  if (!token.empty() && !ValidateName("token", token).ok()) return BadPageToken();
  v1::ListServersResponse response;
  for (auto at = servers_.upper_bound(token); at != servers_.end(); ++at) {
    if (static_cast<uint32_t>(response.servers_size()) == PageSize(request.page_size())) {
      response.set_next_page_token(response.servers().rbegin()->name());
      return response;
    }
    *response.add_servers() = View(at->second);
  }
  return response;
}

absl::StatusOr<v1::ListWorkersResponse> Fleet::ListWorkers(
    const v1::ListWorkersRequest& request) const {
  std::pair<std::string, uint32_t> after;
  const bool has_token = !request.page_token().empty();
  if (has_token) {
    const std::pair<std::string, std::string> parts = absl::StrSplit(request.page_token(), '/');
    after.first = parts.first;
    if (!ValidateName("token", parts.first).ok() ||
        !absl::SimpleAtoi(parts.second, &after.second)) {
      return BadPageToken();
    }
  }
  if (!request.server().empty() && !servers_.contains(request.server())) {
    return ServerNotFound(request.server(), supervisor_.Trouble());
  }
  v1::ListWorkersResponse response;
  for (auto at = servers_.lower_bound(after.first); at != servers_.end(); ++at) {
    if (!request.server().empty() && at->first != request.server()) continue;
    for (const SlotView& slot : supervisor_.Slots(at->first)) {
      if (has_token && std::pair(at->first, slot.slot) <= after) continue;
      if (static_cast<uint32_t>(response.workers_size()) == PageSize(request.page_size())) {
        response.set_next_page_token(response.workers().rbegin()->name());
        return response;
      }
      *response.add_workers() = ViewWorker(at->second, slot);
    }
  }
  return response;
}

void Fleet::CountInto(v1::Coordinator* coordinator) const {
  uint32_t servers = 0;
  uint32_t workers = 0;
  for (const auto& [name, entry] : servers_) {
    if (entry.run != Run::kStopped) ++servers;
    for (const auto& [slot, seat] : entry.seats) {
      if (seat.pid != 0) ++workers;
    }
  }
  coordinator->set_servers(servers);
  coordinator->set_workers(workers);
}

}  // namespace center::coordinator
