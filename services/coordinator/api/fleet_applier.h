// Makes the servers and clients as a configuration file wants them: one after the other, only what
// differs. Those that the file does not name are left alone. What cannot be done is told, and the
// others are done all the same. Clients that go, go first; those that come, come when there is
// somebody to send to.
//
// Control thread only.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/optional.h"
#include "services/common/clock.h"
#include "services/common/config/fleet_file.h"
#include "services/common/config/fleet_plan.h"
#include "services/coordinator/api/client_fleet.h"
#include "services/coordinator/api/fleet.h"

namespace center::coordinator {

class FleetApplier {
 public:
  struct Dependencies {
    Fleet* fleet;
    ClientFleet* clients;
    Clock* clock;
    std::function<void(std::function<void()>)> post;
    // Calls OnTimer at this time at the latest.
    std::function<void(SteadyTime)> arm_timer;
    // Says what was done, and what was not.
    std::function<void(const std::string& what)> tell;
  };
  explicit FleetApplier(Dependencies dependencies) : deps_(std::move(dependencies)) {}

  // Carries it out after the one that is under way; one that waits already is forgotten.
  void Apply(FleetFile file);
  SteadyTime OnTimer();

 private:
  struct Item {  // one of them
    const DesiredServer* server = nullptr;
    const DesiredClient* client = nullptr;
  };

  void PlanNext();
  void PlanCurrent();
  void PlanClientItem();
  void TakeStep();
  void TakeServerStep(FleetStep step);
  void TakeClientStep(FleetStep step);
  // How a step, or the look at an item, has ended.
  void OnStep(const absl::Status& status);
  void NextItem();
  void Finish();
  const DesiredServer& Desired() const { return *items_[at_].server; }

  const Dependencies deps_;
  absl::optional<FleetFile> current_;
  absl::optional<FleetFile> waiting_;
  std::vector<Item> items_;  // of current_
  size_t at_ = 0;
  bool exists_ = false;
  FleetChange change_;
  size_t step_ = 0;
  SteadyTime give_up_;
  SteadyTime retry_ = SteadyTime::max();
  std::vector<std::string> done_;
  std::vector<std::string> failed_;
};

}  // namespace center::coordinator
