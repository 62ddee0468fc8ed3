#include "cli/drill_faults.h"

#include <algorithm>
#include <csignal>
#include <set>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/clock.h"
#include "services/common/status_macros.h"

namespace center::cli {
namespace {

// Until every slot is READY again; far more than any of it needs.
constexpr absl::Duration kServiceTimeout = absl::Seconds(60);
// For a stopped worker to be found and killed: the liveness timeout, and patience.
constexpr absl::Duration kHangTimeout = absl::Seconds(30);
// How long the producers go on without any coordinator.
constexpr absl::Duration kCoordinatorAway = absl::Milliseconds(500);
constexpr uint32_t kScaleStep = 2;
// Until the event of a death can be read.
constexpr absl::Duration kToldTimeout = absl::Seconds(20);
constexpr absl::Duration kToldPoll = absl::Milliseconds(20);

bool IsEnd(const v1::Event& event) {
  return event.type() == v1::EVENT_TYPE_WORKER_DIED ||
         event.type() == v1::EVENT_TYPE_WORKER_STOPPED;
}

std::set<int64_t> PidsOf(const v1::Server& server) {
  std::set<int64_t> pids;
  for (const v1::Worker& worker : server.workers()) pids.insert(worker.pid());
  return pids;
}

absl::Status WorkerKill(DrillStage& stage) {
  ASSIGN_OR_RETURN(const v1::Worker worker, AnyWorker(stage));
  const SteadyTime start = RealClock().Steady();
  RETURN_IF_ERROR(EndWorker(stage, worker, SIGKILL));
  RETURN_IF_ERROR(AwaitService(stage, start, {ProcessOf(worker)}));
  return CheckTold(stage, {worker.pid()});
}

absl::Status WorkerStop(DrillStage& stage) {
  ASSIGN_OR_RETURN(const v1::Worker worker, AnyWorker(stage));
  const SteadyTime start = RealClock().Steady();
  RETURN_IF_ERROR(EndWorker(stage, worker, SIGSTOP));
  RETURN_IF_ERROR(AwaitService(stage, start, {ProcessOf(worker)}));
  return CheckTold(stage, {worker.pid()});
}

absl::Status CoordinatorKill(DrillStage& stage) {
  ASSIGN_OR_RETURN(const v1::Server before, stage.fleet.Server());
  RETURN_IF_ERROR(stage.local->KillCoordinator());
  absl::SleepFor(kCoordinatorAway);
  const SteadyTime start = RealClock().Steady();
  RETURN_IF_ERROR(stage.local->StartCoordinatorAgain());
  RETURN_IF_ERROR(AwaitService(stage, start));
  ASSIGN_OR_RETURN(const v1::Server after, stage.fleet.Server());
  if (PidsOf(before) == PidsOf(after)) return absl::OkStatus();
  return absl::InternalError("the new coordinator has not kept the workers, but replaced them");
}

absl::Status Scale(DrillStage& stage, uint32_t workers) {
  const SteadyTime start = RealClock().Steady();
  RETURN_IF_ERROR(stage.fleet.Scale(stage.fleet.context(), workers));
  stage.workers = workers;
  return AwaitService(stage, start);
}

absl::Status ScaleUp(DrillStage& stage) { return Scale(stage, stage.workers + kScaleStep); }

absl::Status ScaleDown(DrillStage& stage) {
  return Scale(stage, stage.workers > kScaleStep ? stage.workers - kScaleStep : 1);
}

}  // namespace

std::string ProcessOf(const v1::Worker& worker) {
  // A pod has no process id here.
  return absl::StrCat(worker.pid(), " since ", worker.start_time().seconds(), ".",
                      worker.start_time().nanos());
}

absl::Status AwaitService(DrillStage& stage, SteadyTime start, const std::set<std::string>& gone) {
  const absl::Status status =
      stage.fleet.WaitReady(stage.workers, kServiceTimeout, [&](const v1::Server& server) {
        return std::none_of(
            server.workers().begin(), server.workers().end(),
            [&](const v1::Worker& worker) { return gone.contains(ProcessOf(worker)); });
      });
  stage.service = absl::FromChrono(RealClock().Steady() - start);
  return status;
}

absl::Status RollingRestart(DrillStage& stage) {
  ASSIGN_OR_RETURN(const v1::Server before, stage.fleet.Server());
  std::set<std::string> old;
  for (const v1::Worker& worker : before.workers()) old.insert(ProcessOf(worker));
  const SteadyTime start = RealClock().Steady();
  RETURN_IF_ERROR(stage.fleet.Roll(stage.fleet.context()));
  return AwaitService(stage, start, old);
}

absl::StatusOr<v1::Worker> AnyWorker(DrillStage& stage) {
  ASSIGN_OR_RETURN(const v1::Server server, stage.fleet.Server());
  std::vector<v1::Worker> live;
  std::copy_if(server.workers().begin(), server.workers().end(), std::back_inserter(live),
               [](const v1::Worker& worker) {
                 return worker.pid() > 0 || worker.state() == v1::WORKER_STATE_READY;
               });
  if (live.empty()) return absl::NotFoundError("no worker is running");
  return live[std::uniform_int_distribution<size_t>(0, live.size() - 1)(stage.random)];
}

absl::Status EndWorker(DrillStage& stage, const v1::Worker& worker, int signal) {
  const SteadyTime start = RealClock().Steady();
  RETURN_IF_ERROR(stage.local->SignalWorker(worker.pid(), signal));
  const bool ended = stage.local->WaitWorkerEnd(worker.pid(), kHangTimeout);
  stage.ledger.Fault(worker.name(), start, RealClock().Steady());
  if (ended) return absl::OkStatus();
  return absl::DeadlineExceededError(absl::StrCat("worker ", worker.name(), ", process ",
                                                  worker.pid(), ", is not replaced after ",
                                                  absl::FormatDuration(kHangTimeout)));
}

absl::Status CheckTold(DrillStage& stage, std::set<int64_t> pids) {
  const absl::Time deadline = absl::Now() + kToldTimeout;
  for (;;) {
    ASSIGN_OR_RETURN(const std::vector<v1::Event> events, stage.fleet.Events());
    for (const v1::Event& event : events) {
      const auto pid = event.details().find("pid");
      int64_t number = 0;
      if (IsEnd(event) && pid != event.details().end() && absl::SimpleAtoi(pid->second, &number)) {
        pids.erase(number);
      }
    }
    if (pids.empty()) return absl::OkStatus();
    if (absl::Now() >= deadline || stage.fleet.interrupted()) {
      return absl::InternalError(absl::StrCat("no event tells how process ", *pids.begin(),
                                              " has ended (of ", pids.size(), " such)"));
    }
    absl::SleepFor(kToldPoll);
  }
}

absl::StatusOr<uint64_t> LastEvent(DrillStage& stage) {
  ASSIGN_OR_RETURN(const std::vector<v1::Event> events, stage.fleet.Events());
  return events.empty() ? 0 : events.back().id();
}

absl::Status CheckEndsTold(DrillStage& stage, uint64_t since_id,
                           const std::map<std::string, uint64_t>& ends) {
  const absl::Time deadline = absl::Now() + kToldTimeout;
  for (;;) {
    ASSIGN_OR_RETURN(const std::vector<v1::Event> events, stage.fleet.Events(since_id));
    std::map<std::string, uint64_t> told;
    for (const v1::Event& event : events) {
      if (IsEnd(event)) ++told[event.subject()];
    }
    const auto missing = std::find_if(ends.begin(), ends.end(), [&told](const auto& end) {
      return told[end.first] < end.second;
    });
    if (missing == ends.end()) return absl::OkStatus();
    if (absl::Now() >= deadline || stage.fleet.interrupted()) {
      return absl::InternalError(absl::StrCat("worker ", missing->first, " was ended ",
                                              missing->second, " times, but events tell of ",
                                              told[missing->first]));
    }
    absl::SleepFor(kToldPoll);
  }
}

const std::vector<DrillFault>& DrillFaults(DrillBackend backend) {
  static const std::vector<DrillFault>* const local = new std::vector<DrillFault>{
      {"rolling-restart", "every worker is replaced, one after the other", RollingRestart},
      {"worker-kill", "kill -9 of a worker", WorkerKill},
      {"worker-stop", "SIGSTOP of a worker, which supervision must notice and replace", WorkerStop},
      {"coordinator-kill", "kill -9 of the coordinator, and a new one half a second later",
       CoordinatorKill},
      {"scale-up", "two workers more", ScaleUp},
      {"scale-down", "two workers fewer, which drain", ScaleDown},
  };
  return backend == DrillBackend::kLocal ? *local : ClusterFaults();
}

const DrillFault* FindDrillFault(DrillBackend backend, absl::string_view name) {
  for (const DrillFault& fault : DrillFaults(backend)) {
    if (fault.name == name) return &fault;
  }
  return nullptr;
}

}  // namespace center::cli
