// `bench compute`: what jobs cost beyond the work itself.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "cli/context.h"

namespace center::cli {

struct BenchComputeOptions {
  std::string server;  // empty: a private pool of `workers`
  uint32_t workers = 1;
  uint64_t round_trips = 2'000;  // jobs of one input, one after the other
  uint64_t range = 10'000'000;   // trivial inputs of one job
  uint64_t records = 200'000;    // of one job, from a file
  uint64_t record_bytes = 100;
  uint64_t jobs = 1'000;     // small ones, all at once
  uint64_t job_inputs = 10;  // of each
};
absl::Status BenchCompute(Context& context, const BenchComputeOptions& options);

// What was measured; 0 for what was left out.
struct ComputeReport {
  uint32_t workers = 0;
  std::vector<uint64_t> round_trip_ns;  // sorted
  double range_seconds = 0;
  double records_seconds = 0;
  double jobs_seconds = 0;
  std::vector<uint64_t> job_ns;  // sorted: from the submission of all to the end of each
};
std::string ComputeText(const BenchComputeOptions& options, const ComputeReport& report);
std::string ComputeJson(const BenchComputeOptions& options, const ComputeReport& report);

}  // namespace center::cli
