// `drill chaos`: what the rows do one after the other, at random.
#include <algorithm>
#include <csignal>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "cli/drill_faults.h"
#include "services/common/clock.h"
#include "services/common/status_macros.h"

namespace center::cli {
namespace {

// Five deaths of a slot within 30 s would be its last (the start limit): it is left alone before.
constexpr size_t kDeathsMax = 3;
constexpr absl::Duration kDeathsWindow = absl::Seconds(35);
// A worker that stands still for longer than the drill's liveness timeout is replaced, for less
// not.
constexpr absl::Duration kStandstillMax = absl::Milliseconds(2500);
// What still may happen to a worker's connections because it stood still.
constexpr absl::Duration kAftermath = absl::Seconds(5);
constexpr absl::Duration kPauseMax = absl::Milliseconds(1200);
constexpr absl::Duration kAwayMax = absl::Milliseconds(1500);
constexpr absl::Duration kSettleTimeout = absl::Seconds(90);
constexpr absl::Duration kSettlePoll = absl::Milliseconds(50);
constexpr uint32_t kChaosWorkersMax = 5;

class Chaos {
 public:
  explicit Chaos(DrillStage& stage) : stage_(stage) {}
  ~Chaos() { JoinChange(); }
  absl::Status Play();

 private:
  absl::Status Step();
  absl::Status KillAWorker();
  absl::Status HoldAWorker();
  absl::Status ReplaceCoordinator();
  // A roll or a change of scale, beside what else happens; one at a time.
  void BeginChange();
  void JoinChange();
  absl::Status CheckInPlace();

  bool MayDie(const std::string& worker);
  bool OthersListen();
  absl::Duration UpTo(absl::Duration most) {
    return most * std::uniform_real_distribution<double>(0, 1)(stage_.random);
  }
  uint32_t Below(uint32_t end) {
    return std::uniform_int_distribution<uint32_t>(0, end - 1)(stage_.random);
  }
  // Into the drill's log, where it stands beside what the line to the coordinator said.
  void Log(absl::string_view text) {
    stage_.fleet.context().Warn(
        absl::StrCat(absl::FormatTime(absl::Now(), absl::UTCTimeZone()), " chaos: ", text));
  }

