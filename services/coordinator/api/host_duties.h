// What the coordinator owes to whatever runs it: systemd hears how it is (its notify protocol,
// services/common/notify.h), process 1 of a container reaps orphans, and SIGHUP reads the
// configuration again.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "services/common/config/fleet_file.h"
#include "services/common/notify.h"
#include "services/coordinator/supervision/event_loop.h"
#include "services/coordinator/supervision/orphan_children.h"

namespace center::coordinator {

// What was found when the configuration was read again.
struct Reloaded {
  std::string log_level;                  // takes effect at once
  std::vector<std::string> need_restart;  // settings that have changed as well, by their flags
  FleetFile fleet;                        // the servers that the file wants
};

// Control thread only; made and destroyed while the loop does not run.
class HostDuties {
 public:
  struct Dependencies {
    supervision::EventLoop* loop;
    Notifier notifier;
    // Whether somebody here waits for this child.
    std::function<bool(int64_t pid)> is_ours;
    // One line for people: "2 servers, 8 workers".
    std::function<std::string()> status;
    // Reads the configuration again. Empty: there is no file.
    std::function<absl::StatusOr<Reloaded>()> read_again;
    // The level of this process and of workers that are launched from now on.
    std::function<void(const std::string&)> set_log_level;
    // Makes the servers as the file wants them, later. Empty: nobody can.
    std::function<void(FleetFile)> apply_fleet;
    // Says that it was done, or why not.
    std::function<void(const std::string& reason)> tell;
    std::string log_level;  // as it is
  };
  explicit HostDuties(Dependencies dependencies);

  // It serves. From now on the watchdog is fed, and orphans are reaped where that is our duty.
  void Ready();
  void Stopping(absl::string_view how);
  // `why`: who wants it, for people. A configuration that cannot be read changes nothing.
  void Reload(const std::string& why);

 private:
  SteadyTime FeedWatchdog();
  SteadyTime ReapOrphans();
  std::string Apply(const Reloaded& reloaded);

  const Dependencies deps_;
  const absl::optional<absl::Duration> watchdog_interval_ = WatchdogInterval();
  std::string log_level_;
  std::string told_status_;
  supervision::OrphanChildren orphans_;
  supervision::DeadlineTimer watchdog_timer_;
  supervision::DeadlineTimer orphans_timer_;
};

}  // namespace center::coordinator
