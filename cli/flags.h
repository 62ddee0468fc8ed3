// Flags whose values people write with units, names or words.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace center::cli {

// A flag for a byte count ("64MiB"); *bytes is set when it is given.
CLI::Option* AddByteSize(CLI::App& app, const std::string& name, uint64_t* bytes,
                         const std::string& description);
// A flag for a duration ("30s").
CLI::Option* AddDuration(CLI::App& app, const std::string& name, absl::Duration* duration,
                         const std::string& description);
// A flag that takes one of `words`.
CLI::Option* AddChoice(CLI::App& app, const std::string& name, std::string* word,
                       std::vector<std::string> words, const std::string& description);

// A check for whole numbers, for flags of unsigned type: CLI11 itself takes -1 as the largest of
// all and 010 as eight.
CLI::Validator WholeNumber(uint64_t least = 0,
                           uint64_t most = std::numeric_limits<uint64_t>::max());

// A moment: "2025-06-01T12:00:00Z" (RFC 3339), "2025-06-01 12:00:00" or "2025-06-01" (local time),
// "12:00" or "12:00:00" (today, local), or a duration that long before `now` ("10m").
// InvalidArgument for anything else.
absl::StatusOr<absl::Time> ParseMoment(absl::string_view text, absl::Time now);

}  // namespace center::cli
