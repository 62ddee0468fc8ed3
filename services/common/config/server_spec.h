// A server's settings: defaults, what a request changes, and the limits of each field. Shared by
// the coordinator, which has the last word, and by who reads settings from a file and says where in
// it something is wrong.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "center/v1/server.pb.h"
#include "services/common/config/spec_fields.h"

namespace center {

inline constexpr uint32_t kDefaultPort = 5000;
inline constexpr uint32_t kWorkersPerServerMax = 256;
inline constexpr uint64_t kPayloadBytesMax = 64 << 20;
inline constexpr size_t kBannerBytesMax = 4096;
inline constexpr size_t kHostBytesMax = 253;  // the longest DNS name
inline constexpr uint32_t kConnectionsMax = 1'000'000;
inline constexpr uint64_t kBufferBytesMax = 64ull << 30;
inline constexpr uint64_t kSegmentBytesMin = 1 << 20;
inline constexpr uint64_t kSegmentBytesMax = 1 << 30;
inline constexpr uint64_t kRetainBytesMax = 1ull << 50;
inline constexpr absl::Duration kTimeoutMax = absl::Hours(24);
inline constexpr absl::Duration kRetainAgeMax = absl::Hours(24 * 3660);
inline constexpr absl::Duration kSyncIntervalMin = absl::Milliseconds(1);
inline constexpr absl::Duration kStartTimeoutMin = absl::Milliseconds(100);
inline constexpr absl::Duration kLivenessTimeoutMin = absl::Seconds(1);
inline constexpr absl::Duration kSupervisionTimeoutMax = absl::Hours(1);
inline constexpr uint32_t kComputeThreadsMax = 16;
inline constexpr int kTaskModulesMax = 16;
inline constexpr size_t kPathBytesMax = 4095;

// The settings of a new server that asks for nothing.
v1::ServerSpec DefaultSpec();

// `base` with every field that `request` sets.
v1::ServerSpec MergeSpec(const v1::ServerSpec& base, const v1::ServerSpec& request);

// Adds what is wrong with the settings. REQUIRES: every field is set, as MergeSpec with DefaultSpec
// leaves it.
void FindSpecProblems(const v1::ServerSpec& spec, SpecProblems* problems);

}  // namespace center
