#include "services/common/http/worker_metrics.h"

#include <algorithm>
#include <functional>

#include "absl/strings/str_cat.h"

namespace center::http {
namespace {

using Stats = v1::WorkerStats;

double Seconds(const google::protobuf::Duration& duration) {
  return static_cast<double>(duration.seconds()) + static_cast<double>(duration.nanos()) / 1e9;
}

struct Figure {
  const char* name;
  const char* help;
  bool counter;
  std::function<double(const Stats&)> value;
};

const std::vector<Figure>& Figures() {
  static const auto* const figures = new std::vector<Figure>{
      {"center_worker_connections", "Open connections of producers.", false,
       [](const Stats& s) { return s.connections(); }},
      {"center_worker_connections_accepted_total", "Connections accepted.", true,
       [](const Stats& s) { return s.connections_accepted(); }},
      {"center_worker_connections_rejected_total",
       "Connections closed because of a limit, a timeout or a malformed frame.", true,
       [](const Stats& s) { return s.connections_rejected(); }},
      {"center_worker_payloads_total", "Payloads received and journalled.", true,
       [](const Stats& s) { return s.payloads(); }},
      {"center_worker_payload_bytes_total", "Bytes of the payloads received and journalled.", true,
       [](const Stats& s) { return s.bytes(); }},
      {"center_worker_journal_bytes", "Bytes of the journal on disk.", false,
       [](const Stats& s) { return s.journal_bytes(); }},
      {"center_worker_journal_first_offset", "The oldest offset that is kept.", false,
       [](const Stats& s) { return s.first_offset(); }},
      {"center_worker_journal_end_offset", "The offset that the next payload gets.", false,
       [](const Stats& s) { return s.end_offset(); }},
      {"center_worker_journal_unsynced_payloads",
       "Payloads that a power loss could take: journalled and not synced yet.", false,
       [](const Stats& s) { return s.end_offset() - std::min(s.end_offset(), s.synced_offset()); }},
      {"center_worker_journal_corrupt_records_total",
       "Damaged places of the journal that were found and kept aside.", true,
       [](const Stats& s) { return s.corrupt_records(); }},
      {"center_worker_blocked",
       "1 while producers are not read from, as when the disk or the journal is full.", false,
       [](const Stats& s) { return s.blocked_reason().empty() ? 0 : 1; }},
      {"center_worker_streams", "Open payload streams.", false,
       [](const Stats& s) { return s.subscribers(); }},
      {"center_worker_job_chunks", "Chunks of jobs that wait or run.", false,
       [](const Stats& s) { return s.chunks(); }},
      {"center_worker_job_inputs_total", "Inputs of jobs finished, with and without success.", true,
       [](const Stats& s) { return s.inputs_done(); }},
      {"center_worker_job_task_seconds_total", "Time that compute threads spent in tasks.", true,
       [](const Stats& s) { return Seconds(s.task_time()); }},
      {"center_worker_resident_memory_bytes", "Resident memory of the process.", false,
       [](const Stats& s) { return s.resident_bytes(); }},
      {"center_worker_cpu_seconds_total", "CPU time of the process, user and system.", true,
       [](const Stats& s) { return Seconds(s.cpu_time()); }},
  };
  return *figures;
}

}  // namespace

MetricSet::Labels WorkerLabels(const std::string& server, uint32_t slot) {
  return {{"server", server}, {"slot", absl::StrCat(slot)}};
}

void AddWorkerMetrics(const std::vector<WorkerFigures>& workers, MetricSet* metrics) {
  auto& ready = metrics->Gauge("center_worker_ready", "1 while the worker takes work.");
  for (const WorkerFigures& worker : workers) {
    ready.Add(worker.ready ? 1 : 0, WorkerLabels(worker.server, worker.slot));
  }
  for (const Figure& figure : Figures()) {
    auto& family = figure.counter ? metrics->Counter(figure.name, figure.help)
                                  : metrics->Gauge(figure.name, figure.help);
    for (const WorkerFigures& worker : workers) {
      family.Add(figure.value(worker.stats), WorkerLabels(worker.server, worker.slot));
    }
  }
  auto& lag = metrics->Gauge("center_worker_subscription_lag_payloads",
                             "Payloads that the slowest named subscription has not committed; "
                             "absent while there is none.");
  for (const WorkerFigures& worker : workers) {
    if (!worker.committed_offset.has_value()) continue;
    const uint64_t end = worker.stats.end_offset();
    lag.Add(static_cast<double>(end - std::min(end, *worker.committed_offset)),
            WorkerLabels(worker.server, worker.slot));
  }
}

void AddBuildInfo(const std::string& version, MetricSet* metrics) {
  metrics->Gauge("center_build_info", "1; the version of the program is a label.")
      .Add(1, {{"version", version}});
}

}  // namespace center::http
