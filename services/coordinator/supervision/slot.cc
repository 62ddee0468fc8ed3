#include "services/coordinator/supervision/slot.h"

#include <algorithm>
#include <cassert>

namespace center::supervision {

absl::string_view SlotStateName(SlotState state) {
  switch (state) {
    case SlotState::kStarting:
      return "STARTING";
    case SlotState::kReady:
      return "READY";
    case SlotState::kDraining:
      return "DRAINING";
    case SlotState::kStopped:
      return "STOPPED";
    case SlotState::kBackoff:
      return "BACKOFF";
    case SlotState::kFailed:
      return "FAILED";
  }
  return "UNKNOWN";
}

void Slot::Start(SteadyTime now) {
  assert(state_ == SlotState::kStopped);
  Forget();
  BeginProcess(now);
}

void Slot::Forget() {
  failures_ = 0;
  deaths_.clear();
  fail_cause_ = FailCause::kNone;
}

void Slot::BeginProcess(SteadyTime now) {
  state_ = SlotState::kStarting;
  stop_requested_ = false;
  stop_immediately_ = false;
  replace_ = false;
  registered_ = false;
  drain_confirmed_ = false;
  terminate_sent_ = false;
  kill_cause_ = KillCause::kNone;
  ready_since_.reset();
  drain_timeout_ = limits_.drain_timeout;
  liveness_timeout_ = limits_.liveness_timeout;
  launched_ = now;
  state_deadline_ = now + limits_.start_timeout;
  liveness_deadline_ = kNever;
  escalate_deadline_ = kNever;
}

void Slot::Registered(SteadyTime now) {
  assert(live());
  registered_ = true;
  Heartbeat(now);
}

SlotAction Slot::Disconnected(SteadyTime now) {
  if (!live() || !registered_) return SlotAction::kNone;
  registered_ = false;
  // The request to drain may have been lost with the stream.
  if (stop_requested_ && !drain_confirmed_ && !terminate_sent_ && kill_cause_ == KillCause::kNone) {
    terminate_sent_ = true;
    return SlotAction::kTerminate;
  }
  return SlotAction::kNone;
}

void Slot::Ready(SteadyTime now) {
  if (!live() || !registered_) return;
  if (state_ == SlotState::kStarting && kill_cause_ == KillCause::kNone) {
    state_ = SlotState::kReady;
    ready_since_ = now;
    state_deadline_ = kNever;
    liveness_deadline_ = now + liveness_timeout_;
  }
  Heartbeat(now);
}

void Slot::Heartbeat(SteadyTime now) {
  if (!live() || !registered_) return;
  // Once it is being killed, nothing that it says brings it back.
  if (liveness_deadline_ != kNever) liveness_deadline_ = now + liveness_timeout_;
}

void Slot::WorkerDrains(SteadyTime now) {
  if (!live() || !registered_) return;
  drain_confirmed_ = true;
  escalate_deadline_ = kNever;
  if (state_ != SlotState::kDraining) {
    // Somebody else has told it to finish: a SIGTERM from outside.
    state_ = SlotState::kDraining;
    if (kill_cause_ == KillCause::kNone) {
      state_deadline_ = now + drain_allowance();
      liveness_deadline_ = now + liveness_timeout_;
    }
  }
  Heartbeat(now);
}

SlotAction Slot::Stop(SteadyTime now, bool immediately) {
  replace_ = false;
  if (!live()) {
    state_ = SlotState::kStopped;
    state_deadline_ = kNever;
    stop_requested_ = true;
    fail_cause_ = FailCause::kNone;
    return SlotAction::kNone;
  }
  const bool first = !stop_requested_;
  const bool hurry = immediately && !stop_immediately_;
  stop_requested_ = true;
  stop_immediately_ = stop_immediately_ || immediately;
  if (!first && !hurry) return SlotAction::kNone;
  return BeginStop(now, immediately);
}

SlotAction Slot::Replace(SteadyTime now, bool immediately) {
  if (!live()) {
    Forget();
    Wait(now, SteadyDuration::zero());
    return SlotAction::kNone;
  }
  const SlotAction action = Stop(now, immediately);
  replace_ = true;
  return action;
}

SlotAction Slot::BeginStop(SteadyTime now, bool immediately) {
  const bool drains_already = state_ == SlotState::kDraining;
  state_ = SlotState::kDraining;
  if (kill_cause_ != KillCause::kNone) return SlotAction::kNone;  // dies anyway
  if (immediately) {
    state_deadline_ = now + limits_.drain_grace;
  } else if (!drains_already) {
    state_deadline_ = now + drain_allowance();
  }
  if (drains_already && !immediately) return SlotAction::kNone;
  if (!registered_) {
    terminate_sent_ = true;
    // The second SIGTERM tells it not to wait.
    escalate_deadline_ = immediately ? now + limits_.drain_answer_timeout : kNever;
    return SlotAction::kTerminate;
  }
  if (!drain_confirmed_) escalate_deadline_ = now + limits_.drain_answer_timeout;
  return immediately ? SlotAction::kDrainNow : SlotAction::kDrain;
}

void Slot::Died(SteadyTime now, DeathKind kind) {
  assert(live());
  state_deadline_ = kNever;
  liveness_deadline_ = kNever;
  escalate_deadline_ = kNever;
  registered_ = false;
  if (stop_requested_) {
    state_ = SlotState::kStopped;
    if (!replace_) return;
    Forget();
    return Wait(now, SteadyDuration::zero());
  }
  if (kind == DeathKind::kFinished ||
      (kind == DeathKind::kCleanExit && limits_.restart != RestartPolicy::kAlways)) {
    state_ = SlotState::kStopped;
    return;
  }
  if (kind == DeathKind::kFatalExit) return Fail(FailCause::kFatalExit);
  if (limits_.restart == RestartPolicy::kNever) return Fail(FailCause::kPolicy);
  if (was_ready() && now - *ready_since_ >= limits_.stable_uptime) Forget();
  if (CountsAgainstStartLimit(kind)) deaths_.push_back(now);
  while (!deaths_.empty() && now - deaths_.front() > limits_.start_limit_window) {
    deaths_.pop_front();
  }
  if (deaths_.size() >= limits_.start_limit_deaths) return Fail(FailCause::kStartLimit);
  if (kind == DeathKind::kTask && failures_ > 0) return Wait(now, limits_.backoff_min);
  const SteadyDuration pause = NextBackoff();
  Wait(now, kind == DeathKind::kOutOfMemory ? std::max(pause, limits_.out_of_memory_pause) : pause);
}

bool Slot::CountsAgainstStartLimit(DeathKind kind) const {
  if (kind == DeathKind::kHung || kind == DeathKind::kTask) return false;
  return kind != DeathKind::kCleanExit || !was_ready();
}

void Slot::Wait(SteadyTime now, SteadyDuration pause) {
  state_ = SlotState::kBackoff;
  backoff_ = pause;
  state_deadline_ = now + pause;
}

void Slot::Fail(FailCause cause) {
  state_ = SlotState::kFailed;
  fail_cause_ = cause;
}

SteadyDuration Slot::NextBackoff() {
  const uint32_t failures_before = failures_++;
  if (failures_before == 0) return SteadyDuration::zero();
  SteadyDuration pause = limits_.backoff_min;
  for (uint32_t i = 1; i < failures_before && pause < limits_.backoff_max; ++i) pause *= 2;
  pause = std::min(pause, limits_.backoff_max);
  const double factor = 1.0 + limits_.backoff_jitter * (2.0 * random_() - 1.0);
  return std::chrono::duration_cast<SteadyDuration>(pause * factor);
}

SlotAction Slot::Tick(SteadyTime now) {
  if (now >= state_deadline_) {
    switch (state_) {
      case SlotState::kStarting:
        return Kill(now, KillCause::kStartTimeout);
      case SlotState::kReady:
        return Kill(now, KillCause::kHung);  // a repeated kill: READY has no deadline of its own
      case SlotState::kDraining:
        return Kill(now, stop_immediately_ ? KillCause::kStopNow : KillCause::kDrainTimeout);
      case SlotState::kBackoff:
        BeginProcess(now);
        return SlotAction::kLaunch;
      case SlotState::kStopped:
      case SlotState::kFailed:
        state_deadline_ = kNever;
        return SlotAction::kNone;
    }
  }
  if (now >= liveness_deadline_) {
    silence_ = now - (liveness_deadline_ - liveness_timeout_);
    return Kill(now, KillCause::kHung);
  }
  if (now >= escalate_deadline_) {
    escalate_deadline_ = kNever;
    terminate_sent_ = true;
    return SlotAction::kTerminate;
  }
  return SlotAction::kNone;
}

SlotAction Slot::KillForTask(SteadyTime now, std::string why) {
  if (kill_cause_ == KillCause::kNone) task_reason_ = std::move(why);
  return Kill(now, KillCause::kTask);
}

SlotAction Slot::Kill(SteadyTime now, KillCause cause) {
  if (kill_cause_ == KillCause::kNone) kill_cause_ = cause;
  liveness_deadline_ = kNever;
  escalate_deadline_ = kNever;
  // A process in an uninterruptible call dies late; say so again rather than wait silently.
  state_deadline_ = now + limits_.kill_repeat;
  return SlotAction::kKill;
}

void Slot::Forgive(SteadyTime now) {
  if (kill_cause_ != KillCause::kNone) return;
  const SteadyTime again = now + liveness_timeout_;
  if (liveness_deadline_ != kNever) liveness_deadline_ = std::max(liveness_deadline_, again);
  if (state_ == SlotState::kStarting) state_deadline_ = std::max(state_deadline_, again);
  if (escalate_deadline_ != kNever) {
    escalate_deadline_ = std::max(escalate_deadline_, now + limits_.drain_answer_timeout);
  }
}

void Slot::SetLimits(const SlotLimits& limits) {
  limits_ = limits;
  if (state_ == SlotState::kStarting && kill_cause_ == KillCause::kNone) {
    state_deadline_ = launched_ + limits_.start_timeout;
  }
}

SteadyTime Slot::deadline() const {
  return std::min({state_deadline_, liveness_deadline_, escalate_deadline_});
}

}  // namespace center::supervision
