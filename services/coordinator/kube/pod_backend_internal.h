// The insides of PodBackend, shared by its source files only.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "services/coordinator/kube/pod_backend.h"
#include "services/coordinator/supervision/roll_order.h"

namespace center::kube {

// A slot with the pod in it.
struct PodBackend::PodSlot {
  PodSlot(Server& its_server, uint32_t its_index, std::string its_name)
      : server(its_server), index(its_index), name(std::move(its_name)) {}

  Server& server;
  const uint32_t index;
  const std::string name;  // "<server>/<ordinal>"
  bool leaving = false;    // scaled away

  absl::optional<Pod> pod;  // as it was seen last
  // Of the process in it.
  int64_t incarnation = 0;    // 0: there is none
  int64_t restarts_seen = 0;  // of the pod, up to this process
  bool found = false;         // it was there before we were
  bool ended_told = false;    // of the pod's container: its end was recorded
  SteadyTime begun;
  absl::Time start_time;
  AskedOfPod asked;
  std::string wait_told;  // KindOfWait
  std::string token;      // "": it has not registered
  bool registered = false;
  bool says_ready = false;
  bool says_draining = false;
  bool silent = false;
  bool ready_told = false;
  bool changed = true;  // since it was told
  SteadyTime heard;
  // A process with another token has come, and the status does not say yet what became of this one.
  absl::optional<SteadyTime> contested_since;

  uint64_t restarts = 0;
  absl::optional<supervision::ExitRecord> last_exit;
  supervision::SlotState told_state = supervision::SlotState::kStopped;

  supervision::SlotView View(supervision::SlotState state) const;
};

struct PodBackend::Server {
  supervision::ServerPlan plan;
  bool stopping = false;
  std::deque<PodSlot> slots;                    // never moved
  absl::optional<supervision::RollOrder> roll;  // under way
};

// Encloses every public call: what the observer is to hear, it hears when the outermost one is
// done.
class PodBackend::Scope {
 public:
  explicit Scope(PodBackend& backend) : backend_(backend) { ++backend_.depth_; }
  ~Scope() {
    if (backend_.depth_ == 1) {
      backend_.StepRolls();
      while (!backend_.notifications_.empty()) {
        const std::function<void()> notify = std::move(backend_.notifications_.front());
        backend_.notifications_.pop_front();
        notify();
        backend_.StepRolls();  // it may have called back
      }
      backend_.AnnounceDeadline();
    }
    --backend_.depth_;
  }
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;

 private:
  PodBackend& backend_;
};

}  // namespace center::kube
