// What is stored of a job beside its results.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "services/coordinator/api/job_entry.h"

namespace center::coordinator {

// The submission and the time.
std::string EncodeJobMeta(const JobEntry& job);
// DataLoss when it cannot be understood.
absl::Status DecodeJobMeta(absl::string_view bytes, JobEntry* job);

}  // namespace center::coordinator
