// What goes to stdout: tables, proto3 JSON, YAML, names; and colours.
#pragma once

#include <initializer_list>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/message.h"

namespace center::cli {

// -o. kDefault: the user did not say; each command has its own.
enum class Format { kDefault, kTable, kWide, kJson, kYaml, kName, kPretty, kRaw };

absl::string_view FormatName(Format format);
// Of all that a user may ask for.
std::vector<std::string> FormatNames();
// False when the text is none of them.
bool ParseFormat(absl::string_view text, Format* format);

enum class Color { kNone, kDim, kBold, kRed, kGreen, kYellow, kCyan };

// What may be shown: colours (ANSI sequences) or not, and how much fits in a line.
class Style {
 public:
  explicit Style(bool on = false, size_t columns = 0) : on_(on), columns_(columns) {}
  bool on() const { return on_; }
  // Of the terminal; 0: there is no limit.
  size_t columns() const { return columns_; }
  std::string operator()(Color color, absl::string_view text) const;

 private:
  bool on_;
  size_t columns_;
};

// Columns, aligned, two spaces apart; the last one is not padded. No line is wider than the style
// allows: what does not fit is cut, least important things first.
class Table {
 public:
  struct Cell {
    Cell(std::string text_in, Color color_in = Color::kNone)  // NOLINT: implicit on purpose
        : text(std::move(text_in)), color(color_in) {}
    Cell(const char* text_in) : text(text_in) {}  // NOLINT
    std::string text;
    Color color = Color::kNone;
  };
  enum class Align { kLeft, kRight };
  struct Column {
    std::string header;
    Align align = Align::kLeft;
    // Where there is no room for all, the columns with the highest rank are left out first; those
    // of rank 0 never.
    int rank = 0;
    // Before a column is left out, texts of this one are shortened to so many columns ("…" shows
    // that). 0: never, until nothing else helps.
    size_t shortest = 0;
    // Texts are not shortened but go on below, broken between words. Only for the last column.
    bool wraps = false;
  };

  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
  // What would break the line or reach the terminal as a command is shown as an escape. REQUIRES:
  // one cell for each column.
  void AddRow(std::vector<Cell> cells);
  bool empty() const { return rows_.empty(); }
  // With a header line, each line ended by a line feed.
  std::string Render(const Style& style, bool header = true) const;
  // Headers of the columns that Render leaves out in lines of so many columns.
  std::vector<std::string> LeftOut(size_t columns) const;

 private:
  // The width of each column in lines of `room` columns (0: no limit); of one left out: 0.
  std::vector<size_t> Fit(size_t room, bool header) const;
  std::vector<size_t> NaturalWidths(bool header) const;
  void AppendRow(const std::vector<Cell>& row, const std::vector<size_t>& widths,
                 const Style& style, std::string* out) const;

  std::vector<Column> columns_;
  std::vector<std::vector<Cell>> rows_;
};

// A sentence on lines of its own, as wide as the style allows, broken between words and ended by a
// line feed. What would reach the terminal as a command is shown as an escape.
std::string Paragraph(absl::string_view text, const Style& style);

// Proto3 JSON: lowerCamelCase names, 64-bit numbers as strings, default values present. Indented by
// two spaces, or on one line.
enum class JsonLayout { kIndented, kOneLine };
absl::StatusOr<std::string> ToJson(const google::protobuf::Message& message, JsonLayout layout);
// The same content as YAML, ended by a line feed.
absl::StatusOr<std::string> ToYaml(const google::protobuf::Message& message);
// The message as kJson or kYaml asks, ended by a line feed.
absl::StatusOr<std::string> Render(const google::protobuf::Message& message, Format format);

// "WORKER_STATE_READY" with prefix "WORKER_STATE_" -> "READY"; lower: "ready", '_' to '-'.
std::string EnumText(absl::string_view name, absl::string_view prefix);
std::string EnumFlag(absl::string_view name, absl::string_view prefix);

}  // namespace center::cli
