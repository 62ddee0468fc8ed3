// How servers and workers are fetched and printed by several commands.
#pragma once

#include <string>

#include "center/v1/server.pb.h"
#include "cli/context.h"

namespace center::cli {

// True for -o json and yaml.
bool IsData(Format format);
// Usage error unless -o asks for something that an object can be printed as.
absl::Status RequireObjectFormat(const Context& context);

absl::StatusOr<v1::Server> GetServer(Context& context, const std::string& name);

// For what `start` and `stop` answer: people read a sentence, programs what they asked for.
absl::Status PrintChanged(Context& context, const v1::Server& server);

// "3 open connections".
std::string ConnectionsText(const v1::Server& server);
// Asks before connections are cut, when the server has some.
absl::Status ConfirmCut(Context& context, const std::string& name);

}  // namespace center::cli
