#include "services/coordinator/api/launch.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "services/coordinator/api/spec.h"

namespace center::coordinator {
namespace {

absl::string_view FramingFlag(v1::Framing framing) {
  switch (framing) {
    case v1::FRAMING_LENGTH:
      return "length";
    case v1::FRAMING_OCTET:
      return "octet";
    case v1::FRAMING_CHUNK:
      return "chunk";
    default:
      return "line";
  }
}

// How long a reader of a journal stays when nobody reads.
constexpr absl::Duration kReaderIdle = absl::Seconds(30);
constexpr int kHeartbeatsPerTimeout = 4;
constexpr absl::Duration kHeartbeatIntervalDefault = absl::Seconds(1);  // of center-worker

std::string DurationFlag(const google::protobuf::Duration& duration) {
  return absl::FormatDuration(ToDuration(duration));
}

}  // namespace

std::string WorkerName(absl::string_view server, uint32_t slot) {
  return absl::StrCat(server, "/", slot);
}

std::vector<std::string> WorkerArguments(const LaunchContext& context, const v1::ServerSpec& spec,
                                         const WorkerSeat& seat) {
  std::vector<std::string> arguments;
  const auto add = [&](absl::string_view flag, absl::string_view value) {
    // One word: a value that begins with a dash is no flag then.
    arguments.push_back(absl::StrCat("--", flag, "=", value));
  };
  add("name", WorkerName(seat.server, seat.slot));
  add("data-dir", context.data_dir->JournalDir(seat.server, seat.slot));
  add("listen", absl::StrCat("unix:", context.data_dir->SocketPath(seat.server, seat.slot)));
  add("coordinator", context.coordinator_address);
  add("framing", FramingFlag(spec.framing()));
  add("durability", spec.durability() == v1::DURABILITY_SYNCED ? "synced" : "written");
  add("overflow", spec.overflow() == v1::OVERFLOW_DROP_OLDEST ? "drop-oldest" : "block");
  add("max-payload-bytes", absl::StrCat(spec.max_payload_bytes()));
  if (!spec.banner().empty()) add("banner", spec.banner());
  add("max-connections", absl::StrCat(spec.max_connections()));
  add("max-connections-per-peer", absl::StrCat(spec.max_connections_per_peer()));
  add("frame-timeout", DurationFlag(spec.frame_timeout()));
  add("idle-timeout", DurationFlag(spec.idle_timeout()));
  add("max-buffer-bytes", absl::StrCat(spec.max_buffer_bytes()));
  add("retain-bytes", absl::StrCat(spec.retain_bytes()));
  add("retain-age", DurationFlag(spec.retain_age()));
  add("segment-bytes", absl::StrCat(spec.segment_bytes()));
  add("sync-interval", DurationFlag(spec.sync_interval()));
  add("drain-timeout", DurationFlag(spec.drain_timeout()));
  // Three heartbeats may be lost or late before a worker is taken for hung.
  const absl::Duration heartbeat = ToDuration(spec.liveness_timeout()) / kHeartbeatsPerTimeout;
  if (spec.has_liveness_timeout() && heartbeat < kHeartbeatIntervalDefault) {
    add("heartbeat-interval", absl::FormatDuration(heartbeat));
  }
  if (spec.no_listen()) arguments.emplace_back("--no-listen");
  if (spec.compute_threads() > 0) add("compute-threads", absl::StrCat(spec.compute_threads()));
  for (const std::string& path : spec.task_modules().paths()) add("task-module", path);
  if (spec.has_cancel_grace()) add("cancel-grace", DurationFlag(spec.cancel_grace()));
  add("orphan-timeout", DurationFlag(spec.orphan_timeout()));
  add("log-format", context.log_format);
  add("log-level", context.log_level);
  return arguments;
}

supervision::LaunchSpec WorkerLaunch(const LaunchContext& context, const v1::ServerSpec& spec,
                                     const WorkerSeat& seat) {
  supervision::LaunchSpec launch;
  launch.program = context.worker_program;
  launch.args = WorkerArguments(context, spec, seat);
  const std::string token = absl::StrCat("CENTER_WORKER_TOKEN=", seat.token);
  if (spec.no_listen()) {
    launch.env = {"LISTEN_FDS=3", "LISTEN_FDNAMES=scoreboard:stdout:stderr", token};
    launch.inherited_fds = {seat.scoreboard_fd};
  } else {
    launch.env = {"LISTEN_FDS=4", "LISTEN_FDNAMES=listen:scoreboard:stdout:stderr", token};
    launch.inherited_fds = {seat.listener_fd, seat.scoreboard_fd};
  }
  launch.keeps_output = true;
  launch.log_name = WorkerName(seat.server, seat.slot);
  return launch;
}

supervision::LaunchSpec ReaderLaunch(const LaunchContext& context, const WorkerSeat& seat) {
  const std::string name = WorkerName(seat.server, seat.slot);
  supervision::LaunchSpec launch;
  launch.program = context.worker_program;
  launch.args = {
      absl::StrCat("--name=", name),
      absl::StrCat("--data-dir=", context.data_dir->JournalDir(seat.server, seat.slot)),
      absl::StrCat("--listen=unix:", context.data_dir->SocketPath(seat.server, seat.slot)),
      absl::StrCat("--coordinator=", context.coordinator_address),
      absl::StrCat("--archive-idle=", absl::FormatDuration(kReaderIdle)),
      absl::StrCat("--log-format=", context.log_format),
      absl::StrCat("--log-level=", context.log_level)};
  launch.env = {absl::StrCat("CENTER_WORKER_TOKEN=", seat.token)};
  launch.log_name = absl::StrCat(name, " (reader)");
  return launch;
}

std::vector<std::string> ClientArguments(const LaunchContext& context, const v1::ClientSpec& spec,
                                         const ClientSeat& seat) {
  std::vector<std::string> arguments;
  const auto add = [&](absl::string_view flag, absl::string_view value) {
    arguments.push_back(absl::StrCat("--", flag, "=", value));
  };
  add("name", WorkerName(seat.client, seat.number));
  add("to", seat.address);
  add("coordinator", context.coordinator_address);
  add("connections", absl::StrCat(spec.connections()));
  switch (spec.pace().pace_case()) {
    case v1::Pace::kRate:
      add("rate", absl::StrFormat("%.17g", spec.pace().rate()));
      break;
    case v1::Pace::kUnlimited:
      add("rate", "max");
      break;
    default:
      add("interval", DurationFlag(spec.pace().interval()));
  }
  if (seat.count > 0) add("count", absl::StrCat(seat.count));
  add("payload-bytes", absl::StrCat(spec.payload_bytes()));
  add("mix", absl::StrCat("json=", spec.mix().json(), ",string=", spec.mix().string()));
  add("framing", FramingFlag(seat.framing));
  add("drain-timeout", DurationFlag(spec.drain_timeout()));
  add("orphan-timeout", DurationFlag(spec.orphan_timeout()));
  add("log-format", context.log_format);
  add("log-level", context.log_level);
  return arguments;
}

supervision::LaunchSpec ClientLaunch(const LaunchContext& context, const v1::ClientSpec& spec,
                                     const ClientSeat& seat) {
  supervision::LaunchSpec launch;
  launch.program = context.client_program;
  launch.args = ClientArguments(context, spec, seat);
  launch.env = {absl::StrCat("CENTER_CLIENT_TOKEN=", seat.token)};
  launch.log_name = absl::StrCat("client/", WorkerName(seat.client, seat.number));
  return launch;
}

}  // namespace center::coordinator
