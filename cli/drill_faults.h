// What `drill` does to its fleet, one function a fault.
#pragma once

#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "cli/drill_fleet.h"
#include "cli/drill_ledger.h"
#include "cli/drill_local_fleet.h"

namespace center::cli {

// What a fault works on. One thread.
struct DrillStage {
  DrillFleet& fleet;
  LocalFleet* local;  // the same; null: it is a cluster's, and only its coordinator can be asked
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

// All that can be done to a fleet of this kind, in the order in which the drill does them.
const std::vector<DrillFault>& DrillFaults(DrillBackend backend);
// Null when there is none of this name.
const DrillFault* FindDrillFault(DrillBackend backend, absl::string_view name);

// ---- The parts, for the faults of clusters and for chaos

// A worker that is there now; NotFound when there is none.
absl::StatusOr<v1::Worker> AnyWorker(DrillStage& stage);
// What tells a process of a worker from the one before it.
std::string ProcessOf(const v1::Worker& worker);
// Waits for full service, without these processes, and notes how long that took since `start`.
absl::Status AwaitService(DrillStage& stage, SteadyTime start,
                          const std::set<std::string>& gone = {});
absl::Status RollingRestart(DrillStage& stage);

// REQUIRES (of these two): the fleet is local.
// Signals it, waits until it is gone, and enters that into the ledger.
absl::Status EndWorker(DrillStage& stage, const v1::Worker& worker, int signal);
// The events tell how each of these processes has ended.
absl::Status CheckTold(DrillStage& stage, std::set<int64_t> pids);

// `worker restart --now`, entered into the ledger.
absl::Status RestartWorkerNow(DrillStage& stage, const std::string& worker);
// Others are replaced just now: the call has done nothing.
bool IsServerBusy(const absl::Status& status);
// The id of the newest event.
absl::StatusOr<uint64_t> LastEvent(DrillStage& stage);
// The events after this one tell so many ends of each of these workers, or more.
absl::Status CheckEndsTold(DrillStage& stage, uint64_t since_id,
                           const std::map<std::string, uint64_t>& ends);

// Of clusters.
const std::vector<DrillFault>& ClusterFaults();

// Faults at random for as long as the stage's duration, some at the same time, some while there is
// no coordinator. In the end everything must be in place again: the workers that are wanted, and no
// process besides.
absl::Status RunChaos(DrillStage& stage);
// The same, of what can be done to pods. In the end there are as many as in the beginning.
absl::Status RunClusterChaos(DrillStage& stage);

}  // namespace center::cli
