// Clients as the API shows them.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/common/log.h"
#include "services/common/text.h"
#include "services/coordinator/api/client_fleet.h"
#include "services/coordinator/api/spec.h"

namespace center::coordinator {
namespace {

using supervision::SlotState;
using supervision::SlotView;

constexpr size_t kReasonInDetailBytes = 1024;

bool IsAll(const std::vector<SlotView>& slots, std::initializer_list<SlotState> states) {
  return std::all_of(slots.begin(), slots.end(), [&](const SlotView& slot) {
    return std::find(states.begin(), states.end(), slot.state) != states.end();
  });
}

}  // namespace

void AddStats(const v1::ClientStats& from, v1::ClientStats* sum) {
  sum->set_connections(sum->connections() + from.connections());
  sum->set_payloads_sent(sum->payloads_sent() + from.payloads_sent());
  sum->set_bytes_sent(sum->bytes_sent() + from.bytes_sent());
  sum->set_payloads_acknowledged(sum->payloads_acknowledged() + from.payloads_acknowledged());
  sum->set_errors(sum->errors() + from.errors());
  sum->set_reconnects(sum->reconnects() + from.reconnects());
  if (!from.last_error().empty()) sum->set_last_error(from.last_error());
}

v1::ClientStats ClientFleet::Sum(const Entry& entry) {
  v1::ClientStats sum;
  for (const auto& [number, seat] : entry.seats) {
    AddStats(seat.past, &sum);
    AddStats(seat.stats, &sum);
  }
  return sum;
}

std::vector<ClientFigures> ClientFleet::Figures() const {
  std::vector<ClientFigures> all;
  for (const auto& [name, entry] : clients_) {
    ClientFigures& figures = all.emplace_back();
    figures.name = name;
    figures.stats = Sum(entry);
    if (entry.run == Run::kStopped) continue;
    figures.processes_wanted = entry.spec.processes();
    for (const SlotView& slot : supervisor_.Slots(name)) {
      figures.processes_ready += slot.state == SlotState::kReady ? 1 : 0;
      figures.restarts += slot.restarts;
    }
  }
  return all;
}

bool ClientFleet::NobodyLeft(const Entry& entry) const {
  const auto slots = supervisor_.Slots(entry.record.name);
  return !slots.empty() && IsAll(slots, {SlotState::kFailed, SlotState::kStopped});
}

v1::ClientState ClientFleet::StateOf(const Entry& entry) const {
  switch (entry.run) {
    case Run::kStopped:
      return entry.ended;
    case Run::kBroken:
      return v1::CLIENT_STATE_FAILED;
    case Run::kStopping:
      return entry.ended == v1::CLIENT_STATE_FINISHED ? entry.ended : v1::CLIENT_STATE_STOPPING;
    case Run::kSupervised:
      break;
  }
  const auto slots = supervisor_.Slots(entry.record.name);
  if (IsAll(slots, {SlotState::kStopped})) return v1::CLIENT_STATE_FINISHED;
  if (NobodyLeft(entry)) return v1::CLIENT_STATE_FAILED;
  // A process that drains without being asked to has sent its last payload, or was told to by
  // somebody else, and is followed by another.
  if (IsAll(slots, {SlotState::kReady, SlotState::kStopped, SlotState::kDraining})) {
    return v1::CLIENT_STATE_RUNNING;
  }
  const bool first_starts = std::all_of(slots.begin(), slots.end(), [](const SlotView& slot) {
    return slot.state == SlotState::kReady || slot.state == SlotState::kStopped ||
           (slot.state == SlotState::kStarting && (slot.restarts == 0 || slot.adopted));
  });
  return first_starts ? v1::CLIENT_STATE_STARTING : v1::CLIENT_STATE_DEGRADED;
}

std::string ClientFleet::DetailOf(const Entry& entry) const {
  if (!entry.detail.empty()) return entry.detail;
  if (entry.run != Run::kSupervised) return "";
  std::vector<std::string> parts;
  const bool held = entry.target.stopping;
  if (held) {
    parts.push_back(absl::StrCat("server ", entry.spec.server(),
                                 " is stopped: it goes on sending when that runs again"));
  }
  for (const SlotView& slot : supervisor_.Slots(entry.record.name)) {
    const std::string process = WorkerName(entry.record.name, slot.slot);
    if (slot.state == SlotState::kBackoff || slot.state == SlotState::kFailed ||
        (slot.state == SlotState::kStarting && slot.restarts > 0 && !slot.adopted)) {
      std::string part = absl::StrCat(process, " is ", supervision::SlotStateName(slot.state));
      if (slot.last_exit.has_value()) {
        absl::StrAppend(&part, " (", Printable(slot.last_exit->reason, kReasonInDetailBytes), ")");
      }
      parts.push_back(std::move(part));
    } else if (const auto seat = entry.seats.find(slot.slot);
               !held && slot.state == SlotState::kReady && seat != entry.seats.end() &&
               seat->second.stats.connections() == 0 && !seat->second.stats.last_error().empty()) {
      parts.push_back(absl::StrCat(process, " has no connection: ", seat->second.stats.last_error(),
                                   "; it tries again"));
    }
  }
  return absl::StrJoin(parts, "; ");
}

v1::Client ClientFleet::View(const Entry& entry) const {
  v1::Client client;
  client.set_name(entry.record.name);
  *client.mutable_spec() = entry.spec;
  ServerTarget target = entry.target;
  if (entry.spec.address().empty()) {
    if (auto found = deps_.find_server(entry.spec.server()); found.ok()) target = *found;
  }
  if (entry.spec.framing() == v1::FRAMING_UNSPECIFIED) {
    client.mutable_spec()->set_framing(target.framing);
  }
  client.set_state(StateOf(entry));
  if (entry.run == Run::kSupervised || entry.run == Run::kStopping) {
    for (const SlotView& slot : supervisor_.Slots(entry.record.name)) {
      *client.add_processes() = ViewProcess(entry, slot);
    }
  }
  *client.mutable_stats() = Sum(entry);
  client.set_address(target.address);
  *client.mutable_create_time() = FromTime(entry.record.create_time);
  client.set_detail(DetailOf(entry));
  return client;
}

v1::Client ClientFleet::Planned(const std::string& name, const v1::ClientSpec& spec,
                                const ServerTarget& target) {
  v1::Client client;
  client.set_name(name);
  *client.mutable_spec() = spec;
  if (spec.framing() == v1::FRAMING_UNSPECIFIED) {
    client.mutable_spec()->set_framing(target.framing);
  }
  client.set_address(target.address);
  return client;
}

v1::ClientProcess ClientFleet::ViewProcess(const Entry& entry, const SlotView& slot) const {
  v1::ClientProcess process;
  process.set_name(WorkerName(entry.record.name, slot.slot));
  process.set_pid(static_cast<int32_t>(slot.pid));
  process.set_state(ToProto(slot.state));
  v1::ClientStats& stats = *process.mutable_stats();
  if (auto seat = entry.seats.find(slot.slot); seat != entry.seats.end()) {
    stats = seat->second.stats;
  }
  if (slot.last_exit.has_value()) *process.mutable_last_exit() = ToProto(*slot.last_exit);
  *process.mutable_start_time() = FromTime(slot.start_time);
  process.set_restarts(slot.restarts);
  return process;
}

absl::StatusOr<v1::ListClientsResponse> ClientFleet::ListClients(
    const v1::ListClientsRequest& request) const {
  const std::string& token = request.page_token();
  if (!token.empty() && !ValidateName("token", token).ok()) {
    return rpc::InvalidFields({{"page_token", "is not the next_page_token of an earlier answer"}});
  }
  const uint32_t page_size =
      request.page_size() == 0 ? kPageSizeDefault : std::min(request.page_size(), kPageSizeMax);
  v1::ListClientsResponse response;
  for (auto at = clients_.upper_bound(token); at != clients_.end(); ++at) {
    if (static_cast<uint32_t>(response.clients_size()) == page_size) {
      response.set_next_page_token(response.clients().rbegin()->name());
      return response;
    }
    *response.add_clients() = View(at->second);
  }
  return response;
}

}  // namespace center::coordinator
