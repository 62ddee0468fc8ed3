#include "cli/client_views.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/consent.h"
#include "cli/views.h"
#include "services/common/config/client_spec.h"
#include "services/common/text.h"

namespace center::cli {
namespace {

std::string TextOrDash(const std::string& text) { return text.empty() ? "-" : text; }

std::string AgeSince(const google::protobuf::Timestamp& since, absl::Time now) {
  return since.seconds() == 0 ? "-" : FormatAge(now - ToTime(since));
}

std::string SizeText(uint64_t bytes) {
  return bytes == 0 ? std::string("as they come") : FormatByteSize(bytes);
}

Table::Cell ErrorsCell(const v1::ClientStats& stats) {
  return {FormatCount(stats.errors()), stats.errors() == 0 ? Color::kNone : Color::kYellow};
}

}  // namespace

Table::Cell StateCell(v1::ClientState state) {
  const std::string text = EnumText(v1::ClientState_Name(state), "CLIENT_STATE_");
  switch (state) {
    case v1::CLIENT_STATE_RUNNING:
      return {text, Color::kGreen};
    case v1::CLIENT_STATE_FAILED:
      return {text, Color::kRed};
    case v1::CLIENT_STATE_STOPPED:
    case v1::CLIENT_STATE_FINISHED:
      return {text, Color::kDim};
    default:
      return {text, Color::kYellow};
  }
}

Table::Cell StateCell(v1::WorkerState state) {
  v1::Worker worker;
  worker.set_state(state);
  return StateCell(worker);
}

std::string TargetText(const v1::ClientSpec& spec) {
  return TextOrDash(spec.address().empty() ? spec.server() : spec.address());
}

std::string PaceText(const v1::Pace& pace) {
  switch (pace.pace_case()) {
    case v1::Pace::kInterval:
      return absl::StrCat("every ", FormatShortDuration(ToDuration(pace.interval())));
    case v1::Pace::kRate:
      return absl::StrCat(absl::StrFormat("%g", pace.rate()), "/s");
    case v1::Pace::kUnlimited:
      return "unlimited";
    case v1::Pace::PACE_NOT_SET:
      break;
  }
  return "-";
}

std::string RunningCount(const v1::Client& client) {
  int running = 0;
  for (const v1::ClientProcess& process : client.processes()) {
    running += process.state() == v1::WORKER_STATE_READY ? 1 : 0;
  }
  return absl::StrCat(running, "/", client.spec().processes());
}

Table ClientTable(const google::protobuf::RepeatedPtrField<v1::Client>& clients, bool wide,
                  absl::Time now) {
  std::vector<Table::Column> columns = {
      {"NAME", Table::Align::kLeft, 0, 12}, {"STATE"},
      {"TARGET", Table::Align::kLeft, 4},   {"PROCS", Table::Align::kRight, 3},
      {"CONNS", Table::Align::kRight, 6},   {"PAYLOADS", Table::Align::kRight, 1},
      {"SENT", Table::Align::kRight, 7},    {"ERRORS", Table::Align::kRight, 2},
      {"AGE", Table::Align::kRight, 5}};
  if (wide) {
    columns.insert(columns.end(), {{"ACKED", Table::Align::kRight, 8},
                                   {"RECONNECTS", Table::Align::kRight, 12},
                                   {"ADDRESS", Table::Align::kLeft, 13},
                                   {"PACE", Table::Align::kLeft, 10},
                                   {"MIX", Table::Align::kLeft, 15},
                                   {"PAYLOAD", Table::Align::kLeft, 14},
                                   {"COUNT", Table::Align::kRight, 11},
                                   {"FRAMING", Table::Align::kLeft, 16},
                                   {"DETAIL", Table::Align::kLeft, 9, 20}});
  }
  Table table(std::move(columns));
  for (const v1::Client& client : clients) {
    const v1::ClientStats& stats = client.stats();
    const v1::ClientSpec& spec = client.spec();
    std::vector<Table::Cell> row = {client.name(),
                                    StateCell(client.state()),
                                    TargetText(spec),
                                    RunningCount(client),
                                    FormatCount(stats.connections()),
                                    FormatCount(stats.payloads_sent()),
                                    FormatBytes(stats.bytes_sent()),
                                    ErrorsCell(stats),
                                    AgeSince(client.create_time(), now)};
    if (wide) {
      row.insert(
          row.end(),
          {FormatCount(stats.payloads_acknowledged()), FormatCount(stats.reconnects()),
           TextOrDash(client.address()), PaceText(spec.pace()), MixToText(spec.mix()),
           SizeText(spec.payload_bytes()),
           spec.count() == 0 ? std::string("-") : FormatCount(spec.count()),
           EnumFlag(v1::Framing_Name(spec.framing()), "FRAMING_"), TextOrDash(client.detail())});
    }
    table.AddRow(std::move(row));
  }
  return table;
}

Table ClientProcessTable(const google::protobuf::RepeatedPtrField<v1::ClientProcess>& processes,
                         bool wide, absl::Time now) {
  std::vector<Table::Column> columns = {
      {"NAME", Table::Align::kLeft, 0, 12},  {"STATE"},
      {"PID", Table::Align::kRight, 1},      {"CONNS", Table::Align::kRight, 5},
      {"PAYLOADS", Table::Align::kRight, 2}, {"SENT", Table::Align::kRight, 7},
      {"ERRORS", Table::Align::kRight, 3},   {"RESTARTS", Table::Align::kRight, 6},
      {"AGE", Table::Align::kRight, 4}};
  if (wide) {
    columns.insert(columns.end(), {{"ACKED", Table::Align::kRight, 8},
                                   {"RECONNECTS", Table::Align::kRight, 11},
                                   {"LAST ERROR", Table::Align::kLeft, 10, 20},
                                   {"LAST EXIT", Table::Align::kLeft, 9, 20}});
  }
  Table table(std::move(columns));
  for (const v1::ClientProcess& process : processes) {
    const v1::ClientStats& stats = process.stats();
    std::vector<Table::Cell> row = {
        process.name(),
        StateCell(process.state()),
        process.pid() == 0 ? std::string("-") : absl::StrCat(process.pid()),
        FormatCount(stats.connections()),
        FormatCount(stats.payloads_sent()),
        FormatBytes(stats.bytes_sent()),
        ErrorsCell(stats),
        absl::StrCat(process.restarts()),
        process.pid() == 0 ? std::string("-") : AgeSince(process.start_time(), now)};
    if (wide) {
      row.insert(row.end(), {FormatCount(stats.payloads_acknowledged()),
                             FormatCount(stats.reconnects()), TextOrDash(stats.last_error()),
                             process.has_last_exit()
                                 ? absl::StrCat(process.last_exit().reason(), ", ",
                                                AgeSince(process.last_exit().time(), now), " ago")
                                 : std::string("-")});
    }
    table.AddRow(std::move(row));
  }
  return table;
}

std::string ClientStatusText(const v1::Client& client, bool wide, const Style& style,
                             absl::Time now) {
  const v1::ClientSpec& spec = client.spec();
  const v1::ClientStats& stats = client.stats();
  const absl::Time created = ToTime(client.create_time());
  Table table = Sheet();
  table.AddRow({"Client", {client.name(), Color::kBold}});
  table.AddRow({"State", StateCell(client.state())});
  if (!client.detail().empty()) table.AddRow({"Detail", client.detail()});
  table.AddRow({"Sends to", spec.address().empty()
                                ? absl::StrCat("server ", spec.server(), " at ", client.address())
                                : spec.address()});
  table.AddRow({"Running", absl::StrCat(RunningCount(client), " processes of ",
                                        Counted(spec.connections(), "connection", "connections"))});
  std::string pace = PaceText(spec.pace());
  if (spec.count() > 0) absl::StrAppend(&pace, ", ", FormatCount(spec.count()), " a process");
  table.AddRow({"Pace", pace});
  table.AddRow(
      {"Payloads", absl::StrCat(MixToText(spec.mix()), ", ", SizeText(spec.payload_bytes()),
                                ", by ", EnumFlag(v1::Framing_Name(spec.framing()), "FRAMING_"))});
  table.AddRow({"Sent", absl::StrCat(Counted(stats.payloads_sent(), "payload", "payloads"), ", ",
                                     FormatBytes(stats.bytes_sent()), "; acknowledged ",
                                     FormatCount(stats.payloads_acknowledged()))});
  std::string errors =
      absl::StrCat(FormatCount(stats.errors()), ", reconnects ", FormatCount(stats.reconnects()));
  if (!stats.last_error().empty()) absl::StrAppend(&errors, "; last: ", stats.last_error());
  table.AddRow({"Errors", errors});
  table.AddRow(
      {"Created", absl::StrCat(LocalTime(created), " (", FormatAge(now - created), " ago)")});
  std::string text = table.Render(style, false);
  if (client.processes().empty()) return text;
  absl::StrAppend(&text, "\n", ClientProcessTable(client.processes(), wide, now).Render(style));
  for (const v1::ClientProcess& process : client.processes()) {
    if (!process.has_last_exit() || process.restarts() == 0) continue;
    absl::StrAppend(&text, "\n",
                    Paragraph(absl::StrCat(process.name(), " was restarted ",
                                           Counted(process.restarts(), "time", "times"), ", last ",
                                           AgeSince(process.last_exit().time(), now),
                                           " ago: ", process.last_exit().reason()),
                              style));
  }
  return text;
}

}  // namespace center::cli
