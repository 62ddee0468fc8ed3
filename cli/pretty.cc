#include "cli/pretty.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/views.h"
#include "cli/visible_text.h"
#include "services/common/kind.h"

namespace center::cli {
namespace {

constexpr size_t kHexDumpBytesMax = 512;

void NewLine(int depth, std::string* out) {
  *out += '\n';
  out->append(static_cast<size_t>(depth) * 2, ' ');
}

size_t SkipSpace(absl::string_view json, size_t at) {
  while (at < json.size() && absl::ascii_isspace(static_cast<unsigned char>(json[at]))) ++at;
  return at;
}

// The end of the string that begins at `at`.
size_t StringEnd(absl::string_view json, size_t at) {
  for (++at; at < json.size() && json[at] != '"'; ++at) {
    if (json[at] == '\\') ++at;
  }
  return std::min(at + 1, json.size());
}

}  // namespace

std::string IndentJson(absl::string_view json, const Style& style) {
  std::string out;
  int depth = 0;
  for (size_t at = SkipSpace(json, 0); at < json.size(); at = SkipSpace(json, at)) {
    const char c = json[at];
    if (c == '"') {
      const size_t end = StringEnd(json, at);
      const size_t next = SkipSpace(json, end);
      const bool key = next < json.size() && json[next] == ':';
      const std::string text = VisibleText(json.substr(at, end - at));
      absl::StrAppend(&out, style(key ? Color::kCyan : Color::kGreen, text));
      at = end;
      continue;
    }
    ++at;
    if (c == '{' || c == '[') {
      out += c;
      const size_t next = SkipSpace(json, at);
      if (next < json.size() && (json[next] == '}' || json[next] == ']')) {
        out += json[next];
        at = next + 1;
      } else {
        NewLine(++depth, &out);
      }
    } else if (c == '}' || c == ']') {
      NewLine(--depth, &out);
      out += c;
    } else if (c == ',') {
      out += c;
      NewLine(depth, &out);
    } else if (c == ':') {
      out += ": ";
    } else {
      out += c;
    }
  }
  return out;
}

std::string HexDump(absl::string_view bytes, size_t max_bytes) {
  constexpr size_t kPerLine = 16;
  std::string out;
  const absl::string_view shown = bytes.substr(0, max_bytes);
  for (size_t at = 0; at < shown.size(); at += kPerLine) {
    const absl::string_view line = shown.substr(at, kPerLine);
    std::string hex, ascii;
    for (size_t i = 0; i < line.size(); ++i) {
      const auto byte = static_cast<unsigned char>(line[i]);
      absl::StrAppend(&hex,
                      i == kPerLine / 2 ? "  "
                      : i > 0           ? " "
                                        : "",
                      absl::Hex(byte, absl::kZeroPad2));
      ascii += absl::ascii_isprint(byte) ? static_cast<char>(byte) : '.';
    }
    hex.resize(kPerLine * 3, ' ');
    absl::StrAppend(&out, absl::Hex(at, absl::kZeroPad8), "  ", hex, "  |", ascii, "|\n");
  }
  if (shown.size() < bytes.size()) {
    absl::StrAppend(&out, "... and ", bytes.size() - shown.size(),
                    " more bytes (-o raw prints all)\n");
  }
  return out;
}

std::string PrettyPayload(const BatchHeader& header, uint64_t offset, absl::string_view payload,
                          const Style& style) {
  const PayloadKind kind = ClassifyPayload(payload);
  const absl::string_view kind_text = kind == PayloadKind::kJson   ? "json"
                                      : kind == PayloadKind::kText ? "text"
                                                                   : "binary";
  std::string out = style(
      Color::kDim, absl::StrCat("-- ", LocalTime(absl::FromUnixNanos(header.receive_time_ns)), "  ",
                                header.worker, " #", offset, "  ", header.peer, "  ", kind_text,
                                ", ", payload.size(), payload.size() == 1 ? " byte" : " bytes"));
  out += '\n';
  if (kind == PayloadKind::kJson) {
    absl::StrAppend(&out, IndentJson(JsonText(payload), style), "\n");
  } else if (kind == PayloadKind::kText) {
    absl::StrAppend(&out, VisibleText(payload), "\n");
  } else {
    absl::StrAppend(&out, HexDump(payload, kHexDumpBytesMax));
  }
  return out;
}

}  // namespace center::cli
