// The insides of Supervisor, shared by its two source files only: supervisor.cc (its public calls)
// and supervisor_processes.cc (launches, deaths, signals).
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <utility>

#include "services/coordinator/supervision/supervisor.h"

namespace center::supervision {

// A slot with the process in it.
struct Supervisor::Process {
  Process(Server& its_server, uint32_t its_index, std::string its_name, Slot its_slot)
      : server(its_server),
        index(its_index),
        name(std::move(its_name)),
        slot(std::move(its_slot)) {}

  SlotView View() const {
    return SlotView{.slot = index,
                    .state = slot.state(),
                    .pid = pid,
                    .start_time = start_time,
                    .restarts = launches == 0 ? 0 : launches - 1,
                    .last_exit = last_exit};
  }

  Server& server;
  const uint32_t index;
  const std::string name;  // "<server>/<slot>"
  Slot slot;
  std::string token;
  uint64_t launch_id = 0;
  int64_t pid = 0;  // 0: no process
  absl::Time start_time;
  SteadyTime launched;
  uint64_t launches = 0;
  bool kill_reported = false;
  absl::optional<ExitRecord> last_exit;
};

struct Supervisor::Server {
  ServerPlan plan;
  bool stopping = false;
  std::deque<Process> processes;  // by slot; never moved
};

// Encloses every public call and exit report: what the observer is to hear, it hears when the
// outermost one is done.
class Supervisor::Scope {
 public:
  explicit Scope(Supervisor& supervisor) : supervisor_(supervisor) { ++supervisor_.depth_; }
  ~Scope() {
    if (supervisor_.depth_ == 1) {
      supervisor_.DeliverNotifications();
      supervisor_.AnnounceDeadline();
    }
    --supervisor_.depth_;
  }
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;

 private:
  Supervisor& supervisor_;
};

}  // namespace center::supervision