  DrillStage& stage_;
  std::map<std::string, std::deque<absl::Time>> deaths_;  // by worker
  std::set<int64_t> killed_;
  std::unique_ptr<Context> change_context_;
  std::thread change_;
};

bool Chaos::MayDie(const std::string& worker) {
  std::deque<absl::Time>& deaths = deaths_[worker];
  while (!deaths.empty() && deaths.front() < absl::Now() - kDeathsWindow) deaths.pop_front();
  if (deaths.size() >= kDeathsMax) return false;
  deaths.push_back(absl::Now());
  return true;
}

absl::Status Chaos::KillAWorker() {
  const auto worker = AnyWorker(stage_);
  if (!worker.ok() || !MayDie(worker->name())) return absl::OkStatus();
  Log(absl::StrCat("kill -9 of ", worker->name(), ", process ", worker->pid()));
  const absl::Status ended = EndWorker(stage_, *worker, SIGKILL);
  if (absl::IsNotFound(ended)) return absl::OkStatus();  // a roll was faster
  if (ended.ok()) killed_.insert(worker->pid());
  return ended;
}

absl::Status Chaos::HoldAWorker() {
  const auto worker = AnyWorker(stage_);
  if (!worker.ok() || !MayDie(worker->name())) return absl::OkStatus();
  const absl::Duration standstill = UpTo(kStandstillMax);
  Log(absl::StrCat("SIGSTOP of ", worker->name(), ", process ", worker->pid(), ", for ",
                   absl::FormatDuration(standstill)));
  const SteadyTime start = RealClock().Steady();
  if (!stage_.fleet.SignalWorker(worker->pid(), SIGSTOP).ok()) return absl::OkStatus();
  (void)stage_.fleet.WaitWorkerEnd(worker->pid(), standstill);
  // NotFound: it was replaced meanwhile.
  const absl::Status goes_on = stage_.fleet.SignalWorker(worker->pid(), SIGCONT);
  stage_.ledger.Fault(worker->name(), start,
                      RealClock().Steady() + absl::ToChronoNanoseconds(kAftermath));
  return absl::IsNotFound(goes_on) ? absl::OkStatus() : goes_on;
}

// Workers keep the listening socket while there is no coordinator. One of them may be killed then
// as long as another certainly has it, even when a roll or a scale-down has just asked one to
// drain.
bool Chaos::OthersListen() {
  const auto server = stage_.fleet.Server();
  if (!server.ok() || server->spec().workers() < 3) return false;
  return std::count_if(server->workers().begin(), server->workers().end(), [](const auto& worker) {
           return worker.state() == v1::WORKER_STATE_READY;
         }) >= 3;
}

absl::Status Chaos::ReplaceCoordinator() {
  const auto worker = AnyWorker(stage_);
  const bool others_listen = OthersListen();
  Log("kill -9 of the coordinator");
  RETURN_IF_ERROR(stage_.fleet.KillCoordinator());
  absl::SleepFor(UpTo(kAwayMax));
  if (Below(2) == 0 && others_listen && worker.ok() && MayDie(worker->name())) {
    Log(absl::StrCat("kill -9 of ", worker->name(), ", process ", worker->pid(),
                     ", while there is no coordinator"));
    const absl::Status ended = EndWorker(stage_, *worker, SIGKILL);
    if (ended.ok()) killed_.insert(worker->pid());
    absl::SleepFor(UpTo(kAwayMax));
  }
  return stage_.fleet.StartCoordinatorAgain();
}

void Chaos::BeginChange() {
  JoinChange();
  change_context_ = stage_.fleet.NewContext();
  const uint32_t workers = Below(2) == 0 ? 0 : 1 + Below(kChaosWorkersMax);
  Log(workers == 0 ? std::string("a rolling restart") : absl::StrCat("scale to ", workers));
  change_ = std::thread([workers, context = change_context_.get()] {
    // Whoever kills a process of a roll, or its coordinator, ends the roll: that is no failure.
    const absl::Status changed =
        workers == 0 ? RollServer(*context) : ScaleServer(*context, workers);
    context->Warn(absl::StrCat("chaos: the change has ended: ", changed.ToString()));
  });
}

void Chaos::JoinChange() {
  if (change_.joinable()) change_.join();
}

absl::Status Chaos::Step() {
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
      BeginChange();
      return absl::OkStatus();
  }
}

// As many workers as are wanted, all READY, and no process that nobody knows.
absl::Status Chaos::CheckInPlace() {
  const absl::Time deadline = absl::Now() + kSettleTimeout;
  for (;;) {
    ASSIGN_OR_RETURN(const v1::Server server, stage_.fleet.Server());
    stage_.workers = server.spec().workers();
    RETURN_IF_ERROR(stage_.fleet.WaitReady(stage_.workers, deadline - absl::Now()));
    const size_t processes = stage_.fleet.WorkerProcesses().size();
    if (processes == stage_.workers) return absl::OkStatus();
    if (absl::Now() >= deadline) {
      return absl::InternalError(
          absl::StrCat("there are ", processes, " processes of ", stage_.workers, " workers"));
    }
    absl::SleepFor(kSettlePoll);
  }
}

absl::Status Chaos::Play() {
  const absl::Time end = absl::Now() + stage_.duration;
  while (absl::Now() < end && !stage_.fleet.killed()) {
    RETURN_IF_ERROR(Step());
    absl::SleepFor(UpTo(kPauseMax));
  }
  const SteadyTime start = RealClock().Steady();
  JoinChange();
  RETURN_IF_ERROR(CheckInPlace());
  stage_.service = absl::FromChrono(RealClock().Steady() - start);
  return CheckTold(stage_, killed_);
}

}  // namespace

absl::Status RunChaos(DrillStage& stage) { return Chaos(stage).Play(); }

}  // namespace center::cli
