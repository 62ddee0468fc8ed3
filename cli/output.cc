#include "cli/output.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "cli/visible_text.h"
#include "cli/yaml.h"
#include "google/protobuf/util/json_util.h"
#include "services/common/status_macros.h"

namespace center::cli {
namespace {

constexpr struct {
  Format format;
  absl::string_view name;
} kFormats[] = {{Format::kTable, "table"}, {Format::kWide, "wide"},
                {Format::kJson, "json"},   {Format::kYaml, "yaml"},
                {Format::kName, "name"},   {Format::kPretty, "pretty"},
                {Format::kRaw, "raw"},     {Format::kDefault, "default"}};

// Columns on the terminal: code points, which is right for what Center's tables hold.
size_t DisplayWidth(absl::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

}  // namespace

absl::string_view FormatName(Format format) {
  for (const auto& entry : kFormats) {
    if (entry.format == format) return entry.name;
  }
  return "";
}

bool ParseFormat(absl::string_view text, Format* format) {
  for (const auto& entry : kFormats) {
    if (entry.name != text || entry.format == Format::kDefault) continue;
    *format = entry.format;
    return true;
  }
  return false;
}

std::string Style::operator()(Color color, absl::string_view text) const {
  if (!on_ || color == Color::kNone || text.empty()) return std::string(text);
  absl::string_view code;
  switch (color) {
    case Color::kNone:
      break;
    case Color::kDim:
      code = "2";
      break;
    case Color::kBold:
      code = "1";
      break;
    case Color::kRed:
      code = "31";
      break;
    case Color::kGreen:
      code = "32";
      break;
    case Color::kYellow:
      code = "33";
      break;
    case Color::kCyan:
      code = "36";
      break;
  }
  return absl::StrCat("\x1b[", code, "m", text, "\x1b[0m");
}

void Table::AddRow(std::vector<Cell> cells) {
  for (Cell& cell : cells) cell.text = VisibleLine(cell.text);
  rows_.push_back(std::move(cells));
}

std::string Table::Render(const Style& style, bool header) const {
  std::vector<size_t> widths;
  for (size_t i = 0; i < columns_.size(); ++i) {
    size_t width = header ? DisplayWidth(columns_[i].header) : 0;
    for (const auto& row : rows_) width = std::max(width, DisplayWidth(row[i].text));
    widths.push_back(width);
  }
  std::string out;
  const auto add = [&](const Cell& cell, size_t i) {
    const std::string padding(widths[i] - DisplayWidth(cell.text), ' ');
    const bool last = i + 1 == columns_.size();
    const std::string text = style(cell.color, cell.text);
    if (columns_[i].align == Align::kRight) {
      absl::StrAppend(&out, padding, text, last ? "\n" : "  ");
    } else {
      absl::StrAppend(&out, text, last ? "" : padding, last ? "\n" : "  ");
    }
  };
  if (header) {
    for (size_t i = 0; i < columns_.size(); ++i) add(Cell(columns_[i].header, Color::kBold), i);
  }
  for (const auto& row : rows_) {
    for (size_t i = 0; i < row.size(); ++i) add(row[i], i);
  }
  return out;
}

absl::StatusOr<std::string> ToJson(const google::protobuf::Message& message, JsonLayout layout) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = layout == JsonLayout::kIndented;
  options.always_print_primitive_fields = true;
  std::string json;
  const auto status = google::protobuf::util::MessageToJsonString(message, &json, options);
  if (!status.ok()) {
    return absl::InternalError(
        absl::StrCat("cannot print ", message.GetTypeName(), ": ", status.ToString()));
  }
  if (json.empty() || json.back() != '\n') json += '\n';
  return json;
}

absl::StatusOr<std::string> ToYaml(const google::protobuf::Message& message) {
  ASSIGN_OR_RETURN(const std::string json, ToJson(message, JsonLayout::kOneLine));
  return YamlFromJson(json);
}

absl::StatusOr<std::string> Render(const google::protobuf::Message& message, Format format) {
  if (format == Format::kYaml) return ToYaml(message);
  return ToJson(message, JsonLayout::kIndented);
}

std::string EnumText(absl::string_view name, absl::string_view prefix) {
  return std::string(absl::StripPrefix(name, prefix));
}

std::string EnumFlag(absl::string_view name, absl::string_view prefix) {
  std::string text = absl::AsciiStrToLower(absl::StripPrefix(name, prefix));
  std::replace(text.begin(), text.end(), '_', '-');
  return text;
}

}  // namespace center::cli
