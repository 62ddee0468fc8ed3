// What `drill` does to its fleet, one function a fault.
#pragma once

#include <random>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "cli/drill_fleet.h"
#include "cli/drill_ledger.h"

namespace center::cli {

// What a fault works on. One thread.
struct DrillStage {
  DrillFleet& fleet;
  DrillLedger& ledger;
  std::mt19937_64 random;
  uint32_t workers;          // how many the server is to have now
  absl::Duration duration;   // for faults that take as long as they are given
  absl::Duration service{};  // set by the fault: how long full service was away
};

struct DrillFault {
  absl::string_view name;
  absl::string_view what;  // for the help
  // Does it and waits until every slot is READY again.
  absl::Status (*run)(DrillStage&);
};

// All of them, in the order in which the drill does them.
const std::vector<DrillFault>& DrillFaults();
// Null when there is none of this name.
const DrillFault* FindDrillFault(absl::string_view name);

// ---- The parts, for chaos

// A worker that is there now; NotFound when there is none.
absl::StatusOr<v1::Worker> AnyWorker(DrillStage& stage);
// Signals it, waits until it is gone, and enters that into the ledger.
absl::Status EndWorker(DrillStage& stage, const v1::Worker& worker, int signal);
absl::Status RollServer(Context& context);
absl::Status ScaleServer(Context& context, uint32_t workers);
// The events tell how each of these processes has ended.
absl::Status CheckTold(DrillStage& stage, std::set<int64_t> pids);

// Faults at random for as long as the stage's duration, some at the same time, some while there is
// no coordinator. In the end everything must be in place again: the workers that are wanted, and no
// process besides.
absl::Status RunChaos(DrillStage& stage);

}  // namespace center::cli
