#include "services/coordinator/supervision/exit_reason.h"

#include <chrono>
#include <csignal>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

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
  }
  return "no reason";
}

std::string DescribeExit(const ProcessExit& exit, const Slot& slot) {
  if (exit.signal == SIGKILL && slot.kill_cause() != KillCause::kNone) {
    return absl::StrCat("killed by Center: ", DescribeKill(slot));
  }
  if (exit.signal == SIGKILL) {
    return "killed by SIGKILL, not by Center: out-of-memory killer or another user";
  }
  if (exit.signal != 0) {
    const std::string core = exit.core_dumped ? " (core dumped)" : "";
    if (exit.signal != SIGTERM) return absl::StrCat("killed by ", SignalName(exit.signal), core);
    // A process that has no handler yet dies of the SIGTERM that asks it to finish.
    return slot.stop_requested() ? "stopped on request, by SIGTERM before it was up"
                                 : "killed by SIGTERM, not by Center";
  }
  if (exit.exit_code != 0) {
    return absl::StrCat("exited with code ", exit.exit_code,
                        slot.stop_requested() ? " while it was being stopped" : "");
  }
  return slot.stop_requested() ? "stopped on request" : "exited with code 0 without being asked to";
}

}  // namespace center::supervision
