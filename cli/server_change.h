// Commands that change servers which run.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "CLI/CLI.hpp"
#include "center/v1/server.pb.h"
#include "cli/commands.h"

namespace center::cli {

// `server restart` and `server scale`.
void AddServerChangeCommands(CLI::App* noun, Selection& selection);
// `server params`.
void AddParamsCommand(CLI::App* noun, Selection& selection);
void AddServerManifestCommand(CLI::App* noun, Selection& selection);
// `worker restart`.
void AddWorkerRestartCommand(CLI::App* noun, Selection& selection);

// The optional name of a server as a command's argument.
std::shared_ptr<std::string> AddServerName(CLI::App* command);

// How long a call may take that replaces `processes` processes of a server, one after the other.
absl::Duration ReplaceTimeout(const Context& context, const v1::ServerSpec& spec,
                              uint32_t processes, bool now);

// Runs `call` and meanwhile shows on a terminal what the server is doing.
void WithServerProgress(Context& context, const std::string& name,
                        const std::function<void()>& call);

}  // namespace center::cli
