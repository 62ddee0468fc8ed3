#include "cli/top_tables.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/client_views.h"
#include "cli/event_views.h"
#include "cli/job_views.h"
#include "cli/views.h"
#include "services/common/text.h"

namespace center::cli {
namespace {

using Side = Table::Align;

constexpr size_t kJobBarColumns = 12;

std::string LagText(const TopFigures& figures) {
  return figures.lag.has_value() ? FormatCount(*figures.lag) : "-";
}

// Columns of what can be sorted by, with an arrow at the one that is.
class Columns {
 public:
  Columns(const TopView& view, TopSection section) : view_(view), section_(section) {}

  void Add(std::string header, Side align, int rank, absl::optional<TopSort> sort = absl::nullopt,
           size_t shortest = 0) {
    if (sort.has_value() && *sort == view_.sort) {
      absl::StrAppend(&header, SortsDescending(view_.sort, view_.reverse) ? "↓" : "↑");
    }
    if (columns_.empty() && view_.live && view_.section == section_)
      header = absl::StrCat("[", header, "]");
    columns_.push_back({std::move(header), align, rank, shortest});
  }
  Table Take() { return Table(std::move(columns_)); }

 private:
  const TopView& view_;
  const TopSection section_;
  std::vector<Table::Column> columns_;
};

void AddFigureColumns(Columns* columns) {
  columns->Add("CPU", Side::kRight, 3, TopSort::kCpu);
  columns->Add("MEMORY", Side::kRight, 4, TopSort::kMemory);
  columns->Add("CONNS", Side::kRight, 5, TopSort::kConnections);
  columns->Add("PAYLOADS", Side::kRight, 1, TopSort::kPayloads);
  columns->Add("RECEIVED", Side::kRight, 2, TopSort::kBytes);
  columns->Add("LAG", Side::kRight, 6, TopSort::kLag);
  columns->Add("JOURNAL", Side::kRight, 7, TopSort::kJournal);
}

void AddFigureCells(const TopFigures& figures, std::vector<Table::Cell>* cells) {
  const bool behind = figures.lag.value_or(0) > 0;
  cells->insert(
      cells->end(),
      {CpuText(figures.cpu), FormatBytes(figures.resident_bytes), FormatCount(figures.connections),
       RateText(figures.payloads_per_s), ByteRateText(figures.bytes_per_s),
       Table::Cell(LagText(figures), behind ? Color::kYellow : Color::kNone),
       FormatBytes(figures.journal_bytes)});
}

// Why a worker is not as it should be; empty: it is.
std::string TroubleOf(const v1::Worker& worker) {
  if (!worker.stats().blocked_reason().empty()) return worker.stats().blocked_reason();
  const bool down = worker.state() == v1::WORKER_STATE_BACKOFF ||
                    worker.state() == v1::WORKER_STATE_FAILED ||
                    worker.state() == v1::WORKER_STATE_STARTING;
  const bool died = worker.has_last_exit() && !worker.last_exit().requested();
  return down && died ? worker.last_exit().reason() : "";
}

std::string TroubleOf(const TopClient& row) {
  if (!row.process.has_value()) {
    return row.client.state() == v1::CLIENT_STATE_FAILED ? row.client.detail() : "";
  }
  const v1::ClientProcess& process = *row.process;
  if (process.state() == v1::WORKER_STATE_READY) {
    if (process.stats().connections() > 0) return "";
    // One that waits for a stopped server, or cannot connect.
    return row.client.detail().empty() ? process.stats().last_error() : row.client.detail();
  }
  return process.has_last_exit() && !process.last_exit().requested() ? process.last_exit().reason()
                                                                     : "";
}

std::string ProgressText(const v1::Job& job) {
  if (!job.inputs_complete()) return "inputs are arriving";
  const uint64_t done = job.inputs_succeeded() + job.inputs_failed();
  const double share =
      job.inputs() == 0
          ? 1.0
          : std::min(1.0, static_cast<double>(done) / static_cast<double>(job.inputs()));
  const auto filled = static_cast<size_t>(share * kJobBarColumns);
  std::string bar(filled, '=');
  if (filled < kJobBarColumns) bar += '>';
  bar.resize(kJobBarColumns, ' ');
  return absl::StrFormat("[%s] %3d%%", bar, static_cast<int>(share * 100));
}

std::string EtaText(const TopJob& row) {
  const v1::Job& job = row.job;
  const uint64_t done = job.inputs_succeeded() + job.inputs_failed();
  if (HasEnded(job) || !job.inputs_complete() || row.inputs_per_s.value_or(0) <= 0) return "-";
  const uint64_t left = job.inputs() > done ? job.inputs() - done : 0;
  return FormatAge(absl::Seconds(static_cast<double>(left) / *row.inputs_per_s + 0.5));
}

}  // namespace

std::string CpuText(const absl::optional<double>& cpu) {
  return cpu.has_value() ? absl::StrFormat("%.*f%%", *cpu < 0.0995 ? 1 : 0, *cpu * 100) : "-";
}

std::string RateText(const absl::optional<double>& per_s) {
  return per_s.has_value() ? absl::StrCat(FormatSi(*per_s), "/s") : "-";
}

std::string ByteRateText(const absl::optional<double>& per_s) {
  return per_s.has_value() ? absl::StrCat(FormatBytes(static_cast<uint64_t>(*per_s)), "/s") : "-";
}

Table TopServerTable(const std::vector<TopServer>& rows, const TopView& view) {
  Columns columns(view, TopSection::kServers);
  columns.Add("SERVER", Side::kLeft, 0, TopSort::kName, 10);
  columns.Add("STATE", Side::kLeft, 0, TopSort::kState);
  columns.Add("ADDRESS", Side::kLeft, 9);
  columns.Add("READY", Side::kRight, 8);
  AddFigureColumns(&columns);
  Table table = columns.Take();
  for (const TopServer& row : rows) {
    const v1::Server& server = row.server;
    std::vector<Table::Cell> cells = {server.name(), StateCell(server.state()),
                                      server.address().empty() ? "-" : server.address(),
                                      ReadyCount(server)};
    AddFigureCells(row.figures, &cells);
    table.AddRow(std::move(cells));
  }
  return table;
}

Table TopWorkerTable(const std::vector<TopWorker>& rows, const TopView& view) {
  const bool trouble = std::any_of(rows.begin(), rows.end(), [](const TopWorker& row) {
    return !TroubleOf(row.worker).empty();
  });
  Columns columns(view, TopSection::kWorkers);
  columns.Add("WORKER", Side::kLeft, 0, TopSort::kName, 10);
  columns.Add("STATE", Side::kLeft, 0, TopSort::kState);
  columns.Add("PID", Side::kRight, 8);
  AddFigureColumns(&columns);
  columns.Add("RESTARTS", Side::kRight, 9);
  if (trouble) columns.Add("WHY", Side::kLeft, 1, absl::nullopt, 16);
  Table table = columns.Take();
  for (const TopWorker& row : rows) {
    const v1::Worker& worker = row.worker;
    std::vector<Table::Cell> cells = {
        worker.name(), StateCell(worker),
        worker.pid() == 0 ? std::string("-") : absl::StrCat(worker.pid())};
    AddFigureCells(row.figures, &cells);
    cells.emplace_back(absl::StrCat(worker.restarts()));
    if (trouble) cells.emplace_back(TroubleOf(worker), Color::kRed);
    table.AddRow(std::move(cells));
  }
  return table;
}

Table TopClientTable(const std::vector<TopClient>& rows, const TopView& view) {
  const bool trouble = std::any_of(rows.begin(), rows.end(),
                                   [](const TopClient& row) { return !TroubleOf(row).empty(); });
  Columns columns(view, TopSection::kClients);
  columns.Add("CLIENT", Side::kLeft, 0, TopSort::kName, 10);
  columns.Add("STATE", Side::kLeft, 0, TopSort::kState);
  columns.Add("PID", Side::kRight, 6);
  columns.Add("TARGET", Side::kLeft, 7);
  columns.Add("CONNS", Side::kRight, 5, TopSort::kConnections);
  columns.Add("SENT", Side::kRight, 1, TopSort::kPayloads);
  columns.Add("BYTES", Side::kRight, 3, TopSort::kBytes);
  columns.Add("ACKED", Side::kRight, 4);
  columns.Add("ERRORS", Side::kRight, 2);
  if (trouble) columns.Add("WHY", Side::kLeft, 1, absl::nullopt, 16);
  Table table = columns.Take();
  for (const TopClient& row : rows) {
    const bool runs = row.process.has_value() && row.process->pid() != 0;
    const v1::ClientStats& stats = row.stats();
    std::vector<Table::Cell> cells = {
        row.name(),
        row.process.has_value() ? StateCell(row.process->state()) : StateCell(row.client.state()),
        runs ? absl::StrCat(row.process->pid()) : std::string("-"),
        TargetText(row.client.spec()),
        FormatCount(row.figures.connections),
        RateText(row.figures.payloads_per_s),
        ByteRateText(row.figures.bytes_per_s),
        RateText(row.acknowledged_per_s),
        {FormatCount(stats.errors()), stats.errors() > 0 ? Color::kYellow : Color::kNone}};
    if (trouble) cells.emplace_back(TroubleOf(row), Color::kRed);
    table.AddRow(std::move(cells));
  }
  return table;
}

Table TopJobTable(const std::vector<TopJob>& rows, const TopView& view, absl::Time now) {
  Columns columns(view, TopSection::kJobs);
  columns.Add("JOB", Side::kLeft, 0);
  columns.Add("TASK", Side::kLeft, 3, absl::nullopt, 8);
  columns.Add("SERVER", Side::kLeft, 6);
  columns.Add("STATE", Side::kLeft, 0);
  columns.Add("PROGRESS", Side::kLeft, 1);
  columns.Add("INPUTS", Side::kRight, 5);
  columns.Add("FAILED", Side::kRight, 4);
  columns.Add("RATE", Side::kRight, 2);
  columns.Add("LEFT", Side::kRight, 2);
  columns.Add("AGE", Side::kRight, 7);
  Table table = columns.Take();
  for (const TopJob& row : rows) {
    const v1::Job& job = row.job;
    table.AddRow(
        {job.id(),
         job.spec().task(),
         job.spec().server(),
         StateCell(job.state()),
         ProgressText(job),
         FormatCount(job.inputs()),
         {FormatCount(job.inputs_failed()), job.inputs_failed() > 0 ? Color::kRed : Color::kNone},
         RateText(row.inputs_per_s),
         EtaText(row),
         FormatAge(now - ToTime(job.create_time()))});
  }
  return table;
}

Table TopEventTable(const std::vector<v1::Event>& events, const TopView& view, absl::Time now) {
  Columns columns(view, TopSection::kEvents);
  columns.Add("TIME", Side::kLeft, 2);
  columns.Add("EVENT", Side::kLeft, 0);
  columns.Add("ABOUT", Side::kLeft, 1, absl::nullopt, 10);
  columns.Add("WHY", Side::kLeft, 0, absl::nullopt, 10);
  Table table = columns.Take();
  for (const v1::Event& event : events) {
    table.AddRow({{ShortTime(ToTime(event.time()), now), Color::kDim},
                  {TypeText(event), ColorOf(event.type())},
                  event.subject(),
                  event.reason().empty() ? "-" : event.reason()});
  }
  return table;
}

}  // namespace center::cli
