#include "services/coordinator/supervision/exit_reason.h"

#include <chrono>
#include <csignal>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

namespace center::supervision {

std::string FormatSeconds(SteadyDuration duration) {
  return absl::StrFormat("%.1f s", std::chrono::duration<double>(duration).count());
}

std::string SignalName(int signal) {
  const char* abbreviation = sigabbrev_np(signal);
  if (abbreviation == nullptr) return absl::StrCat("signal ", signal);
  return absl::StrCat("SIG", abbreviation);
}

std::string DescribeKill(const Slot& slot) {
  switch (slot.kill_cause()) {
    case KillCause::kNone:
      break;
    case KillCause::kStartTimeout:
      return absl::StrCat("not ready within ", FormatSeconds(slot.limits().start_timeout));
    case KillCause::kHung:
      return absl::StrCat("no heartbeat for ", FormatSeconds(slot.silence()));
    case KillCause::kDrainTimeout:
      return absl::StrCat("still draining after ", FormatSeconds(slot.drain_allowance()));
    case KillCause::kStopNow:
      return absl::StrCat("told to stop at once, still there after ",
                          FormatSeconds(slot.limits().drain_grace));
    case KillCause::kTask:
      return slot.task_reason();
  }
  return "no reason";
}

namespace {

// A signal for which the process itself is to blame, unless somebody has sent it.
bool IsFault(int signal) {
  return signal == SIGSEGV || signal == SIGBUS || signal == SIGILL || signal == SIGFPE ||
         signal == SIGABRT || signal == SIGTRAP || signal == SIGSYS;
}

DeathCause CauseOf(KillCause cause) {
  switch (cause) {
    case KillCause::kHung:
      return DeathCause::kHung;
    case KillCause::kStartTimeout:
      return DeathCause::kStartTimeout;
    case KillCause::kDrainTimeout:
    case KillCause::kStopNow:
      return DeathCause::kDrainTimeout;
    case KillCause::kTask:
      return DeathCause::kTaskTimeout;
    case KillCause::kNone:
      break;
  }
  return DeathCause::kUnknown;
}

Death DescribeSigkill(const Slot& slot, const OomVerdict& oom) {
  if (slot.kill_cause() != KillCause::kNone) {
    return {CauseOf(slot.kill_cause()), absl::StrCat("killed by Center: ", DescribeKill(slot)),
            "Center"};
  }
  switch (oom.kind) {
    case OomVerdict::Kind::kKilled:
      return {DeathCause::kOutOfMemory,
              absl::StrCat("killed by the kernel's out-of-memory killer (SIGKILL): ", oom.detail),
              "the kernel's out-of-memory killer"};
    case OomVerdict::Kind::kNotKilled:
      return {DeathCause::kKilled,
              absl::StrCat("killed by SIGKILL, by another user or program: neither by Center nor "
                           "by the out-of-memory killer (",
                           oom.detail, ")"),
              ""};
    case OomVerdict::Kind::kNotAsked:
    case OomVerdict::Kind::kCannotTell:
      break;
  }
  const std::string doubt =
      oom.detail.empty() ? "" : absl::StrCat(" (cannot tell: ", oom.detail, ")");
  return {
      DeathCause::kKilled,
      absl::StrCat("killed by SIGKILL, not by Center: out-of-memory killer or another user", doubt),
      ""};
}

Death DescribeSignal(const ProcessExit& exit, const Slot& slot, const Evidence& evidence) {
  if (exit.signal == SIGKILL) return DescribeSigkill(slot, evidence.oom);
  // A process that has no handler yet dies of the SIGTERM that asks it to finish.
  if (exit.signal == SIGTERM && slot.stop_requested()) {
    return {DeathCause::kRequested, "stopped on request, by SIGTERM before it was up", "Center"};
  }
  Death death;
  death.ended_by = DescribeSender(evidence.sender);
  const bool sent = !death.ended_by.empty();
  death.cause = IsFault(exit.signal) && !sent ? DeathCause::kCrash : DeathCause::kKilled;
  const bool by_another = death.cause == DeathCause::kKilled && !sent;
  death.reason = absl::StrCat(
      "killed by ", SignalName(exit.signal), exit.core_dumped ? " (core dumped)" : "",
      sent ? absl::StrCat(", sent by ", death.ended_by) : "", by_another ? ", not by Center" : "");
  return death;
}

Death DescribeCode(const ProcessExit& exit, const Slot& slot, const Evidence& evidence) {
  const std::string sender = DescribeSender(evidence.sender);
  if (slot.stop_requested()) {
    if (exit.exit_code == 0) return {DeathCause::kRequested, "stopped on request", "Center"};
    return {DeathCause::kErrorExit,
            absl::StrCat("exited with code ", exit.exit_code, " while it was being stopped"), ""};
  }
  if (exit.exit_code == 0 && !evidence.finished.empty()) {
    return {DeathCause::kCleanExit, evidence.finished, ""};
  }
  std::string reason = absl::StrCat("exited with code ", exit.exit_code);
  if (!sender.empty()) {
    absl::StrAppend(&reason, ", asked to by ", sender);
  } else if (exit.exit_code == 0) {
    absl::StrAppend(&reason, " without being asked to");
  }
  if (evidence.recorded && evidence.end == FlightRecorder::End::kNone) {
    absl::StrAppend(&reason, ", by a call of exit() that is not the worker's own");
  }
  return {exit.exit_code == 0 ? DeathCause::kCleanExit : DeathCause::kErrorExit, reason, sender};
}

}  // namespace

bool CompleteExit(const Evidence& evidence, ProcessExit* exit) {
  if (exit->known) return true;
  if (!evidence.recorded || evidence.end == FlightRecorder::End::kNone) return false;
  exit->known = true;
  if (evidence.end == FlightRecorder::End::kExit) {
    exit->exit_code = evidence.end_value;
  } else {
    exit->signal = evidence.end_value;
  }
  return true;
}

namespace {

Death DescribeUnseen(const Slot& slot, const Evidence& evidence) {
  if (slot.kill_cause() != KillCause::kNone) return DescribeSigkill(slot, evidence.oom);
  if (evidence.oom.kind == OomVerdict::Kind::kKilled) return DescribeSigkill(slot, evidence.oom);
  return {DeathCause::kUnknown,
          evidence.recorded ? "gone without a word, so by SIGKILL; nobody could see who sent it"
                            : "gone; nobody could see how",
          ""};
}

}  // namespace

absl::string_view DeathCauseName(DeathCause cause) {
  switch (cause) {
    case DeathCause::kRequested:
      return "requested";
    case DeathCause::kCleanExit:
      return "clean-exit";
    case DeathCause::kErrorExit:
      return "error-exit";
    case DeathCause::kCrash:
      return "crash";
    case DeathCause::kKilled:
      return "killed";
    case DeathCause::kOutOfMemory:
      return "out-of-memory";
    case DeathCause::kHung:
      return "hung";
    case DeathCause::kStartTimeout:
      return "start-timeout";
    case DeathCause::kDrainTimeout:
      return "drain-timeout";
    case DeathCause::kTaskTimeout:
      return "task-timeout";
    case DeathCause::kLaunchFailed:
      return "launch-failed";
    case DeathCause::kUnknown:
      break;
  }
  return "unknown";
}

Death DescribeDeath(const ProcessExit& exit, const Slot& slot, const Evidence& evidence) {
  ProcessExit complete = exit;
  Death death;
  if (!CompleteExit(evidence, &complete)) {
    death = DescribeUnseen(slot, evidence);
  } else if (complete.signal != 0) {
    death = DescribeSignal(complete, slot, evidence);
  } else {
    death = DescribeCode(complete, slot, evidence);
  }
  if (!evidence.running.empty()) {
    absl::StrAppend(&death.reason, ", while running ", absl::StrJoin(evidence.running, "; "));
  }
  return death;
}

DeathKind KindOfDeath(DeathCause cause, int exit_code, bool ran_a_task) {
  switch (cause) {
    case DeathCause::kHung:
      return DeathKind::kHung;
    case DeathCause::kOutOfMemory:
      return DeathKind::kOutOfMemory;
    case DeathCause::kCleanExit:
      return DeathKind::kCleanExit;
    case DeathCause::kErrorExit:
      if (exit_code == kExitUsage || exit_code == kExitUnknown) return DeathKind::kFatalExit;
      return ran_a_task ? DeathKind::kTask : DeathKind::kFailure;
    case DeathCause::kTaskTimeout:
      return DeathKind::kTask;
    case DeathCause::kCrash:
    case DeathCause::kKilled:
    case DeathCause::kUnknown:
      return ran_a_task ? DeathKind::kTask : DeathKind::kFailure;
    case DeathCause::kRequested:
    case DeathCause::kStartTimeout:
    case DeathCause::kDrainTimeout:
    case DeathCause::kLaunchFailed:
      break;
  }
  return DeathKind::kFailure;
}

std::string DescribeFailure(const Slot& slot, const std::string& reason) {
  std::string not_again = absl::StrCat(reason, "; not restarted by itself");
  const SlotLimits& limits = slot.limits();
  switch (slot.fail_cause()) {
    case FailCause::kNone:
      break;
    case FailCause::kStartLimit:
      return absl::StrCat(limits.start_limit_deaths, " deaths within ",
                          FormatSeconds(limits.start_limit_window), "; the last one ", not_again);
    case FailCause::kFatalExit:
      return absl::StrCat("another try would end in the same way: ", not_again);
    case FailCause::kPolicy:
      return absl::StrCat("its restart policy is never: ", not_again);
  }
  return not_again;
}

}  // namespace center::supervision
