// Figures of the jobs, for /metrics.
#pragma once

#include <cstdint>

#include "services/coordinator/jobs/types.h"

namespace center::coordinator {

struct JobFigures {
  uint64_t active = 0;            // that have not ended
  uint64_t chunks_in_flight = 0;  // that workers have
  jobs::JobCounters counters;
};

}  // namespace center::coordinator
