// Why a process ended, in words.
#pragma once

#include <string>

#include "services/common/clock.h"
#include "services/coordinator/supervision/process_launcher.h"
#include "services/coordinator/supervision/slot.h"

namespace center::supervision {

// One line for people, e.g.
//   exited with code 3
//   exited with code 0 without being asked to
//   killed by SIGSEGV (core dumped)
//   killed by SIGKILL, not by Center: out-of-memory killer or another user
//   killed by Center: no heartbeat for 5.0 s
//   stopped on request
// `slot` is the slot before it is told of the death.
std::string DescribeExit(const ProcessExit& exit, const Slot& slot);

// The part after "killed by Center: ". REQUIRES: slot.kill_cause() is not kNone.
std::string DescribeKill(const Slot& slot);

// "SIGKILL"; "signal 77" for one without a name.
std::string SignalName(int signal);

// "5.0 s".
std::string FormatSeconds(SteadyDuration duration);

}  // namespace center::supervision
