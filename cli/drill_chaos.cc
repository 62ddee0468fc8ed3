#include "cli/drill_chaos.h"

#include <algorithm>
#include <csignal>
#include <deque>
#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/clock.h"
#include "services/common/status_macros.h"

namespace center::cli {
namespace {

constexpr absl::Duration kPauseMax = absl::Milliseconds(1200);
// Five deaths of a slot within 30 s would be its last (the start limit): it is left alone before.
constexpr size_t kDeathsMax = 3;
constexpr absl::Duration kDeathsWindow = absl::Seconds(35);
// A worker that stands still for longer than the drill's liveness timeout is replaced, for less
// not.
constexpr absl::Duration kStandstillMax = absl::Milliseconds(2500);
// What still may happen to a worker's connections because it stood still.
constexpr absl::Duration kAftermath = absl::Seconds(5);
constexpr absl::Duration kAwayMax = absl::Milliseconds(1500);
constexpr absl::Duration kSettleTimeout = absl::Seconds(90);
constexpr absl::Duration kSettlePoll = absl::Milliseconds(50);
constexpr uint32_t kChaosWorkersMax = 5;

// On processes of this machine.
class LocalChaos final : public Chaos {
 public:
  explicit LocalChaos(DrillStage& stage) : Chaos(stage), fleet_(*stage.local) {}

 private:
  absl::Status Step() override;
  absl::Status CheckInPlace() override;
  absl::Status CheckEvents() override { return CheckTold(stage(), killed_); }
  absl::Status KillAWorker();
  absl::Status HoldAWorker();
  absl::Status ReplaceCoordinator();

  bool MayDie(const std::string& worker);
  bool OthersListen();

