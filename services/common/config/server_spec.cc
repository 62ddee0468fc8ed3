#include "services/common/config/server_spec.h"

#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace center {
namespace {

using Problems = SpecProblems;

void CheckModules(const v1::TaskModules& modules, Problems* problems) {
  if (modules.paths_size() > kTaskModulesMax) {
    AddProblem("task_modules",
               absl::StrCat("has ", modules.paths_size(), " paths; at most ", kTaskModulesMax),
               problems);
  }
  for (const std::string& path : modules.paths()) {
    if (path.empty() || path.front() != '/' || path.size() > kPathBytesMax ||
        path.find('\0') != std::string::npos) {
      AddProblem("task_modules",
                 absl::StrCat("has '", absl::CEscape(path), "'; must be absolute paths of at most ",
                              kPathBytesMax, " bytes, without NUL"),
                 problems);
      return;
    }
  }
}

// What concerns the workers as processes.
void CheckProcesses(const v1::ServerSpec& spec, Problems* problems) {
  CheckRange<int>("restart", spec.restart(), v1::RESTART_POLICY_ALWAYS, v1::RestartPolicy_MAX,
                  problems);
  CheckDuration("start_timeout", spec.start_timeout(), kStartTimeoutMin, kSupervisionTimeoutMax,
                problems);
  CheckDuration("liveness_timeout", spec.liveness_timeout(), kLivenessTimeoutMin,
                kSupervisionTimeoutMax, problems);
  CheckDuration("orphan_timeout", spec.orphan_timeout(), absl::ZeroDuration(), kTimeoutMax,
                problems);
  CheckRange<uint32_t>("compute_threads", spec.compute_threads(), 1, kComputeThreadsMax, problems);
  CheckModules(spec.task_modules(), problems);
  CheckDuration("cancel_grace", spec.cancel_grace(), absl::Milliseconds(1), kSupervisionTimeoutMax,
                problems);
}

void CheckHost(const std::string& host, Problems* problems) {
  if (host.size() > kHostBytesMax) {
    AddProblem("host",
               absl::StrCat("has ", host.size(), " bytes; must be from 1 to ", kHostBytesMax),
               problems);
  } else if (std::any_of(host.begin(), host.end(),
                         [](unsigned char c) { return c <= ' ' || c >= 0x7f; })) {
    AddProblem("host",
               absl::StrCat("is '", absl::CEscape(host),
                            "'; must be an address or a name without white space, in ASCII"),
               problems);
  }
}

}  // namespace

v1::ServerSpec DefaultSpec() {
  v1::ServerSpec spec;
  spec.set_host("127.0.0.1");
  spec.set_port(kDefaultPort);
  spec.set_workers(1);
  spec.set_framing(v1::FRAMING_LINE);
  spec.set_durability(v1::DURABILITY_WRITTEN);
  spec.set_overflow(v1::OVERFLOW_BLOCK);
  spec.set_max_payload_bytes(1 << 20);
  spec.set_banner("");
  spec.set_max_connections(10'000);
  spec.set_max_connections_per_peer(0);
  *spec.mutable_frame_timeout() = FromDuration(absl::Seconds(30));
  *spec.mutable_idle_timeout() = FromDuration(absl::ZeroDuration());
  spec.set_max_buffer_bytes(64 << 20);
  spec.set_retain_bytes(1 << 30);
  *spec.mutable_retain_age() = FromDuration(absl::ZeroDuration());
  spec.set_segment_bytes(64 << 20);
  *spec.mutable_sync_interval() = FromDuration(absl::Seconds(1));
  *spec.mutable_drain_timeout() = FromDuration(absl::Seconds(10));
  spec.set_restart(v1::RESTART_POLICY_ALWAYS);
  *spec.mutable_start_timeout() = FromDuration(absl::Seconds(10));
  *spec.mutable_liveness_timeout() = FromDuration(absl::Seconds(5));
  *spec.mutable_orphan_timeout() = FromDuration(absl::ZeroDuration());
  spec.set_no_listen(false);
  spec.set_compute_threads(1);
  spec.mutable_task_modules();
  *spec.mutable_cancel_grace() = FromDuration(absl::Seconds(1));
  return spec;
}

v1::ServerSpec MergeSpec(const v1::ServerSpec& base, const v1::ServerSpec& request) {
  v1::ServerSpec merged = base;
  MergeFields(request, &merged);
  return merged;
}

void FindSpecProblems(const v1::ServerSpec& spec, Problems* problems) {
  CheckHost(spec.host(), problems);
  CheckRange<uint32_t>("port", spec.port(), 0, 65535, problems);
  CheckRange<uint32_t>("workers", spec.workers(), 1, kWorkersPerServerMax, problems);
  CheckRange<int>("framing", spec.framing(), v1::FRAMING_LINE, v1::Framing_MAX, problems);
  CheckRange<int>("durability", spec.durability(), v1::DURABILITY_WRITTEN, v1::Durability_MAX,
                  problems);
  CheckRange<int>("overflow", spec.overflow(), v1::OVERFLOW_BLOCK, v1::Overflow_MAX, problems);
  CheckRange<uint64_t>("max_payload_bytes", spec.max_payload_bytes(), 1, kPayloadBytesMax,
                       problems);
  if (spec.banner().size() > kBannerBytesMax) {
    AddProblem("banner",
               absl::StrCat("has ", spec.banner().size(), " bytes; at most ", kBannerBytesMax),
               problems);
  } else if (spec.banner().find('\0') != std::string::npos) {
    // It travels to the worker as a command-line argument.
    AddProblem(
        "banner",
        absl::StrCat("has a NUL byte at position ", spec.banner().find('\0'), "; must have none"),
        problems);
  }
  CheckRange<uint32_t>("max_connections", spec.max_connections(), 1, kConnectionsMax, problems);
  CheckRange<uint32_t>("max_connections_per_peer", spec.max_connections_per_peer(), 0,
                       kConnectionsMax, problems);
  CheckDuration("frame_timeout", spec.frame_timeout(), absl::Milliseconds(1), kTimeoutMax,
                problems);
  CheckDuration("idle_timeout", spec.idle_timeout(), absl::ZeroDuration(), kTimeoutMax, problems);
  CheckRange<uint64_t>("max_buffer_bytes", spec.max_buffer_bytes(),
                       std::min(spec.max_payload_bytes(), kPayloadBytesMax), kBufferBytesMax,
                       problems);
  CheckRange<uint64_t>("segment_bytes", spec.segment_bytes(), kSegmentBytesMin, kSegmentBytesMax,
                       problems);
  CheckRange<uint64_t>("retain_bytes", spec.retain_bytes(),
                       2 * std::min(spec.segment_bytes(), kSegmentBytesMax), kRetainBytesMax,
                       problems);
  CheckDuration("retain_age", spec.retain_age(), absl::ZeroDuration(), kRetainAgeMax, problems);
  CheckDuration("sync_interval", spec.sync_interval(), kSyncIntervalMin, kTimeoutMax, problems);
  CheckDuration("drain_timeout", spec.drain_timeout(), absl::Milliseconds(1), kTimeoutMax,
                problems);
  CheckProcesses(spec, problems);
}

}  // namespace center
