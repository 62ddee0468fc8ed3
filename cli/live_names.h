// Names that the coordinator knows, for completion.
#pragma once

#include "cli/complete.h"
#include "cli/context.h"

namespace center::cli {

// Longer than this nobody waits for a tab key.
inline constexpr absl::Duration kLiveNamesTimeout = absl::Milliseconds(300);

// Asks the coordinator of `context`, which must outlive what is returned.
LiveNames MakeLiveNames(Context& context);

}  // namespace center::cli
