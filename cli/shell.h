// `centerctl shell`: a prompt for the same commands.
#pragma once

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "cli/context.h"

namespace center::cli {

// Reads commands from stdin until its end or `exit`: from a person, with history, completion and
// live output, or from a script. `root` is the tree of commands.
//
// A failed command is no error of the shell; the exit code of a script is that of the last command
// that failed.
absl::Status RunShell(Context& context, const CLI::App& root);

}  // namespace center::cli
