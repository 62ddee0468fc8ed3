// Knowing a process again: a pid alone is not enough, because the kernel uses pids again.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "services/coordinator/state/store.h"

namespace center::coordinator {

// The record of a process that was just started. What cannot be found out stays empty, and such a
// record matches no process later.
state::ProcessRecord IdentifyProcess(absl::string_view worker, int64_t pid);

// True when the recorded process still lives (a zombie does not).
bool IsSameProcess(const state::ProcessRecord& record);

}  // namespace center::coordinator
