#include "cli/views.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/common/text.h"

namespace center::cli {
namespace {

using Align = Table::Align;

uint64_t Sum(const v1::Server& server, uint64_t (v1::WorkerStats::*field)() const) {
  uint64_t sum = 0;
  for (const v1::Worker& worker : server.workers()) sum += (worker.stats().*field)();
  return sum;
}

std::string OrDash(const std::string& text) { return text.empty() ? "-" : text; }

std::string Age(const google::protobuf::Timestamp& since, absl::Time now) {
  if (since.seconds() == 0) return "-";
  return FormatAge(now - ToTime(since));
}

std::string LastExit(const v1::Worker& worker, absl::Time now) {
  if (!worker.has_last_exit()) return "-";
  return absl::StrCat(worker.last_exit().reason(), ", ", Age(worker.last_exit().time(), now),
                      " ago");
}

void AddProcessRows(const v1::ServerSpec& spec, Table* table) {
  const auto duration = [](const google::protobuf::Duration& value) {
    return FormatShortDuration(ToDuration(value));
  };
  table->AddRow({"restart", EnumFlag(v1::RestartPolicy_Name(spec.restart()), "RESTART_POLICY_")});
  table->AddRow({"start-timeout", duration(spec.start_timeout())});
  table->AddRow({"liveness-timeout", duration(spec.liveness_timeout())});
  const bool orphans_end = ToDuration(spec.orphan_timeout()) > absl::ZeroDuration();
  table->AddRow({"orphan-timeout", orphans_end ? duration(spec.orphan_timeout()) : "0s (never)"});
  table->AddRow({"no-listen", spec.no_listen() ? "true" : "false"});
  table->AddRow({"compute-threads", absl::StrCat(spec.compute_threads())});
  table->AddRow({"task-module", OrDash(absl::StrJoin(spec.task_modules().paths(), ", "))});
  table->AddRow({"cancel-grace", duration(spec.cancel_grace())});
}

std::string BannerText(const std::string& banner) {
  return banner.empty() ? "-" : absl::StrCat("\"", banner, "\"");
}

}  // namespace

absl::Time ToTime(const google::protobuf::Timestamp& timestamp) {
  return absl::FromUnixSeconds(timestamp.seconds()) + absl::Nanoseconds(timestamp.nanos());
}

absl::Duration ToDuration(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

google::protobuf::Timestamp ToProto(absl::Time time) {
  const int64_t nanos = absl::ToUnixNanos(time);
  google::protobuf::Timestamp timestamp;
  const int64_t part = ((nanos % 1'000'000'000) + 1'000'000'000) % 1'000'000'000;
  timestamp.set_seconds((nanos - part) / 1'000'000'000);
  timestamp.set_nanos(static_cast<int32_t>(part));
  return timestamp;
}

google::protobuf::Duration ToProto(absl::Duration duration) {
  const int64_t nanos = absl::ToInt64Nanoseconds(duration);
  google::protobuf::Duration proto;
  proto.set_seconds(nanos / 1'000'000'000);
  proto.set_nanos(static_cast<int32_t>(nanos % 1'000'000'000));
  return proto;
}

std::string LocalTime(absl::Time time) {
  return absl::FormatTime("%Y-%m-%d %H:%M:%E3S", time, absl::LocalTimeZone());
}

Table Sheet() { return Table({{""}, {"", Align::kLeft, 0, 10, /*wraps=*/true}}); }

Table::Cell StateCell(v1::ServerState state) {
  const std::string text = EnumText(v1::ServerState_Name(state), "SERVER_STATE_");
  switch (state) {
    case v1::SERVER_STATE_RUNNING:
      return {text, Color::kGreen};
    case v1::SERVER_STATE_FAILED:
      return {text, Color::kRed};
    case v1::SERVER_STATE_STOPPED:
      return {text, Color::kDim};
    default:
      return {text, Color::kYellow};
  }
}

Table::Cell StateCell(const v1::Worker& worker) {
  const std::string text = EnumText(v1::WorkerState_Name(worker.state()), "WORKER_STATE_");
  if (!worker.stats().blocked_reason().empty()) {
    return {absl::StrCat(text, ", BLOCKED"), Color::kRed};
  }
  switch (worker.state()) {
    case v1::WORKER_STATE_READY:
      return {text, Color::kGreen};
    case v1::WORKER_STATE_FAILED:
      return {text, Color::kRed};
    case v1::WORKER_STATE_STOPPED:
      return {text, Color::kDim};
    default:
      return {text, Color::kYellow};
  }
}

std::string ReadyCount(const v1::Server& server) {
  int ready = 0;
  for (const v1::Worker& worker : server.workers()) {
    ready += worker.state() == v1::WORKER_STATE_READY ? 1 : 0;
  }
  return absl::StrCat(ready, "/", server.spec().workers());
}

Table WorkerTable(const google::protobuf::RepeatedPtrField<v1::Worker>& workers, bool wide,
                  absl::Time now) {
  std::vector<Table::Column> columns = {
      {"NAME", Align::kLeft, 0, 12},  {"STATE"},
      {"PID", Align::kRight, 1},      {"CONNS", Align::kRight, 4},
      {"PAYLOADS", Align::kRight, 2}, {"RECEIVED", Align::kRight, 7},
      {"JOURNAL", Align::kRight, 6},  {"RESTARTS", Align::kRight, 5},
      {"AGE", Align::kRight, 3}};
  if (wide) {
    columns.insert(columns.end(), {{"OFFSETS", Align::kRight, 13},
                                   {"SYNCED", Align::kRight, 15},
                                   {"REJECTED", Align::kRight, 14},
                                   {"READERS", Align::kRight, 12},
                                   {"MEMORY", Align::kRight, 11},
                                   {"CPU", Align::kRight, 10},
                                   {"GENERATION", Align::kRight, 16},
                                   {"ADDRESS", Align::kLeft, 17},
                                   {"LAST EXIT", Align::kLeft, 9, 20}});
  }
  Table table(std::move(columns));
  for (const v1::Worker& worker : workers) {
    const v1::WorkerStats& stats = worker.stats();
    std::vector<Table::Cell> row = {
        worker.name(),
        StateCell(worker),
        worker.pid() == 0 ? std::string("-") : absl::StrCat(worker.pid()),
        FormatCount(stats.connections()),
        FormatCount(stats.payloads()),
        FormatBytes(stats.bytes()),
        FormatBytes(stats.journal_bytes()),
        absl::StrCat(worker.restarts()),
        worker.pid() == 0 ? std::string("-") : Age(worker.start_time(), now)};
    if (wide) {
      row.insert(row.end(),
                 {absl::StrCat(stats.first_offset(), "-", stats.end_offset()),
                  absl::StrCat(stats.synced_offset()), FormatCount(stats.connections_rejected()),
                  absl::StrCat(stats.subscribers()), FormatBytes(stats.resident_bytes()),
                  FormatShortDuration(ToDuration(stats.cpu_time())),
                  worker.pid() == 0 ? std::string("-") : absl::StrCat(worker.generation()),
                  OrDash(worker.address()), LastExit(worker, now)});
    }
    table.AddRow(std::move(row));
  }
  return table;
}

Table ServerTable(const google::protobuf::RepeatedPtrField<v1::Server>& servers, bool wide,
                  absl::Time now) {
  std::vector<Table::Column> columns = {
      {"NAME", Align::kLeft, 0, 12},  {"STATE"},
      {"ADDRESS", Align::kLeft, 3},   {"READY", Align::kRight, 1},
      {"CONNS", Align::kRight, 5},    {"PAYLOADS", Align::kRight, 2},
      {"RECEIVED", Align::kRight, 6}, {"AGE", Align::kRight, 4}};
  if (wide) {
    columns.insert(columns.end(), {{"FRAMING", Align::kLeft, 11},
                                   {"DURABILITY", Align::kLeft, 12},
                                   {"OVERFLOW", Align::kLeft, 14},
                                   {"JOURNAL", Align::kRight, 10},
                                   {"RETAIN", Align::kRight, 13},
                                   {"DETAIL", Align::kLeft, 9, 20}});
  }
  Table table(std::move(columns));
  for (const v1::Server& server : servers) {
    std::vector<Table::Cell> row = {server.name(),
                                    StateCell(server.state()),
                                    OrDash(server.address()),
                                    ReadyCount(server),
                                    FormatCount(Sum(server, &v1::WorkerStats::connections)),
                                    FormatCount(Sum(server, &v1::WorkerStats::payloads)),
                                    FormatBytes(Sum(server, &v1::WorkerStats::bytes)),
                                    Age(server.create_time(), now)};
    if (wide) {
      const v1::ServerSpec& spec = server.spec();
      row.insert(row.end(), {EnumFlag(v1::Framing_Name(spec.framing()), "FRAMING_"),
                             EnumFlag(v1::Durability_Name(spec.durability()), "DURABILITY_"),
                             EnumFlag(v1::Overflow_Name(spec.overflow()), "OVERFLOW_"),
                             FormatBytes(Sum(server, &v1::WorkerStats::journal_bytes)),
                             FormatByteSize(spec.retain_bytes()), OrDash(server.detail())});
    }
    table.AddRow(std::move(row));
  }
  return table;
}

Table SpecTable(const v1::ServerSpec& spec) {
  Table table({{"SETTING"}, {"VALUE", Align::kLeft, 0, 10, /*wraps=*/true}});
  const auto duration = [](const google::protobuf::Duration& value) {
    return FormatShortDuration(ToDuration(value));
  };
  table.AddRow({"host", spec.host()});
  table.AddRow({"port", absl::StrCat(spec.port())});
  table.AddRow({"workers", absl::StrCat(spec.workers())});
  table.AddRow({"framing", EnumFlag(v1::Framing_Name(spec.framing()), "FRAMING_")});
  table.AddRow({"durability", EnumFlag(v1::Durability_Name(spec.durability()), "DURABILITY_")});
  table.AddRow({"overflow", EnumFlag(v1::Overflow_Name(spec.overflow()), "OVERFLOW_")});
  table.AddRow({"max-payload-bytes", FormatByteSize(spec.max_payload_bytes())});
  table.AddRow({"banner", BannerText(spec.banner())});
  table.AddRow({"max-connections", absl::StrCat(spec.max_connections())});
  table.AddRow({"max-connections-per-peer", spec.max_connections_per_peer() == 0
                                                ? std::string("0 (as max-connections)")
                                                : absl::StrCat(spec.max_connections_per_peer())});
  table.AddRow({"frame-timeout", duration(spec.frame_timeout())});
  const bool idle = ToDuration(spec.idle_timeout()) > absl::ZeroDuration();
  table.AddRow({"idle-timeout", idle ? duration(spec.idle_timeout()) : "0s (never)"});
  table.AddRow({"max-buffer-bytes", FormatByteSize(spec.max_buffer_bytes())});
  table.AddRow({"retain-bytes", FormatByteSize(spec.retain_bytes())});
  const bool age = ToDuration(spec.retain_age()) > absl::ZeroDuration();
  table.AddRow({"retain-age", age ? duration(spec.retain_age()) : "0s (no limit)"});
  table.AddRow({"segment-bytes", FormatByteSize(spec.segment_bytes())});
  table.AddRow({"sync-interval", duration(spec.sync_interval())});
  table.AddRow({"drain-timeout", duration(spec.drain_timeout())});
  AddProcessRows(spec, &table);
  return table;
}

}  // namespace center::cli
