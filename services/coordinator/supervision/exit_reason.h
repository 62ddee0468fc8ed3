// Why a process ended: the cause, and in words.
#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "services/common/clock.h"
#include "services/coordinator/supervision/evidence.h"
#include "services/coordinator/supervision/process_launcher.h"
#include "services/coordinator/supervision/slot.h"

namespace center::supervision {

// Exit codes of a worker that say that another try is useless: it does not understand its command
// line, or is not known to the coordinator (two programs that do not belong together).
inline constexpr int kExitUsage = 2;
inline constexpr int kExitUnknown = 3;

// As DeathCause of the API.
enum class DeathCause {
  kRequested,    // asked to end, and did
  kCleanExit,    // exited with code 0 without being asked by Center
  kErrorExit,    // exited with another code
  kCrash,        // a signal that it raised itself, or that the kernel sent for a fault
  kKilled,       // a signal that somebody else has sent
  kOutOfMemory,  // the kernel's out-of-memory killer
  kHung,         // by Center, as are the next three
  kStartTimeout,
  kDrainTimeout,
  kTaskTimeout,
  kLaunchFailed,
  kUnknown,  // it is gone, and nobody could see how
};

// "out-of-memory", …: in event details.
absl::string_view DeathCauseName(DeathCause cause);

struct Death {
  DeathCause cause = DeathCause::kUnknown;
  // One line for people, complete, e.g.
  //   exited with code 3
  //   exited with code 0 without being asked to
  //   killed by SIGSEGV (core dumped), while running job j7 countdown, input 4711
  //   killed by SIGABRT, sent by process 4711 (bash), uid 0
  //   killed by the kernel's out-of-memory killer: cgroup /a counts 1 more kill
  //   killed by Center: no heartbeat for 5.0 s
  //   stopped on request
  std::string reason;
  // "process 4711 (bash), uid 0", "Center", or empty where the kernel does not tell.
  std::string ended_by;
};

// `slot` is the slot before it is told of the death. Where the exit is not known, the process's own
// account stands for it.
Death DescribeDeath(const ProcessExit& exit, const Slot& slot, const Evidence& evidence);

// Fills in an exit that is not known with the process's own account, if there is one; true when it
// is known then.
bool CompleteExit(const Evidence& evidence, ProcessExit* exit);

// The part after "killed by Center: ". REQUIRES: slot.kill_cause() is not kNone.
std::string DescribeKill(const Slot& slot);

// Why a slot is FAILED after a death for `reason`, as above:
//   5 deaths within 30.0 s; the last one exited with code 1; not restarted by itself
// REQUIRES: its state is FAILED.
std::string DescribeFailure(const Slot& slot, const std::string& reason);

// What a death means to its slot.
DeathKind KindOfDeath(DeathCause cause, int exit_code, bool ran_a_task);

// "SIGKILL"; "signal 77" for one without a name.
std::string SignalName(int signal);

// "5.0 s".
std::string FormatSeconds(SteadyDuration duration);

}  // namespace center::supervision
