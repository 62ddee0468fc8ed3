// Flags that say which payloads of a server are meant.
#pragma once

#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "center/v1/payload.pb.h"

namespace center::cli {

// What --from says: earliest, latest, cursor:FILE or a time. A usage error for anything else.
absl::StatusOr<v1::StartPosition> ParseStart(const std::string& from, absl::Time now);

struct FilterFlags {
  std::vector<std::string> kinds;
  std::string contains;
  std::string regex;
};
void AddFilterFlags(CLI::App& app, FilterFlags& flags);
// Nothing when all payloads are meant.
absl::optional<v1::PayloadFilter> FilterOf(const FilterFlags& flags);

}  // namespace center::cli
