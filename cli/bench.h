// `bench ingest` and `bench latency`.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "cli/context.h"

namespace center::cli {

struct BenchIngestOptions {
  std::string server;  // empty: "default", or none when `to` is given
  std::string to;
  uint32_t connections = 4;
  uint32_t threads = 2;
  uint64_t payload_bytes = 100;
  absl::Duration duration = absl::Seconds(5);
  uint64_t count = 0;
  uint32_t subscribers = 0;
  bool direct = false;  // they read from the workers themselves
};
absl::Status BenchIngest(Context& context, const BenchIngestOptions& options);

struct BenchLatencyOptions {
  std::string server = "default";
  uint64_t rate = 10'000;
  uint64_t payload_bytes = 100;
  absl::Duration duration = absl::Seconds(5);
  bool direct = false;
};
absl::Status BenchLatency(Context& context, const BenchLatencyOptions& options);

// The value below which `share` (0 to 1) of the sorted values lie (nearest rank); 0 for none.
uint64_t Percentile(const std::vector<uint64_t>& sorted, double share);

}  // namespace center::cli
