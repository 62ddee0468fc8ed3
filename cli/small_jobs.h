// Many small jobs at the same time.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/context.h"

namespace center::cli {

struct SmallJobsOptions {
  std::string server;
  uint64_t jobs = 0;
  uint64_t inputs = 0;  // of each: the task `echo` over as many numbers
  absl::Duration timeout = absl::Minutes(5);
};

// Submits all of them at once over one channel. Returns for each how long it took until it had
// ended, in nanoseconds, in no order. An error when one did not end well, or not all its results
// have come.
absl::StatusOr<std::vector<uint64_t>> RunSmallJobs(Context& context,
                                                   const SmallJobsOptions& options);

}  // namespace center::cli
