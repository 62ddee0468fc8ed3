#include "services/coordinator/supervision/supervisor.h"

#include <algorithm>
#include <chrono>
#include <random>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "services/common/log.h"
#include "services/common/status_macros.h"
#include "services/coordinator/supervision/exit_reason.h"
#include "services/coordinator/supervision/supervisor_internal.h"

namespace center::supervision {
namespace {

std::function<double()> SystemRandom() {
  auto generator = std::make_shared<std::mt19937_64>(std::random_device{}());
  return [generator] { return std::uniform_real_distribution<double>(0.0, 1.0)(*generator); };
}

}  // namespace

Supervisor::Supervisor(ProcessLauncher& launcher, Clock& clock, Observer& observer,
                       SupervisorOptions options)
    : launcher_(launcher),
      clock_(clock),
      observer_(observer),
      options_(std::move(options)),
      self_(std::make_shared<Supervisor*>(this)) {
  if (!options_.random) options_.random = SystemRandom();
}

Supervisor::~Supervisor() = default;

absl::Status Supervisor::Start(ServerPlan plan) {
  const Scope scope(*this);
  RETURN_IF_ERROR(CheckPlan(plan));
  if (servers_.contains(plan.name)) {
    return absl::AlreadyExistsError(
        absl::StrCat(options_.words.group, " ", plan.name, " runs already, or is still stopping"));
  }
  const auto position = servers_.emplace(plan.name, std::make_unique<Server>()).first;
  Server& server = *position->second;
  server.limits = LimitsOf(plan);
  server.plan = std::move(plan);
  for (uint32_t i = 0; i < server.plan.slots; ++i) {
    Process& process = AddSlot(server);
    if (i > 0) {
      LaunchOrDie(process);
    } else if (const absl::Status status = Launch(process); !status.ok()) {
      servers_.erase(position);
      return status;
    }
    Advance(process);
  }
  return absl::OkStatus();
}

absl::Status Supervisor::CheckPlan(const ServerPlan& plan) const {
  if (plan.slots == 0 || plan.slots > kSlotsPerServerMax) {
    return absl::InvalidArgumentError(absl::StrCat(options_.words.group, " ", plan.name, ": ",
                                                   plan.slots, " slots; 1 to ", kSlotsPerServerMax,
                                                   " are possible"));
  }
  if (plan.drain_timeout < absl::ZeroDuration() || plan.drain_timeout > kDrainTimeoutMax) {
    return absl::InvalidArgumentError(
        absl::StrCat(options_.words.group, " ", plan.name, ": a drain timeout of ",
                     absl::FormatDuration(plan.drain_timeout), "; 0 to ",
                     absl::FormatDuration(kDrainTimeoutMax), " are possible"));
  }
  if (!plan.launch) return absl::InvalidArgumentError("the plan does not say what to launch");
  return absl::OkStatus();
}

SlotLimits Supervisor::LimitsOf(const ServerPlan& plan) const {
  SlotLimits limits = options_.limits;
  limits.restart = plan.restart;
  limits.drain_timeout = absl::ToChronoNanoseconds(plan.drain_timeout);
  limits.start_timeout = absl::ToChronoNanoseconds(plan.start_timeout);
  limits.liveness_timeout = absl::ToChronoNanoseconds(plan.liveness_timeout);
  return limits;
}

Supervisor::Process& Supervisor::AddSlot(Server& server) {
  const auto index = static_cast<uint32_t>(server.processes.size());
  Process& process =
      server.processes.emplace_back(server, index, absl::StrCat(server.plan.name, "/", index),
                                    Slot(server.limits, options_.random));
  process.slot.Start(clock_.Steady());
  return process;
}

absl::Status Supervisor::Stop(absl::string_view server_name, bool now) {
  const Scope scope(*this);
  const auto found = servers_.find(std::string(server_name));
  if (found == servers_.end()) {
    return absl::NotFoundError(
        absl::StrCat(options_.words.group, " ", server_name, " does not run"));
  }
  Server& server = *found->second;
  server.stopping = true;
  server.held = false;
  RecordLost(server);
  for (Process& process : server.processes) {
    End(process, Ending::kStop, now, absl::StrCat("the ", options_.words.group, " is stopped"));
  }
  if (server.roll.has_value()) {
    EndRoll(server,
            {.outcome = RollOutcome::kStopped,
             .reason = absl::StrCat("the ", options_.words.group, " was stopped meanwhile")});
  }
  RemoveIfStopped(server);
  return absl::OkStatus();
}

void Supervisor::End(Process& process, Ending ending, bool now, absl::string_view why) {
  const SlotState before = process.slot.state();
  const SteadyTime time = clock_.Steady();
  const SlotAction action =
      ending == Ending::kReplace ? process.slot.Replace(time, now) : process.slot.Stop(time, now);
  if (process.slot.state() != before) NotifyChanged(process);
  if (before != SlotState::kDraining && process.slot.state() == SlotState::kDraining) {
    NotifyEvent(EventType::kWorkerDraining, process,
                absl::StrCat("asked to finish", now ? " at once: " : ": ", why));
  }
  Apply(process, action);
}

absl::Status Supervisor::Register(absl::string_view worker, int64_t pid, absl::string_view token) {
  const Scope scope(*this);
  RETURN_IF_ERROR(Identify(worker, pid, token));
  Process& process = *Find(worker);
  process.slot.Registered(clock_.Steady());
  ReportAdopted(process);
  return absl::OkStatus();
}

absl::Status Supervisor::Identify(absl::string_view worker, int64_t pid, absl::string_view token) {
  const Process* process = Find(worker);
  if (process == nullptr) {
    return absl::FailedPreconditionError(
        absl::StrCat("there is no ", options_.words.member, " ", worker, " here"));
  }
  if (!process->slot.live() || process->pid == 0) {
    return absl::FailedPreconditionError(absl::StrCat(options_.words.member, " ", worker, " is ",
                                                      SlotStateName(process->slot.state()),
                                                      ", without a process"));
  }
  if (process->pid != pid) {
    return absl::FailedPreconditionError(absl::StrCat(
        options_.words.member, " ", worker, " is process ", process->pid, ", not process ", pid));
  }
  if (process->token != token) {
    return absl::FailedPreconditionError(
        absl::StrCat("process ", pid, " has not shown the token that ", options_.words.member, " ",
                     worker, " was given"));
  }
  return absl::OkStatus();
}

void Supervisor::Disconnected(absl::string_view worker) {
  const Scope scope(*this);
  if (Process* process = FindRegistered(worker)) {
    Apply(*process, process->slot.Disconnected(clock_.Steady()));
  }
}

void Supervisor::SetReady(absl::string_view worker) {
  const Scope scope(*this);
  Process* process = FindRegistered(worker);
  if (process == nullptr) return;
  const SlotState before = process->slot.state();
  const SteadyTime now = clock_.Steady();
  process->slot.Ready(now);
  if (process->slot.state() == before) return;
  NotifyChanged(*process);
  NotifyEvent(EventType::kWorkerReady, *process,
              process->adopted
                  ? std::string("has gone on serving all along")
                  : absl::StrFormat("ready %.3f s after its launch",
                                    std::chrono::duration<double>(now - process->launched).count()),
              {{"pid", absl::StrCat(process->pid)}});
}

void Supervisor::Heartbeat(absl::string_view worker) {
  // No Scope: it only moves a deadline back.
  if (Process* process = FindRegistered(worker)) process->slot.Heartbeat(clock_.Steady());
}

void Supervisor::Draining(absl::string_view worker) {
  const Scope scope(*this);
  Process* process = FindRegistered(worker);
  if (process == nullptr) return;
  const SlotState before = process->slot.state();
  process->slot.WorkerDrains(clock_.Steady());
  if (process->slot.state() == before) return;
  NotifyChanged(*process);
  NotifyEvent(EventType::kWorkerDraining, *process, "finishes without being asked by Center",
              {{"pid", absl::StrCat(process->pid)}});
}

SteadyTime Supervisor::Tick() {
  {
    const Scope scope(*this);
    announced_ = SteadyTime::min();  // what is due next is returned, not announced
    const SteadyTime now = clock_.Steady();
    const SteadyTime due = NextDeadline();
    pulse_ = SteadyTime::max();
    const bool stood_still = due < now && now - due > options_.stall_tolerance;
    if (stood_still) {
      spdlog::warn("supervision stood still for {}: nobody is killed for being silent meanwhile",
                   FormatSeconds(now - due));
    }
    for (const auto& [name, server] : servers_) {
      for (Process& process : server->processes) {
        if (stood_still) process.slot.Forgive(now);
        Advance(process);
      }
    }
  }
  if (AnyLives()) pulse_ = clock_.Steady() + options_.pulse;
  announced_ = NextDeadline();
  return announced_;
}

std::vector<SlotView> Supervisor::Slots(absl::string_view server) const {
  std::vector<SlotView> result;
  const auto found = servers_.find(std::string(server));
  if (found == servers_.end()) return result;
  for (const Process& process : found->second->processes) result.push_back(process.View());
  return result;
}

std::vector<std::string> Supervisor::Servers() const {
  std::vector<std::string> result;
  result.reserve(servers_.size());
  for (const auto& [name, server] : servers_) result.push_back(name);
  return result;
}

Supervisor::Process* Supervisor::Find(absl::string_view worker) {
  const size_t slash = worker.rfind('/');
  if (slash == absl::string_view::npos) return nullptr;
  const auto found = servers_.find(std::string(worker.substr(0, slash)));
  uint32_t index = 0;
  if (found == servers_.end() || !absl::SimpleAtoi(worker.substr(slash + 1), &index)) {
    return nullptr;
  }
  if (index >= found->second->processes.size()) return nullptr;
  Process& process = found->second->processes[index];
  return process.name == worker ? &process : nullptr;  // not "default/00"
}

Supervisor::Process* Supervisor::FindRegistered(absl::string_view worker) {
  Process* process = Find(worker);
  return process != nullptr && process->slot.registered() ? process : nullptr;
}

void Supervisor::RemoveIfStopped(Server& server) {
  if (!server.stopping) return;
  for (const Process& process : server.processes) {
    if (process.slot.state() != SlotState::kStopped) return;
  }
  const std::string name = server.plan.name;
  servers_.erase(name);
  notifications_.push_back([this, name] { observer_.OnServerStopped(name); });
}

void Supervisor::DeliverNotifications() {
  while (!notifications_.empty()) {
    const std::function<void()> notify = std::move(notifications_.front());
    notifications_.pop_front();
    notify();
    StepRolls();  // it may have called back
  }
}

void Supervisor::AnnounceDeadline() {
  if (pulse_ == SteadyTime::max() && AnyLives()) pulse_ = clock_.Steady() + options_.pulse;
  const SteadyTime next = NextDeadline();
  if (next >= announced_) return;
  announced_ = next;
  if (options_.on_deadline) options_.on_deadline(next);
}

SteadyTime Supervisor::NextDeadline() const {
  SteadyTime next = pulse_;
  for (const auto& [name, server] : servers_) {
    for (const Process& process : server->processes) {
      if (!process.Waits()) next = std::min(next, process.slot.deadline());
    }
  }
  return next;
}

bool Supervisor::AnyLives() const {
  for (const auto& [name, server] : servers_) {
    for (const Process& process : server->processes) {
      if (process.slot.live()) return true;
    }
  }
  return false;
}

}  // namespace center::supervision
