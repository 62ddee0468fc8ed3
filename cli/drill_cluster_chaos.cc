// `drill chaos` on pods: replaced at once or in order, alone or all, and fewer of them for a while.
#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "cli/drill_chaos.h"
#include "services/common/status_macros.h"

namespace center::cli {
namespace {

constexpr absl::Duration kClusterSettleTimeout = absl::Seconds(120);
// Whatever is scaled away: one is replaced, and another accepts meanwhile.
constexpr uint32_t kWorkersLeast = 2;

class ClusterChaos final : public Chaos {
 public:
  explicit ClusterChaos(DrillStage& stage) : Chaos(stage), stays_(stage.workers) {}

  absl::Status Begin() {
    ASSIGN_OR_RETURN(events_before_, LastEvent(stage()));
    return absl::OkStatus();
  }

 private:
  absl::Status Step() override {
    const uint32_t what = Below(8);
    if (what < 4) return RestartAWorker(/*now=*/true);
    if (what == 4) return RestartAWorker(/*now=*/false);
    if (what == 5) {
      BeginChange(0);
    } else if (stage().workers > kWorkersLeast) {
      JoinChange();
      stays_ = kWorkersLeast + Below(stage().workers - kWorkersLeast + 1);
      BeginChange(stays_);
    }
    return absl::OkStatus();
  }
  absl::Status CheckInPlace() override {
    RETURN_IF_ERROR(stage().fleet.Scale(stage().fleet.context(), stage().workers));
    return stage().fleet.WaitReady(stage().workers, kClusterSettleTimeout);
  }
  absl::Status CheckEvents() override { return CheckEndsTold(stage(), events_before_, restarts_); }
  absl::Status RestartAWorker(bool now);

  uint32_t stays_;  // so many workers there are, whatever change is under way
  uint64_t events_before_ = 0;
  std::map<std::string, uint64_t> restarts_;  // by worker
};

absl::Status ClusterChaos::RestartAWorker(bool now) {
  const std::string worker = absl::StrCat(stage().fleet.server(), "/", Below(stays_));
  Log(absl::StrCat("restart of ", worker, now ? ", at once" : ""));
  const absl::Status restarted =
      now ? RestartWorkerNow(stage(), worker)
          : stage().fleet.RestartWorker(stage().fleet.context(), worker, /*now=*/false);
  if (restarted.ok()) ++restarts_[worker];
  if (!IsServerBusy(restarted)) return restarted;
  Log("not now: all are being replaced");
  return absl::OkStatus();
}

}  // namespace

absl::Status RunClusterChaos(DrillStage& stage) {
  ClusterChaos chaos(stage);
  RETURN_IF_ERROR(chaos.Begin());
  return chaos.Play();
}

}  // namespace center::cli
