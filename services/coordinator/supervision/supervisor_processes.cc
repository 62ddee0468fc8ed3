#include <sys/random.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <memory>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "services/common/fd.h"
#include "services/common/log.h"
#include "services/common/status_macros.h"
#include "services/coordinator/supervision/crash_text.h"
#include "services/coordinator/supervision/exit_details.h"
#include "services/coordinator/supervision/exit_reason.h"
#include "services/coordinator/supervision/supervisor_internal.h"

namespace center::supervision {
namespace {

constexpr size_t kTokenBytes = 16;

}  // namespace

absl::StatusOr<std::string> NewToken() {
  std::string bytes(kTokenBytes, '\0');
  if (getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    return ErrnoStatus(errno, "getrandom");
  }
  return absl::BytesToHexString(bytes);
}

absl::Status Supervisor::Launch(Process& process) {
  ASSIGN_OR_RETURN(std::string token, NewToken());
  const LaunchSpec spec = process.server.plan.launch(process.index, token);
  const uint64_t launch_id = ++last_launch_id_;
  ASSIGN_OR_RETURN(const int64_t pid, launcher_.Launch(spec, OnExitOf(process, launch_id)));
  process.token = std::move(token);
  process.launch_id = launch_id;
  process.pid = pid;
  process.start_time = clock_.Wall();
  process.launched = clock_.Steady();
  process.kill_reported = false;
  process.generation = process.server.plan.generation;
  process.autopsy_begun = false;
  process.stacks.clear();
  process.adopted = false;
  ++process.launches;
  NotifyChanged(process);
  NotifyEvent(EventType::kWorkerStarted, process, absl::StrCat("launched as process ", pid),
              {{"pid", absl::StrCat(pid)}});
  return absl::OkStatus();
}

ProcessLauncher::ExitCallback Supervisor::OnExitOf(const Process& process, uint64_t launch_id) {
  return [weak = std::weak_ptr<Supervisor*>(self_), server = process.server.plan.name,
          slot = process.index, launch_id](ProcessExit exit) {
    if (const auto self = weak.lock()) (*self)->OnExit(server, slot, launch_id, std::move(exit));
  };
}

void Supervisor::LaunchOrDie(Process& process) {
  const absl::Status status = Launch(process);
  if (status.ok()) return;
  process.launched = clock_.Steady();
  RecordDeath(process,
              ExitRecord{.exit = {.time = clock_.Wall()},
                         .cause = DeathCause::kLaunchFailed,
                         .reason = absl::StrCat("could not be launched: ", status.message())});
}

void Supervisor::OnExit(absl::string_view server_name, uint32_t slot, uint64_t launch_id,
                        ProcessExit exit) {
  const Scope scope(*this);
  const auto found = servers_.find(std::string(server_name));
  if (found == servers_.end() || slot >= found->second->processes.size()) return;
  Server& server = *found->second;
  Process& process = server.processes[slot];
  if (process.launch_id != launch_id) return;
  RecordDeath(process, Examine(process, std::move(exit)));
  Advance(process);
  Trim(server);
  RemoveIfStopped(server);
}

ExitRecord Supervisor::Examine(const Process& process, ProcessExit exit) {
  const auto& examine = process.server.plan.examine;
  Evidence evidence = examine ? examine(process.index, exit) : Evidence();
  CompleteExit(evidence, &exit);
  Death death = DescribeDeath(exit, process.slot, evidence);
  const bool finished = death.cause == DeathCause::kCleanExit && !evidence.finished.empty();
  CrashText crash = SplitCrashText(exit.stderr_tail);
  exit.stderr_tail = LastLines(crash.rest, kExitStderrBytesMax);
  return {.exit = std::move(exit),
          .cause = death.cause,
          .reason = std::move(death.reason),
          .ended_by = std::move(death.ended_by),
          .running = std::move(evidence.running),
          .stack = crash.stack.empty() ? process.stacks : crash.stack,
          .finished = finished};
}

void Supervisor::RecordDeath(Process& process, ExitRecord record) {
  const SteadyTime now = clock_.Steady();
  const bool requested = process.slot.stop_requested();
  const std::string reason = record.reason;
  const auto details = ExitDetails(record, now - process.launched);
  if (!requested && !record.finished) NoteDeath(process, process.slot.was_ready(), reason);
  const bool finished = record.finished;
  process.slot.Died(
      now, finished ? DeathKind::kFinished
                    : KindOfDeath(record.cause, record.exit.exit_code, !record.running.empty()));
  process.pid = 0;
  process.token.clear();
  record.requested = requested;
  process.last_exit = std::move(record);
  NotifyChanged(process);
  NotifyEvent(requested || finished ? EventType::kWorkerStopped : EventType::kWorkerDied, process,
              reason, details);
  if (process.slot.state() == SlotState::kFailed) {
    NotifyEvent(EventType::kWorkerFailed, process, DescribeFailure(process.slot, reason));
  } else if (process.slot.state() == SlotState::kStopped && !requested && !finished) {
    NotifyEvent(EventType::kWorkerStopped, process, "not restarted: so its restart policy says");
  } else if (process.slot.state() == SlotState::kBackoff &&
             process.slot.backoff() > SteadyDuration::zero()) {
    NotifyEvent(EventType::kWorkerBackoff, process,
                absl::StrCat("restarted in ", FormatSeconds(process.slot.backoff())));
  }
}

void Supervisor::Advance(Process& process) {
  while (!process.Waits()) {
    const SlotAction action = process.slot.Tick(clock_.Steady());
    if (action == SlotAction::kNone) return;
    Apply(process, action);
  }
}

void Supervisor::Apply(Process& process, SlotAction action) {
  switch (action) {
    case SlotAction::kNone:
      return;
    case SlotAction::kLaunch:
      return LaunchOrDie(process);
    case SlotAction::kDrain:
    case SlotAction::kDrainNow:
      notifications_.push_back([this, worker = process.name, action] {
        observer_.RequestDrain(worker, action == SlotAction::kDrainNow);
      });
      return;
    case SlotAction::kTerminate:
      return SendSignal(process, SIGTERM);
    case SlotAction::kKill:
      return AutopsyAndKill(process);
  }
}

void Supervisor::AutopsyAndKill(Process& process) {
  const KillCause cause = process.slot.kill_cause();
  // Who says "at once" does not want to wait. One that was begun already has taken too long.
  if (!options_.autopsy || cause == KillCause::kStopNow || process.autopsy_begun) {
    if (process.autopsy_begun && process.stacks.empty()) {
      process.stacks = "the stacks could not be taken in time";
    }
    return Kill(process);
  }
  process.autopsy_begun = true;
  options_.autopsy(process.pid,
                   [weak = std::weak_ptr<Supervisor*>(self_), server = process.server.plan.name,
                    slot = process.index,
                    launch_id = process.launch_id](const absl::StatusOr<std::string>& stacks) {
                     if (const auto self = weak.lock())
                       (*self)->OnAutopsy(server, slot, launch_id, stacks);
                   });
}

void Supervisor::OnAutopsy(absl::string_view server_name, uint32_t slot, uint64_t launch_id,
                           const absl::StatusOr<std::string>& stacks) {
  const Scope scope(*this);
  const auto found = servers_.find(std::string(server_name));
  if (found == servers_.end() || slot >= found->second->processes.size()) return;
  Process& process = found->second->processes[slot];
  // It has died meanwhile, or was killed because this took too long.
  if (process.launch_id != launch_id || process.pid == 0 || process.kill_reported) return;
  process.stacks = stacks.ok()
                       ? *stacks
                       : absl::StrCat("the stacks could not be taken: ", stacks.status().message());
  Kill(process);
}

void Supervisor::KillForTask(absl::string_view worker, int64_t pid, const std::string& why) {
  const Scope scope(*this);
  Process* process = Find(worker);
  if (process == nullptr || process->pid != pid || !process->slot.live()) return;
  Apply(*process, process->slot.KillForTask(clock_.Steady(), why));
}

void Supervisor::Kill(Process& process) {
  const std::string cause = DescribeKill(process.slot);
  if (process.kill_reported) {
    spdlog::warn("{} {}, process {}, has survived a SIGKILL so far ({})", options_.words.member,
                 process.name, process.pid, cause);
  } else if (process.slot.kill_cause() == KillCause::kHung) {
    NotifyEvent(EventType::kWorkerHung, process, absl::StrCat(cause, ": killed"),
                {{"pid", absl::StrCat(process.pid)}, {"stack", process.stacks}});
  }
  process.kill_reported = true;
  SendSignal(process, SIGKILL);
}

void Supervisor::SendSignal(const Process& process, int signal) {
  const absl::Status status = launcher_.Signal(process.pid, signal);
  // NotFound: it has died, and the report of that is on its way.
  if (!status.ok() && !absl::IsNotFound(status)) {
    spdlog::error("{} {}: cannot send {}: {}", options_.words.member, process.name,
                  SignalName(signal), status);
  }
}

void Supervisor::NotifyChanged(const Process& process) {
  notifications_.push_back([this, server = process.server.plan.name, view = process.View()] {
    observer_.OnSlotChanged(server, view);
  });
}

void Supervisor::NotifyEvent(EventType type, const Process& process, std::string reason,
                             std::map<std::string, std::string> details) {
  notifications_.push_back([this, event = SupervisionEvent{.type = type,
                                                           .subject = process.name,
                                                           .reason = std::move(reason),
                                                           .details = std::move(details)}] {
    observer_.OnEvent(event);
  });
}

}  // namespace center::supervision
