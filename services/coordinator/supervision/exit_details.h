// How a process ended, as details of an event. Pure.
#pragma once

#include <map>
#include <string>

#include "services/common/clock.h"
#include "services/coordinator/supervision/supervisor.h"

namespace center::supervision {

// Keys, each only where it means something: cause, pid, uptime_ms, exit_code, signal, core_dumped,
// ended_by, running, stack, stderr.
std::map<std::string, std::string> ExitDetails(const ExitRecord& record, SteadyDuration uptime);

// The end of a text: at most `bytes_max`, from the beginning of a line where there is one, and
// never from the middle of a UTF-8 character.
std::string LastLines(absl::string_view text, size_t bytes_max);

}  // namespace center::supervision
