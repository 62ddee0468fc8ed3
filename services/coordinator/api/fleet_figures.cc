#include "services/coordinator/api/fleet_figures.h"

#include "services/coordinator/api/fleet.h"

namespace center::coordinator {

FleetFigures Fleet::Figures() const {
  FleetFigures figures;
  figures.deaths = deaths_;
  for (const auto& [name, entry] : servers_) {
    figures.servers.push_back(
        {.name = name, .workers_wanted = entry.run == Run::kStopped ? 0 : entry.spec.workers()});
    for (const supervision::SlotView& slot : supervisor_.Slots(name)) {
      ++figures.workers_by_state[slot.state];
      figures.restarts[WorkerName(name, slot.slot)] = slot.restarts;
      http::WorkerFigures worker{
          .server = name, .slot = slot.slot, .ready = slot.state == supervision::SlotState::kReady};
      if (const auto seat = entry.seats.find(slot.slot); seat != entry.seats.end()) {
        worker.stats = seat->second.stats;
        worker.committed_offset = seat->second.committed_offset;
      }
      figures.workers.push_back(std::move(worker));
    }
  }
  return figures;
}

}  // namespace center::coordinator
