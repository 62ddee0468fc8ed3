#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "cli/drill.h"
#include "cli/json_text.h"
#include "services/common/text.h"

namespace center::cli {
namespace {

constexpr Table::Align kNumber = Table::Align::kRight;

// What of a row is wrong, in few words; empty: nothing.
std::string Wrong(const DrillRow& row) {
  const DrillFigures& figures = row.figures;
  std::vector<std::string> words;
  const auto add = [&](uint64_t count, absl::string_view what) {
    if (count > 0) words.push_back(absl::StrCat(FormatCount(count), " ", what));
  };
  add(figures.refused, "refused");
  add(figures.reset, "reset");
  add(figures.lost, "lost");
  add(figures.duplicated, "duplicated");
  add(figures.unseen, "not shown to the subscriber");
  add(figures.damaged, "damaged");
  if (!row.status.ok()) words.push_back(std::string(row.status.message()));
  return absl::StrJoin(words, ", ");
}

Table::Cell CountCell(uint64_t count, bool bad) {
  return {FormatCount(count), bad && count > 0 ? Color::kRed : Color::kNone};
}

std::string Number(absl::string_view name, uint64_t value) {
  return absl::StrCat("\"", name, "\": \"", value, "\"");
}

std::string RowJson(const DrillRow& row) {
  const DrillFigures& figures = row.figures;
  return absl::StrCat(
      "{\"name\": ", JsonString(row.name), ", ",
      absl::StrJoin({Number("connects", figures.connects), Number("refused", figures.refused),
                     Number("reset", figures.reset), Number("cut", figures.cut),
                     Number("acknowledged", figures.acknowledged), Number("resent", figures.resent),
                     Number("lost", figures.lost), Number("duplicated", figures.duplicated),
                     Number("unseen", figures.unseen), Number("damaged", figures.damaged)},
                    ", "),
      absl::StrFormat(", \"serviceSeconds\": %.6f, \"slowestConnectSeconds\": %.6f, ",
                      absl::ToDoubleSeconds(row.service),
                      std::chrono::duration<double>(figures.slowest_connect).count()),
      "\"error\": ", JsonString(row.status.message()), ", \"ok\": ", row.ok() ? "true" : "false",
      "}");
}

std::string JournalJson(const DrillJournal& journal) {
  return absl::StrCat("{\"worker\": ", JsonString(journal.worker), ", ",
                      Number("payloads", journal.payloads),
                      ", \"error\": ", JsonString(journal.status.message()),
                      ", \"ok\": ", journal.status.ok() ? "true" : "false", "}");
}

}  // namespace

std::string DrillText(const DrillReport& report, const Style& style) {
  Table table({{"ROW"},
               {"CONNECTS", kNumber, 6},
               {"REFUSED", kNumber, 1},
               {"RESET", kNumber, 2},
               {"CUT", kNumber, 8},
               {"ACKNOWLEDGED", kNumber, 5},
               {"RESENT", kNumber, 9},
               {"LOST", kNumber},
               {"DUPLICATED", kNumber, 3},
               {"FULL SERVICE", kNumber, 4},
               {"SLOWEST CONNECT", kNumber, 7},
               {"VERDICT", Table::Align::kLeft, 0, 12, /*wraps=*/true}});
  for (const DrillRow& row : report.rows) {
    const DrillFigures& figures = row.figures;
    const bool measured = row.service > absl::ZeroDuration();
    table.AddRow(
        {row.name, CountCell(figures.connects, false), CountCell(figures.refused, true),
         CountCell(figures.reset, true), CountCell(figures.cut, false),
         CountCell(figures.acknowledged, false), CountCell(figures.resent, false),
         CountCell(figures.lost, true), CountCell(figures.duplicated, true),
         measured ? FormatShortDuration(row.service) : std::string("-"),
         FormatShortDuration(absl::FromChrono(figures.slowest_connect)),
         row.ok() ? Table::Cell("ok", Color::kGreen) : Table::Cell(Wrong(row), Color::kRed)});
  }
  std::string text = table.Render(style);
  for (const std::string& note : report.notes) absl::StrAppend(&text, "  ", note, "\n");
  uint64_t payloads = 0;
  for (const DrillJournal& journal : report.journals) payloads += journal.payloads;
  absl::StrAppend(&text,
                  report.ok() ? style(Color::kGreen, "nothing was lost")
                              : style(Color::kRed, "THE DRILL HAS FAILED"),
                  ": ", FormatCount(payloads), " payloads in ", report.journals.size(),
                  report.journals.size() == 1 ? " journal\n" : " journals\n");
  if (!report.kept_dir.empty()) {
    absl::StrAppend(&text, "logs, journals and state are kept in ", report.kept_dir, "\n");
  }
  return text;
}

std::string DrillJson(const DrillReport& report, const DrillOptions& options) {
  std::vector<std::string> rows;
  DrillFigures total;
  for (const DrillRow& row : report.rows) {
    rows.push_back(RowJson(row));
    total += row.figures;
  }
  std::vector<std::string> journals;
  journals.reserve(report.journals.size());
  for (const DrillJournal& journal : report.journals) journals.push_back(JournalJson(journal));
  std::vector<std::string> notes;
  notes.reserve(report.notes.size());
  for (const std::string& note : report.notes) notes.push_back(JsonString(note));
  return absl::StrCat("{", Number("seed", options.seed), ", \"workers\": ", report.workers,
                      ", \"connections\": ", options.connections, ", \"rows\": [",
                      absl::StrJoin(rows, ", "), "], \"journals\": [",
                      absl::StrJoin(journals, ", "), "], ", Number("refused", total.refused), ", ",
                      Number("reset", total.reset), ", ", Number("lost", total.lost), ", ",
                      Number("duplicated", total.duplicated), ", \"notes\": [",
                      absl::StrJoin(notes, ", "), "], \"keptDir\": ", JsonString(report.kept_dir),
                      ", \"ok\": ", report.ok() ? "true" : "false", "}\n");
}

}  // namespace center::cli
