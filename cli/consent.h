// Looking before leaping: --dry-run, and the question before what destroys.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "cli/context.h"

namespace center::cli {

// The flag --dry-run of a command that changes something.
std::shared_ptr<bool> AddDryRun(CLI::App* command);

// "would <action>", a line each, on stdout; with -o json or yaml {"dryRun": true, "actions": […]}.
absl::Status PrintDryRun(Context& context, const std::vector<std::string>& actions);

// Says what would be lost and asks, where somebody can answer: on a terminal, and without --yes.
// Aborted when the answer is no. Anywhere else ok, at once.
absl::Status Confirm(Context& context, absl::string_view consequence);

// "3 open connections" and the like.
std::string Counted(uint64_t count, absl::string_view one, absl::string_view many);

}  // namespace center::cli
