#include "services/coordinator/api/supervision_messages.h"

#include <utility>

#include "services/common/log.h"
#include "services/common/utf8.h"
#include "services/coordinator/api/spec.h"

namespace center::coordinator {
namespace {

using supervision::SlotState;

v1::EventType ToProto(supervision::EventType type) {
  switch (type) {
    case supervision::EventType::kWorkerStarted:
      return v1::EVENT_TYPE_WORKER_STARTED;
    case supervision::EventType::kWorkerReady:
      return v1::EVENT_TYPE_WORKER_READY;
    case supervision::EventType::kWorkerDraining:
      return v1::EVENT_TYPE_WORKER_DRAINING;
    case supervision::EventType::kWorkerStopped:
      return v1::EVENT_TYPE_WORKER_STOPPED;
    case supervision::EventType::kWorkerDied:
      return v1::EVENT_TYPE_WORKER_DIED;
    case supervision::EventType::kWorkerHung:
      return v1::EVENT_TYPE_WORKER_HUNG;
    case supervision::EventType::kWorkerBackoff:
      return v1::EVENT_TYPE_WORKER_BACKOFF;
    case supervision::EventType::kWorkerFailed:
      return v1::EVENT_TYPE_WORKER_FAILED;
    case supervision::EventType::kWorkerAdopted:
      return v1::EVENT_TYPE_WORKER_ADOPTED;
  }
  return v1::EVENT_TYPE_UNSPECIFIED;
}

v1::DeathCause ToProto(supervision::DeathCause cause) {
  switch (cause) {
    case supervision::DeathCause::kRequested:
      return v1::DEATH_CAUSE_REQUESTED;
    case supervision::DeathCause::kCleanExit:
      return v1::DEATH_CAUSE_CLEAN_EXIT;
    case supervision::DeathCause::kErrorExit:
      return v1::DEATH_CAUSE_ERROR_EXIT;
    case supervision::DeathCause::kCrash:
      return v1::DEATH_CAUSE_CRASH;
    case supervision::DeathCause::kKilled:
      return v1::DEATH_CAUSE_KILLED;
    case supervision::DeathCause::kOutOfMemory:
      return v1::DEATH_CAUSE_OUT_OF_MEMORY;
    case supervision::DeathCause::kHung:
      return v1::DEATH_CAUSE_HUNG;
    case supervision::DeathCause::kStartTimeout:
      return v1::DEATH_CAUSE_START_TIMEOUT;
    case supervision::DeathCause::kDrainTimeout:
      return v1::DEATH_CAUSE_DRAIN_TIMEOUT;
    case supervision::DeathCause::kTaskTimeout:
      return v1::DEATH_CAUSE_TASK_TIMEOUT;
    case supervision::DeathCause::kLaunchFailed:
      return v1::DEATH_CAUSE_LAUNCH_FAILED;
    case supervision::DeathCause::kUnknown:
      return v1::DEATH_CAUSE_UNKNOWN;
  }
  return v1::DEATH_CAUSE_UNSPECIFIED;
}

}  // namespace

v1::WorkerState ToProto(SlotState state) {
  switch (state) {
    case SlotState::kStarting:
      return v1::WORKER_STATE_STARTING;
    case SlotState::kReady:
      return v1::WORKER_STATE_READY;
    case SlotState::kDraining:
      return v1::WORKER_STATE_DRAINING;
    case SlotState::kStopped:
      return v1::WORKER_STATE_STOPPED;
    case SlotState::kBackoff:
      return v1::WORKER_STATE_BACKOFF;
    case SlotState::kFailed:
      return v1::WORKER_STATE_FAILED;
  }
  return v1::WORKER_STATE_UNSPECIFIED;
}

v1::WorkerExit ToProto(const supervision::ExitRecord& record) {
  v1::WorkerExit exit;
  exit.set_pid(record.exit.pid);
  *exit.mutable_time() = FromTime(record.exit.time);
  exit.set_exit_code(record.exit.exit_code);
  exit.set_signal(record.exit.signal);
  exit.set_core_dumped(record.exit.core_dumped);
  exit.set_reason(ValidUtf8(Printable(record.reason, 1024)));
  exit.set_stderr_tail(Utf8Lines(record.exit.stderr_tail));
  exit.set_requested(record.requested);
  exit.set_cause(ToProto(record.cause));
  exit.set_stack(Utf8Lines(record.stack));
  for (const std::string& running : record.running) exit.add_running(ValidUtf8(running));
  exit.set_ended_by(ValidUtf8(record.ended_by));
  return exit;
}

v1::Event ToProto(const supervision::SupervisionEvent& event) {
  v1::Event stored;
  stored.set_type(ToProto(event.type));
  stored.set_subject(event.subject);
  stored.set_reason(event.reason);
  for (const auto& [key, value] : event.details) {
    (*stored.mutable_details())[key] = Utf8Lines(value);
  }
  return stored;
}

std::function<void(int64_t, std::function<void(absl::StatusOr<std::string>)>)> AutopsyBy(
    TakeStacks take_stacks) {
  if (!take_stacks) return nullptr;
  return [take_stacks = std::move(take_stacks)](
             int64_t pid, std::function<void(absl::StatusOr<std::string>)> done) {
    take_stacks(pid,
                [done = std::move(done)](const absl::StatusOr<supervision::ProcessStacks>& stacks) {
                  if (!stacks.ok()) return done(stacks.status());
                  done(supervision::FormatStacks(*stacks));
                });
  };
}

}  // namespace center::coordinator
