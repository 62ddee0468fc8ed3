// What a worker serves over HTTP for operations: probes and metrics. They ask the ingest loop; one
// that does not answer in time is not alive.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "services/common/http/ops_pages.h"
#include "services/common/http/worker_metrics.h"
#include "services/worker/ingest/ingest_server.h"
#include "services/worker/journal/journal.h"

namespace center::worker {

// How long a request waits for the ingest loop.
inline constexpr absl::Duration kOpsAnswerTimeout = absl::Seconds(1);

// The worker at one moment.
struct OpsSnapshot {
  std::string state;  // "READY"
  http::WorkerFigures figures;
  absl::optional<ingest::Counters> ingest;          // absent: it takes no producers
  std::map<ingest::RejectCause, uint64_t> rejects;  // connections closed, by cause
  absl::optional<journal::SyncStats> sync;          // absent: it keeps no journal
  bool has_coordinator = false;                     // it was told of one
  // How long there has been no line to it.
  absl::optional<absl::Duration> alone_for;
  uint32_t streams_max = 0;
};

struct OpsDependencies {
  std::string worker;
  std::string version;
  // Runs it on the ingest loop, later.
  std::function<void(std::function<void()>)> post;
  // Called on the ingest loop.
  std::function<OpsSnapshot()> snapshot;
};

http::Handler WorkerPages(const OpsDependencies& dependencies);

// Whether work is to be sent here: the state, and whether producers are read from. A coordinator
// that is away is told and changes nothing: the worker takes in all the same.
std::vector<http::Check> ReadyChecks(const OpsSnapshot& snapshot);
http::MetricSet WorkerMetrics(const OpsSnapshot& snapshot, const std::string& version);

}  // namespace center::worker
