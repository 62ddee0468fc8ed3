// From the flags of `job submit` to what is submitted.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "center/v1/job.pb.h"
#include "cli/payload_flags.h"

namespace center::cli {

struct SubmitFlags {
  std::string task;
  std::string server = "default";
  // Where inputs come from: at most one of these.
  std::string range;
  std::string inputs;
  bool payloads = false;
  // Details of the inputs.
  bool nul_separated = false;
  std::string payload_server;
  std::string from;
  FilterFlags filter;
  uint64_t limit = 0;
  // How it runs.
  bool ordered = false;
  bool wait = false;
  bool detach = false;
  bool no_results = false;
  bool discard = false;
  int32_t priority = 0;
  uint32_t retry_limit = 0;
  absl::optional<absl::Duration> deadline;
  absl::optional<absl::Duration> input_timeout;
  absl::optional<absl::Duration> result_ttl;
  std::vector<std::string> labels;
  std::string joblog;
  bool dry_run = false;
};

struct SubmitPlan {
  v1::JobSubmission submission;
  std::string inputs_path;             // to be read and sent; "-": stdin; empty: none
  absl::optional<v1::Records> inputs;  // to be sent as they are
};

// `words` stood behind "--". A usage error says what does not go together.
absl::StatusOr<SubmitPlan> PlanSubmission(const SubmitFlags& flags,
                                          const std::vector<std::string>& words, absl::Time now);

// "A:B", the whole numbers from A to B - 1, as Python's range. InvalidArgument when it is not that.
absl::StatusOr<v1::IntegerRange> ParseRange(absl::string_view text);

}  // namespace center::cli
