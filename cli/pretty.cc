#include "cli/pretty.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/views.h"
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

// The length of the UTF-8 sequence at the start of `text` and its code point; 0: there is none.
size_t DecodeUtf8(absl::string_view text, uint32_t* code_point) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  if (byte(0) < 0x80) {
    *code_point = byte(0);
    return 1;
  }
  const size_t length = byte(0) >= 0xF0 ? 4 : byte(0) >= 0xE0 ? 3 : byte(0) >= 0xC2 ? 2 : 0;
  if (length == 0 || length > text.size() || byte(0) > 0xF4) return 0;
  uint32_t value = byte(0) & (0x7Fu >> length);
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
    value = value << 6 | (byte(i) & 0x3F);
  }
  constexpr uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  if (value < kLeast[length] || value > 0x10FFFF || (value >= 0xD800 && value < 0xE000)) return 0;
  *code_point = value;
  return length;
}

// Characters that change how a terminal shows other characters.
bool IsTreacherous(uint32_t code_point) {
  return code_point < 0x20 || (code_point >= 0x7F && code_point < 0xA0) ||
         (code_point >= 0x200B && code_point <= 0x200F) ||
         (code_point >= 0x2028 && code_point <= 0x202E) ||
         (code_point >= 0x2066 && code_point <= 0x2069) || code_point == 0xFEFF;
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

std::string VisibleText(absl::string_view text) {
  std::string out;
  while (!text.empty()) {
    uint32_t code_point = 0;
    const size_t length = DecodeUtf8(text, &code_point);
    if (length == 0) {
      absl::StrAppend(&out, "\\x", absl::Hex(static_cast<unsigned char>(text[0]), absl::kZeroPad2));
      text.remove_prefix(1);
      continue;
    }
    if (code_point == '\n' || code_point == '\t' || !IsTreacherous(code_point)) {
      absl::StrAppend(&out, text.substr(0, length));
    } else if (code_point == '\r') {
      out += "\\r";
    } else if (code_point < 0x80) {
      absl::StrAppend(&out, "\\x", absl::Hex(code_point, absl::kZeroPad2));
    } else {
      absl::StrAppend(&out, "\\u", absl::Hex(code_point, absl::kZeroPad4));
    }
    text.remove_prefix(length);
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
