// The insides of Supervisor, shared by its source files only: supervisor.cc (its public calls),
// supervisor_roll.cc (changes to a server that runs), supervisor_adopt.cc (processes of an earlier
// supervisor) and supervisor_processes.cc (launches, deaths, signals).
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "services/coordinator/supervision/roll_order.h"
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
                    .generation = generation,
                    .leaving = leaving,
                    .adopted = adopted,
                    .token = token,
                    .last_exit = last_exit};
  }

  // It has no process, and cannot get one yet.
  bool Waits() const;

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
  uint64_t generation = 0;  // of the plan with which it was launched
  bool leaving = false;     // scaled away
  bool kill_reported = false;
  bool autopsy_begun = false;
  std::string stacks;  // of the autopsy, or why there are none
  bool adopted = false;
  bool adoption_reported = false;
  bool vacant = false;               // held: it has had no process yet
  absl::optional<ProcessExit> lost;  // it had died before it could be adopted; not recorded yet
  absl::optional<ExitRecord> last_exit;
};

struct Supervisor::Server {
  ServerPlan plan;
  SlotLimits limits;
  bool stopping = false;
  bool held = false;               // nothing can be launched yet: see Adopt
  std::deque<Process> processes;   // by slot; never moved
  absl::optional<RollOrder> roll;  // under way
};

inline bool Supervisor::Process::Waits() const {
  return server.held && slot.state() == SlotState::kBackoff;
}

// Encloses every public call and exit report: what the observer is to hear, it hears when the
// outermost one is done.
class Supervisor::Scope {
 public:
  explicit Scope(Supervisor& supervisor) : supervisor_(supervisor) { ++supervisor_.depth_; }
  ~Scope() {
    if (supervisor_.depth_ == 1) {
      supervisor_.StepRolls();
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
