// How a command's failure becomes an exit code and a message for a person.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace center::cli {

// Exit codes, part of the contract with scripts.
inline constexpr int kExitOk = 0;
inline constexpr int kExitFailure = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitNotRunning = 3;  // the coordinator or the server that was meant
inline constexpr int kExitRpcBase = 64;    // plus the canonical code that the coordinator answered
inline constexpr int kExitInterrupted = 130;  // by Ctrl-C, as shells report it

// The command line cannot be understood.
absl::Status UsageError(absl::string_view message);
// What the command is about does not run.
absl::Status NotRunningError(absl::string_view message);
// Ends with this code and says nothing: everything was said already.
absl::Status QuietExit(int exit_code);
// `status` came from a coordinator at `address`: exit code 64 + code, or 3 when nobody answers or
// the target is stopped; the message names the address where that matters, and what to do next is
// added for the reasons that have an obvious answer. Ok stays ok.
absl::Status FromRpc(absl::Status status, absl::string_view address);
// Adds what to do next; it is shown on a line of its own.
absl::Status WithHint(absl::Status status, absl::string_view hint);

// The exit code for what a command returned.
int ExitCodeOf(const absl::Status& status);
// What to print on stderr, without "centerctl: " and the last line feed; empty: nothing.
std::string Explain(const absl::Status& status);

}  // namespace center::cli
