// `centerctl completion bash|zsh|fish`: scripts that ask centerctl itself what may come next.
#pragma once

#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "cli/context.h"

namespace center::cli {

// The command that the scripts call. It is not for people and stays out of the help.
inline constexpr char kCompleteCommand[] = "__complete";

// The script for a shell: "bash", "zsh" or "fish"; "" for another.
absl::string_view CompletionScript(absl::string_view shell);

// Answers the scripts: `args` is what follows kCompleteCommand, either "--line" and a command line
// up to the cursor, or its words, the last of which is at the cursor. Prints a candidate a line,
// with a tab and its description where there is one, and ":files" when a file may stand there.
absl::Status PrintCompletion(Context& context, const CLI::App& root,
                             const std::vector<std::string>& args);

}  // namespace center::cli
