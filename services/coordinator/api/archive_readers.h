// Processes that serve the journals of slots that were scaled away.
//
// Such a slot has no worker. When somebody wants to read what it has journalled, a reader is
// started for it: center-worker with --archive-idle, which takes in nothing, deletes nothing, and
// ends by itself when nobody has read from it for a while. It registers like a worker; where it
// serves is known from then on. A reader that dies or does not come up is not restarted: those who
// wait for it are told why, and the next one who asks starts it anew.
//
// It holds the journal's lock, so it must have ended before a worker of the slot is launched.
//
// Control thread only. No clock of its own, no I/O: a launcher does that.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "services/common/clock.h"
#include "services/coordinator/supervision/process_launcher.h"

namespace center::coordinator {

// A reader that has not registered by then is killed.
inline constexpr SteadyDuration kReaderStartTimeout = std::chrono::seconds(10);
// A reader that was asked to end and has not by then is killed.
inline constexpr SteadyDuration kReaderEndTimeout = std::chrono::seconds(5);

class ArchiveReaders {
 public:
  struct Slot {
    std::string server;
    uint32_t slot = 0;
    auto operator<=>(const Slot&) const = default;
  };
  struct Dependencies {
    supervision::ProcessLauncher* launcher;
    Clock* clock;
    // What to run. The token is to reach the process as CENTER_WORKER_TOKEN.
    std::function<supervision::LaunchSpec(const Slot&, const std::string& token)> launch;
    // The answer of View for a slot of this server has changed.
    std::function<void(const std::string& server)> on_change;
    // Tick is to be called at this time at the latest.
    std::function<void(SteadyTime)> arm_timer;
  };
  // What is known of a slot's reader.
  struct View {
    std::string address;  // "": not up
    std::string error;    // why the last one did not come up; "" when it did, or is about to
    uint64_t generation = 0;
  };

  explicit ArchiveReaders(Dependencies dependencies) : deps_(std::move(dependencies)) {}

  // Starts a reader for the slot unless it has one.
  void Want(const Slot& slot);
  // A process that says it serves this slot: true when it is our reader.
  bool Register(const Slot& slot, int64_t pid, absl::string_view token, const std::string& address);
  View Look(const Slot& slot) const;
  // Ends the readers of a server's slots from `first` on, and calls `done` when none of them is
  // left, perhaps at once.
  void End(const std::string& server, uint32_t first, std::function<void()> done);
  // Kills what is overdue; returns when to be called next (SteadyTime::max(): not by itself).
  SteadyTime Tick();
  size_t processes() const;

 private:
  struct Reader {
    int64_t pid = 0;  // 0: no process
    uint64_t launch_id = 0;
    std::string token;
    View view;
    bool ending = false;
    SteadyTime deadline = SteadyTime::max();
  };
  struct Waiter {
    std::string server;
    uint32_t first;
    std::function<void()> done;
  };

  void OnExit(const Slot& slot, uint64_t launch_id, const supervision::ProcessExit& exit);
  bool AnyLeft(const std::string& server, uint32_t first) const;
  void Signal(const Slot& slot, const Reader& reader, int signal);

  const Dependencies deps_;
  std::map<Slot, Reader> readers_;
  std::vector<Waiter> waiters_;
  void Arm(Reader* reader, SteadyDuration timeout);

  uint64_t last_launch_id_ = 0;
  // Exit callbacks hold it weakly: they may outlive this.
  const std::shared_ptr<ArchiveReaders*> self_ = std::make_shared<ArchiveReaders*>(this);
};

}  // namespace center::coordinator
