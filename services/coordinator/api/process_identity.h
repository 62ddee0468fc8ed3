// Knowing a process again: a pid alone is not enough, because the kernel uses pids again.
#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "services/common/fd.h"
#include "services/coordinator/state/store.h"

namespace center::coordinator {

// The record of a process that was just started. What cannot be found out stays empty, and such a
// record matches no process later.
state::ProcessRecord IdentifyProcess(absl::string_view worker, int64_t pid);

// True when the recorded process still lives (a zombie does not).
bool IsSameProcess(const state::ProcessRecord& record);

// A pidfd of the recorded process; not valid when it lives no more, or its pid is another's now.
ScopedFd OpenProcess(const state::ProcessRecord& record);

}  // namespace center::coordinator
