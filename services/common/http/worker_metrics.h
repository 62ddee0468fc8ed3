// Figures of workers under the names that both a worker and its coordinator give them: a dashboard
// reads either. Who scrapes both tells them apart by their job.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/optional.h"
#include "center/v1/server.pb.h"
#include "services/common/http/metrics.h"

namespace center::http {

struct WorkerFigures {
  std::string server;
  uint32_t slot = 0;
  bool ready = false;
  v1::WorkerStats stats;
  // What all named subscriptions have committed; absent: there is none.
  absl::optional<uint64_t> committed_offset;
};

// {server="default", slot="0"}
MetricSet::Labels WorkerLabels(const std::string& server, uint32_t slot);

void AddWorkerMetrics(const std::vector<WorkerFigures>& workers, MetricSet* metrics);
// center_build_info of this process.
void AddBuildInfo(const std::string& version, MetricSet* metrics);

}  // namespace center::http
