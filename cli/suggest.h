// "Did you mean": names that the coordinator knows, beside one that it does not.
#pragma once

#include "absl/status/status.h"
#include "cli/context.h"

namespace center::cli {

// `status` is what a command returned. When the coordinator has no server, worker, client or job of
// the name that was given but one that is nearly called so, its hint says which.
absl::Status SuggestName(const Context& context, absl::Status status);

}  // namespace center::cli
