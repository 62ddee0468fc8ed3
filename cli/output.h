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
// False when the text is none of them.
bool ParseFormat(absl::string_view text, Format* format);

enum class Color { kNone, kDim, kBold, kRed, kGreen, kYellow, kCyan };

// Colours text with ANSI sequences, or leaves it as it is.
class Style {
 public:
  explicit Style(bool on = false) : on_(on) {}
  bool on() const { return on_; }
  std::string operator()(Color color, absl::string_view text) const;

 private:
  bool on_;
};

// Columns, aligned, two spaces apart; the last one is not padded.
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
  };

  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
  // What would break the line or reach the terminal as a command is shown as an escape. REQUIRES:
  // one cell for each column.
  void AddRow(std::vector<Cell> cells);
  bool empty() const { return rows_.empty(); }
  // With a header line, each line ended by a line feed.
  std::string Render(const Style& style, bool header = true) const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<Cell>> rows_;
};

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
