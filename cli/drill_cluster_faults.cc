// What can be done to the pods of a cluster through their coordinator. In the end there are as many
// workers as before, never more: what a pod has stored can be read only while it is there, and what
// a volume has cost stays.
#include "absl/time/clock.h"
#include "cli/drill_faults.h"
#include "services/common/clock.h"
#include "services/common/rpc/status.h"
#include "services/common/status_macros.h"

namespace center::cli {
namespace {

constexpr uint32_t kWorkersAway = 2;
// How long the producers go on with fewer workers.
constexpr absl::Duration kWorkersAwayFor = absl::Seconds(2);

absl::Status WorkerRestart(DrillStage& stage) {
  ASSIGN_OR_RETURN(const v1::Worker worker, AnyWorker(stage));
  ASSIGN_OR_RETURN(const uint64_t last_event, LastEvent(stage));
  const SteadyTime start = RealClock().Steady();
  RETURN_IF_ERROR(RestartWorkerNow(stage, worker.name()));
  RETURN_IF_ERROR(AwaitService(stage, start, {ProcessOf(worker)}));
  return CheckEndsTold(stage, last_event, {{worker.name(), 1}});
}

absl::Status ScaleDownAndUp(DrillStage& stage) {
  const uint32_t fewer = stage.workers > kWorkersAway ? stage.workers - kWorkersAway : 1;
  const SteadyTime start = RealClock().Steady();
  RETURN_IF_ERROR(stage.fleet.Scale(stage.fleet.context(), fewer));
  absl::SleepFor(kWorkersAwayFor);
  RETURN_IF_ERROR(stage.fleet.Scale(stage.fleet.context(), stage.workers));
  return AwaitService(stage, start);
}

}  // namespace

bool IsServerBusy(const absl::Status& status) {
  return absl::IsAlreadyExists(status) && rpc::ReasonOf(status) == "SERVER_BUSY";
}

absl::Status RestartWorkerNow(DrillStage& stage, const std::string& worker) {
  const SteadyTime start = RealClock().Steady();
  const absl::Status status =
      stage.fleet.RestartWorker(stage.fleet.context(), worker, /*now=*/true);
  // Refused, it has ended nothing.
  if (!IsServerBusy(status)) stage.ledger.Fault(worker, start, RealClock().Steady());
  return status;
}

const std::vector<DrillFault>& ClusterFaults() {
  static const std::vector<DrillFault>* const faults = new std::vector<DrillFault>{
      {"rolling-restart", "every pod is replaced, one after the other", RollingRestart},
      {"worker-restart", "one pod is replaced at once, without waiting for its connections",
       WorkerRestart},
      {"scale", "two workers fewer, which drain, and as many as before again", ScaleDownAndUp},
  };
  return *faults;
}

}  // namespace center::cli
