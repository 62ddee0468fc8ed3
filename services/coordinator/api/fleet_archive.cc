// Slots that were scaled away: their journals are read as long as the server runs.
#include <utility>

#include "absl/strings/numbers.h"
#include "services/common/log.h"
#include "services/coordinator/api/fleet.h"

namespace center::coordinator {

ArchiveReaders::Dependencies Fleet::ArchiveDependencies() {
  return {
      .launcher = deps_.launcher,
      .clock = deps_.clock,
      .launch =
          [this](const ArchiveReaders::Slot& slot, const std::string& token) {
            return ReaderLaunch(launch_,
                                {.server = slot.server, .slot = slot.slot, .token = token});
          },
      .on_change =
          [this](const std::string& server) {
            dirty_.insert(server);
            ScheduleSettle();
          },
      .arm_timer = deps_.arm_timer,
  };
}

std::set<uint32_t> Fleet::ArchivedSlots(const Entry& entry) const {
  if (!supervisor_.Launches()) return {};  // their volumes cannot be reached from here
  std::set<uint32_t> slots(entry.journals.lower_bound(entry.spec.workers()), entry.journals.end());
  for (auto seat = entry.seats.lower_bound(entry.spec.workers()); seat != entry.seats.end();
       ++seat) {
    slots.insert(seat->first);
  }
  return slots;
}

relay::WorkerEndpoint Fleet::EndpointOf(const Entry& entry, uint32_t slot) const {
  const std::string& name = entry.record.name;
  const ArchiveReaders::View reader = archive_.Look({name, slot});
  relay::WorkerEndpoint endpoint{.worker = WorkerName(name, slot), .generation = reader.generation};
  bool has_process = false;
  if (const auto seat = entry.seats.find(slot); seat != entry.seats.end()) {
    endpoint.address = seat->second.address;
    endpoint.generation += seat->second.generation;
    has_process = seat->second.pid != 0;
  }
  // One that was scaled away serves its readers itself until it has drained.
  if (slot < entry.spec.workers() || has_process) return endpoint;
  endpoint.archived = true;
  endpoint.address = reader.address;
  endpoint.error = reader.error;
  return endpoint;
}

void Fleet::OnArchiveWanted(const std::string& server) {
  const auto found = servers_.find(server);
  if (found == servers_.end() || found->second.run != Run::kSupervised) return;
  const Entry& entry = found->second;
  for (const uint32_t slot : ArchivedSlots(entry)) {
    if (EndpointOf(entry, slot).archived) archive_.Want({server, slot});
  }
}

bool Fleet::RegisterReader(const v1::Hello& hello) {
  const std::string server = hello.worker().substr(0, hello.worker().find('/'));
  uint32_t slot = 0;
  if (server.size() == hello.worker().size() ||
      !absl::SimpleAtoi(absl::string_view(hello.worker()).substr(server.size() + 1), &slot)) {
    return false;
  }
  return archive_.Register({server, slot}, hello.pid(), hello.token(), hello.address());
}

}  // namespace center::coordinator
