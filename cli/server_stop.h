// Stopping a server while a person watches.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "center/v1/server.pb.h"
#include "cli/context.h"

namespace center::cli {

// Stops the server and waits until its workers have ended: at most its drain timeout and --timeout.
// The first Ctrl-C says what is being waited for, the second stops it `now`, the third leaves it.
absl::StatusOr<v1::Server> StopServer(Context& context, const std::string& name, bool now);

}  // namespace center::cli