  LocalFleet& fleet_;
  std::map<std::string, std::deque<absl::Time>> deaths_;  // by worker
  std::set<int64_t> killed_;
};

bool LocalChaos::MayDie(const std::string& worker) {
  std::deque<absl::Time>& deaths = deaths_[worker];
  while (!deaths.empty() && deaths.front() < absl::Now() - kDeathsWindow) deaths.pop_front();
  if (deaths.size() >= kDeathsMax) return false;
  deaths.push_back(absl::Now());
  return true;
}

absl::Status LocalChaos::KillAWorker() {
  const auto worker = AnyWorker(stage());
  if (!worker.ok() || !MayDie(worker->name())) return absl::OkStatus();
  Log(absl::StrCat("kill -9 of ", worker->name(), ", process ", worker->pid()));
  const absl::Status ended = EndWorker(stage(), *worker, SIGKILL);
  if (absl::IsNotFound(ended)) return absl::OkStatus();  // a roll was faster
  if (ended.ok()) killed_.insert(worker->pid());
  return ended;
}

absl::Status LocalChaos::HoldAWorker() {
  const auto worker = AnyWorker(stage());
  if (!worker.ok() || !MayDie(worker->name())) return absl::OkStatus();
  const absl::Duration standstill = UpTo(kStandstillMax);
  Log(absl::StrCat("SIGSTOP of ", worker->name(), ", process ", worker->pid(), ", for ",
                   absl::FormatDuration(standstill)));
  const SteadyTime start = RealClock().Steady();
  if (!fleet_.SignalWorker(worker->pid(), SIGSTOP).ok()) return absl::OkStatus();
  (void)fleet_.WaitWorkerEnd(worker->pid(), standstill);
  // NotFound: it was replaced meanwhile.
  const absl::Status goes_on = fleet_.SignalWorker(worker->pid(), SIGCONT);
  stage().ledger.Fault(worker->name(), start,
                       RealClock().Steady() + absl::ToChronoNanoseconds(kAftermath));
  return absl::IsNotFound(goes_on) ? absl::OkStatus() : goes_on;
}

// Workers keep the listening socket while there is no coordinator. One of them may be killed then
// as long as another certainly has it, even when a roll or a scale-down has just asked one to
// drain.
bool LocalChaos::OthersListen() {
  const auto server = fleet_.Server();
  if (!server.ok() || server->spec().workers() < 3) return false;
  return std::count_if(server->workers().begin(), server->workers().end(), [](const auto& worker) {
           return worker.state() == v1::WORKER_STATE_READY;
         }) >= 3;
}

absl::Status LocalChaos::ReplaceCoordinator() {
  const auto worker = AnyWorker(stage());
  const bool others_listen = OthersListen();
  Log("kill -9 of the coordinator");
  RETURN_IF_ERROR(fleet_.KillCoordinator());
  absl::SleepFor(UpTo(kAwayMax));
  if (Below(2) == 0 && others_listen && worker.ok() && MayDie(worker->name())) {
    Log(absl::StrCat("kill -9 of ", worker->name(), ", process ", worker->pid(),
                     ", while there is no coordinator"));
    const absl::Status ended = EndWorker(stage(), *worker, SIGKILL);
    if (ended.ok()) killed_.insert(worker->pid());
    absl::SleepFor(UpTo(kAwayMax));
  }
  return fleet_.StartCoordinatorAgain();
}

absl::Status LocalChaos::Step() {
  switch (Below(8)) {
    case 0:
    case 1:
    case 2:
      return KillAWorker();
    case 3:
    case 4:
      return HoldAWorker();
    case 5:
      return ReplaceCoordinator();
    default:
      BeginChange(Below(2) == 0 ? 0 : 1 + Below(kChaosWorkersMax));
      return absl::OkStatus();
  }
}

// As many workers as are wanted, all READY, and no process that nobody knows.
absl::Status LocalChaos::CheckInPlace() {
  const absl::Time deadline = absl::Now() + kSettleTimeout;
  for (;;) {
    ASSIGN_OR_RETURN(const v1::Server server, fleet_.Server());
    stage().workers = server.spec().workers();
    RETURN_IF_ERROR(fleet_.WaitReady(stage().workers, deadline - absl::Now()));
    const size_t processes = fleet_.WorkerProcesses().size();
    if (processes == stage().workers) return absl::OkStatus();
    if (absl::Now() >= deadline) {
      return absl::InternalError(
          absl::StrCat("there are ", processes, " processes of ", stage().workers, " workers"));
    }
    absl::SleepFor(kSettlePoll);
  }
}

}  // namespace

absl::Status Chaos::Play() {
  const absl::Time end = absl::Now() + stage_.duration;
  while (absl::Now() < end && !stage_.fleet.interrupted()) {
    RETURN_IF_ERROR(Step());
    absl::SleepFor(UpTo(kPauseMax));
  }
  const SteadyTime start = RealClock().Steady();
  JoinChange();
  RETURN_IF_ERROR(CheckInPlace());
  stage_.service = absl::FromChrono(RealClock().Steady() - start);
  return CheckEvents();
}

void Chaos::BeginChange(uint32_t workers) {
  JoinChange();
  change_context_ = stage_.fleet.NewContext();
  Log(workers == 0 ? std::string("a rolling restart") : absl::StrCat("scale to ", workers));
  change_ = std::thread([this, workers] {
    // Whoever kills a process of a roll, or its coordinator, ends the roll: that is no failure.
    Context& context = *change_context_;
    const absl::Status changed =
        workers == 0 ? stage_.fleet.Roll(context) : stage_.fleet.Scale(context, workers);
    context.Say(absl::StrCat("chaos: the change has ended: ", changed.ToString()));
  });
}

void Chaos::JoinChange() {
  if (change_.joinable()) change_.join();
}

void Chaos::Log(absl::string_view text) {
  stage_.fleet.context().Say(
      absl::StrCat(absl::FormatTime(absl::Now(), absl::UTCTimeZone()), " chaos: ", text));
}

absl::Status RunChaos(DrillStage& stage) { return LocalChaos(stage).Play(); }

}  // namespace center::cli
