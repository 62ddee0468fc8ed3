#include "services/worker/api/worker_ops.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/common/http/ask.h"
#include "services/worker/api/reject_feed.h"

namespace center::worker {
namespace {

using http::Check;
using http::MetricSet;

Check LoopCheck(bool answers) {
  return {.name = "ingest-loop",
          .detail = answers ? ""
                            : absl::StrCat("has not answered within ",
                                           absl::FormatDuration(kOpsAnswerTimeout)),
          .ok = answers};
}

void AddIngest(const OpsSnapshot& snapshot, const MetricSet::Labels& labels, MetricSet* metrics) {
  if (!snapshot.ingest.has_value()) return;
  auto& limits = metrics->Counter("center_worker_limits_hit_total",
                                  "Connections closed because of a limit, a timeout or a malformed "
                                  "frame, by which.");
  for (const auto& [cause, count] : snapshot.rejects) {
    MetricSet::Labels with_cause = labels;
    with_cause.emplace_back("cause", std::string(RejectCauseName(cause)));
    limits.Add(static_cast<double>(count), std::move(with_cause));
  }
  metrics
      ->Counter("center_worker_truncated_frames_total",
                "Unfinished payloads whose connection ended inside them.")
      .Add(static_cast<double>(snapshot.ingest->truncated), labels);
  metrics->Gauge("center_worker_frame_buffer_bytes", "Memory that unfinished payloads hold.")
      .Add(static_cast<double>(snapshot.ingest->buffer_bytes), labels);
}

}  // namespace

std::vector<Check> ReadyChecks(const OpsSnapshot& snapshot) {
  std::vector<Check> checks = {LoopCheck(true)};
  checks.push_back({.name = "state", .detail = snapshot.state, .ok = snapshot.figures.ready});
  const std::string& blocked = snapshot.figures.stats.blocked_reason();
  checks.push_back({.name = "producers",
                    .detail = blocked.empty() ? "" : absl::StrCat("are not read from: ", blocked),
                    .ok = blocked.empty()});
  if (snapshot.has_coordinator) {
    checks.push_back({.name = "coordinator",
                      .detail = snapshot.alone_for.has_value()
                                    ? absl::StrCat("away for ",
                                                   absl::FormatDuration(absl::Trunc(
                                                       *snapshot.alone_for, absl::Seconds(1))),
                                                   "; the worker goes on without")
                                    : ""});
  }
  return checks;
}

MetricSet WorkerMetrics(const OpsSnapshot& snapshot, const std::string& version) {
  MetricSet metrics;
  http::AddBuildInfo(version, &metrics);
  http::AddWorkerMetrics({snapshot.figures}, &metrics);
  const MetricSet::Labels labels =
      http::WorkerLabels(snapshot.figures.server, snapshot.figures.slot);
  AddIngest(snapshot, labels, &metrics);
  if (snapshot.sync.has_value()) {
    metrics.Summary("center_worker_journal_sync_seconds", "Rounds of fdatasync.")
        .AddSummary(snapshot.sync->rounds, absl::ToDoubleSeconds(snapshot.sync->time), labels);
  }
  metrics.Gauge("center_worker_streams_max", "Payload streams that may be open.")
      .Add(snapshot.streams_max, labels);
  if (snapshot.has_coordinator) {
    metrics.Gauge("center_worker_coordinator_connected", "1 while there is a line to it.")
        .Add(snapshot.alone_for.has_value() ? 0 : 1, labels);
  }
  return metrics;
}

http::Handler WorkerPages(const OpsDependencies& dependencies) {
  const auto ask = [=] {
    return http::Ask<OpsSnapshot>(dependencies.post, dependencies.snapshot, kOpsAnswerTimeout);
  };
  return http::OpsPages(
      {.process = absl::StrCat("center-worker ", dependencies.version, " ", dependencies.worker),
       .live = [=] { return std::vector<Check>{LoopCheck(ask().has_value())}; },
       .ready =
           [=] {
             const auto snapshot = ask();
             return snapshot.has_value() ? ReadyChecks(*snapshot)
                                         : std::vector<Check>{LoopCheck(false)};
           },
       .metrics = [=]() -> absl::StatusOr<MetricSet> {
         const auto snapshot = ask();
         if (!snapshot.has_value()) {
           return absl::UnavailableError(absl::StrCat("the ingest loop ", LoopCheck(false).detail));
         }
         return WorkerMetrics(*snapshot, dependencies.version);
       }});
}

}  // namespace center::worker
