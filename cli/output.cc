#include "cli/output.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "cli/text_width.h"
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

// Between two columns.
constexpr absl::string_view kGap = "  ";

// What all columns that are shown take together.
size_t LineWidth(const std::vector<size_t>& widths) {
  size_t sum = 0;
  for (const size_t width : widths) sum += width == 0 ? 0 : width + kGap.size();
  return sum == 0 ? 0 : sum - kGap.size();
}

}  // namespace

absl::string_view FormatName(Format format) {
  for (const auto& entry : kFormats) {
    if (entry.format == format) return entry.name;
  }
  return "";
}

std::vector<std::string> FormatNames() {
  std::vector<std::string> names;
  for (const auto& entry : kFormats) {
    if (entry.format != Format::kDefault) names.emplace_back(entry.name);
  }
  return names;
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

std::vector<size_t> Table::NaturalWidths(bool header) const {
  std::vector<size_t> widths;
  for (size_t i = 0; i < columns_.size(); ++i) {
    // A column of empty texts is shown, too: 0 is one that is left out.
    size_t width = std::max<size_t>(1, header ? DisplayWidth(columns_[i].header) : 0);
    for (const auto& row : rows_) width = std::max(width, DisplayWidth(row[i].text));
    widths.push_back(width);
  }
  return widths;
}

std::vector<size_t> Table::Fit(size_t room, bool header) const {
  std::vector<size_t> widths = NaturalWidths(header);
  if (room == 0) return widths;
  const auto excess = [&] {
    const size_t width = LineWidth(widths);
    return width > room ? width - room : 0;
  };
  // Texts are shortened last column first, as far as it takes: the last ones say why and what else.
  const auto shorten = [&](auto&& shortest_of) {
    for (size_t i = columns_.size(); i-- > 0 && excess() > 0;) {
      const size_t shortest = shortest_of(i);
      if (widths[i] > shortest) widths[i] -= std::min(excess(), widths[i] - shortest);
    }
  };
  const auto as_wished = [&](size_t i) {
    return columns_[i].shortest == 0 ? widths[i] : columns_[i].shortest;
  };
  const std::vector<size_t> natural = widths;
  shorten(as_wished);
  while (excess() > 0) {
    // The last of the highest rank goes.
    size_t goes = columns_.size();
    for (size_t i = 0; i < columns_.size(); ++i) {
      const bool may_go = widths[i] > 0 && columns_[i].rank > 0;
      if (may_go && (goes == columns_.size() || columns_[i].rank >= columns_[goes].rank)) goes = i;
    }
    if (goes == columns_.size()) break;
    for (size_t i = 0; i < widths.size(); ++i) {
      if (widths[i] > 0) widths[i] = natural[i];
    }
    widths[goes] = 0;
    shorten(as_wished);
  }
  shorten([](size_t) { return size_t{1}; });
  return widths;
}

void Table::AppendRow(const std::vector<Cell>& row, const std::vector<size_t>& widths,
                      const Style& style, std::string* out) const {
  size_t last = 0;
  for (size_t i = 0; i < widths.size(); ++i) last = widths[i] > 0 ? i : last;
  size_t indent = 0;
  std::vector<std::string> below;
  for (size_t i = 0; i < row.size(); ++i) {
    if (widths[i] == 0) continue;
    std::string shown;
    if (columns_[i].wraps && i == last) {
      below = WrapWords(row[i].text, widths[i]);
      shown = below.front();
      below.erase(below.begin());
    } else {
      shown = Shortened(row[i].text, widths[i]);
    }
    const std::string padding(widths[i] - std::min(widths[i], DisplayWidth(shown)), ' ');
    const std::string text = style(row[i].color, shown);
    const absl::string_view end = i == last ? "\n" : kGap;
    if (columns_[i].align == Align::kRight) {
      absl::StrAppend(out, padding, text, end);
    } else {
      absl::StrAppend(out, text, i == last ? "" : padding, end);
    }
    if (i != last) indent += widths[i] + kGap.size();
  }
  for (const std::string& line : below) {
    absl::StrAppend(out, std::string(indent, ' '), style(row[last].color, line), "\n");
  }
}

std::string Table::Render(const Style& style, bool header) const {
  const std::vector<size_t> widths = Fit(style.columns(), header);
  std::string out;
  if (header) {
    std::vector<Cell> headers;
    headers.reserve(columns_.size());
    for (const Column& column : columns_) headers.emplace_back(column.header, Color::kBold);
    AppendRow(headers, widths, style, &out);
  }
  for (const auto& row : rows_) AppendRow(row, widths, style, &out);
  return out;
}

std::vector<std::string> Table::LeftOut(size_t columns) const {
  const std::vector<size_t> widths = Fit(columns, /*header=*/true);
  std::vector<std::string> headers;
  for (size_t i = 0; i < columns_.size(); ++i) {
    if (widths[i] == 0) headers.push_back(columns_[i].header);
  }
  return headers;
}

std::string Paragraph(absl::string_view text, const Style& style) {
  const std::string visible = VisibleLine(text);
  if (style.columns() == 0) return absl::StrCat(visible, "\n");
  return absl::StrCat(absl::StrJoin(WrapWords(visible, style.columns()), "\n"), "\n");
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
