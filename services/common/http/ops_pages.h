// What a process serves over HTTP: /livez, /readyz, /metrics, and at / what there is.
//
// The probes follow the convention of Kubernetes' own: 200 and "ok", or 503 and the checks that
// failed; with ?verbose every check is told.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/common/http/exchange.h"
#include "services/common/http/metrics.h"

namespace center::http {

// One thing that was looked at.
struct Check {
  std::string name;    // "journal"
  std::string detail;  // for people; needed when it failed
  bool ok = true;
};

struct OpsSources {
  std::string process;                        // "center-worker default/0": what / tells
  std::function<std::vector<Check>()> live;   // false: only a new process can help
  std::function<std::vector<Check>()> ready;  // false: send no work here now
  std::function<absl::StatusOr<MetricSet>()> metrics;
};

// Thread-safe when the sources are.
Handler OpsPages(OpsSources sources);

}  // namespace center::http
