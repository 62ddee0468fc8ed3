// What the coordinator serves over HTTP for operations: probes and metrics.
//
// Questions about the fleet are put to the control thread, which answers between two other tasks;
// an answer that does not come in time is an answer too: not alive.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/http/metrics.h"
#include "services/common/http/ops_pages.h"
#include "services/common/http/server.h"
#include "services/common/net_address.h"
#include "services/coordinator/api/fleet_figures.h"
#include "services/coordinator/api/job_figures.h"

namespace center::coordinator {

// How long a request waits for the control thread.
inline constexpr absl::Duration kOpsAnswerTimeout = absl::Seconds(1);

struct CoordinatorFigures {
  FleetFigures fleet;
  std::vector<ClientFigures> clients;
  JobFigures jobs;
  uint64_t payload_streams = 0;
  double start_time_seconds = 0;  // since the epoch
};

struct OpsDependencies {
  // Runs it on the control thread, later.
  std::function<void(std::function<void()>)> post;
  // Called on the control thread.
  std::function<CoordinatorFigures()> figures;
  std::function<bool()> stopping;
  std::string version;
};

http::Handler CoordinatorPages(const OpsDependencies& dependencies);

http::MetricSet CoordinatorMetrics(const CoordinatorFigures& figures, const std::string& version);

// How --http was given.
struct HttpOptions {
  bool off = true;
  NetAddress address;
  // An address that is taken is an error, where it was asked for; it is a warning where it is only
  // the default, as for a second coordinator on the machine.
  bool required = false;
};

// "off", host:port, or "": the default, which is not required.
absl::StatusOr<HttpOptions> ParseHttpOptions(const std::string& text);

// Null when it is off, or not required and cannot be had.
absl::StatusOr<std::unique_ptr<http::Server>> ServeOps(const HttpOptions& options,
                                                       const http::Handler& handler);

}  // namespace center::coordinator
