// The fleet in figures, for metrics: what is counted, and nothing that is text for people.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "center/v1/client.pb.h"
#include "services/common/http/worker_metrics.h"
#include "services/coordinator/supervision/exit_reason.h"
#include "services/coordinator/supervision/slot.h"

namespace center::coordinator {

// Ends of worker processes since this coordinator started, by server and cause. Bounded: a server
// that is gone is not known by name any more, and there are few causes.
using DeathCounts = std::map<std::pair<std::string, supervision::DeathCause>, uint64_t>;

struct FleetFigures {
  struct Server {
    std::string name;
    uint32_t workers_wanted = 0;  // 0 while it is stopped
  };
  std::vector<Server> servers;
  std::vector<http::WorkerFigures> workers;
  std::map<std::string, uint64_t> restarts;  // by worker: launches after the first
  std::map<supervision::SlotState, uint64_t> workers_by_state;
  DeathCounts deaths;
};

// A traffic client, as ClientFleet counts it: since it was started, processes that have ended too.
struct ClientFigures {
  std::string name;
  uint32_t processes_wanted = 0;  // 0 while it is stopped or has finished
  uint32_t processes_ready = 0;
  uint64_t restarts = 0;
  v1::ClientStats stats;
};

}  // namespace center::coordinator
