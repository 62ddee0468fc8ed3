// A job's settings: what is wrong with them, and what stands for those left out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/time/time.h"
#include "center/v1/job.pb.h"
#include "services/common/rpc/status.h"

namespace center::coordinator {

inline constexpr size_t kTaskNameBytesMax = 128;
inline constexpr int kTaskArgsMax = 256;
inline constexpr size_t kTaskArgsBytesMax = 64 << 10;
inline constexpr size_t kJobLabelsMax = 64;
inline constexpr size_t kLabelKeyBytesMax = 63;
inline constexpr size_t kLabelValueBytesMax = 255;
inline constexpr int32_t kJobPriorityMax = 100;
inline constexpr uint32_t kRetryLimitDefault = 10;
inline constexpr uint32_t kRetryLimitMax = 1000;
inline constexpr absl::Duration kResultTtlDefault = absl::Hours(1);
inline constexpr absl::Duration kResultTtlMax = absl::Hours(24 * 30);
inline constexpr absl::Duration kJobDeadlineMax = absl::Hours(24 * 365);
inline constexpr absl::Duration kInputTimeoutMin = absl::Milliseconds(1);
inline constexpr uint64_t kRecordBytesMax = 4 << 20;
inline constexpr uint64_t kRecordsMessageBytesMax = 4 << 20;

// Adds what is wrong with a submission.
void CheckSubmission(const v1::JobSubmission& submission,
                     std::vector<rpc::FieldViolation>* violations);

// The settings with every default written out. REQUIRES: nothing is wrong with them.
v1::JobSpec CompleteSpec(v1::JobSpec spec);

}  // namespace center::coordinator
