#include "cli/text_width.h"

#include <locale.h>
#include <wchar.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace center::cli {
namespace {

constexpr absl::string_view kEllipsis = "…";

bool IsAscii(absl::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

// The C library's tables of characters, whatever the user's locale is: our text is UTF-8.
class Utf8Locale {
 public:
  Utf8Locale() : before_(::uselocale(Shared())) {}
  ~Utf8Locale() { ::uselocale(before_); }
  Utf8Locale(const Utf8Locale&) = delete;
  Utf8Locale& operator=(const Utf8Locale&) = delete;

 private:
  static locale_t Shared() {
    // Null on a system without it, and then nothing is changed. Never freed: it lasts as long as
    // the process.
    static const locale_t utf8 = ::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
    return utf8;
  }
  const locale_t before_;
};

struct Character {
  size_t bytes = 1;
  int columns = 1;
};

// REQUIRES: a Utf8Locale, and text.
Character FirstCharacter(absl::string_view text) {
  std::mbstate_t state{};
  wchar_t wide = 0;
  const size_t bytes = ::mbrtowc(&wide, text.data(), text.size(), &state);
  if (bytes == 0 || bytes > text.size()) return {};  // NUL, or no UTF-8
  const int columns = ::wcwidth(wide);
  return {bytes, columns < 0 ? 1 : columns};
}

Glyph GlyphAt(absl::string_view text) {
  const Character first = FirstCharacter(text);
  size_t bytes = first.bytes;
  while (bytes < text.size()) {
    const Character next = FirstCharacter(text.substr(bytes));
    if (next.columns != 0) break;
    bytes += next.bytes;
  }
  return {text.substr(0, bytes), static_cast<size_t>(std::max(1, first.columns))};
}

}  // namespace

Glyph FirstGlyph(absl::string_view text) {
  if (text.size() == 1 || IsAscii(text.substr(0, 2))) return {text.substr(0, 1), 1};
  const Utf8Locale locale;
  return GlyphAt(text);
}

size_t DisplayWidth(absl::string_view text) {
  if (IsAscii(text)) return text.size();
  const Utf8Locale locale;
  size_t columns = 0;
  while (!text.empty()) {
    const Glyph glyph = GlyphAt(text);
    columns += glyph.columns;
    text.remove_prefix(glyph.text.size());
  }
  return columns;
}

std::string Shortened(absl::string_view text, size_t columns) {
  if (DisplayWidth(text) <= columns) return std::string(text);
  if (columns == 0) return "";
  const Utf8Locale locale;
  size_t used = 0;
  size_t bytes = 0;
  while (bytes < text.size()) {
    const Glyph glyph = GlyphAt(text.substr(bytes));
    if (used + glyph.columns + 1 > columns) break;
    used += glyph.columns;
    bytes += glyph.text.size();
  }
  return absl::StrCat(text.substr(0, bytes), kEllipsis);
}

std::vector<std::string> WrapWords(absl::string_view text, size_t columns) {
  std::vector<std::string> lines;
  for (;;) {
    size_t used = 0;
    size_t bytes = 0;
    size_t blank = 0;  // the last place where the line may end
    while (bytes < text.size()) {
      const Glyph glyph = FirstGlyph(text.substr(bytes));
      if (glyph.text == " ") blank = bytes;
      // A wide character in a single column is too wide, but must go somewhere.
      if (used + glyph.columns > columns && bytes > 0) break;
      used += glyph.columns;
      bytes += glyph.text.size();
    }
    if (bytes == text.size()) break;
    const size_t end = blank > 0 ? blank : bytes;
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(blank > 0 ? end + 1 : end);
  }
  lines.emplace_back(text);
  return lines;
}

std::string WrapLines(absl::string_view text, size_t columns, size_t hanging) {
  constexpr size_t kLeast = 8;  // of text beside what a line is indented by
  std::vector<std::string> lines;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    const size_t indent = std::min(line.find_first_not_of(' '), line.size());
    const size_t below = indent + (indent > 0 ? hanging : 0);
    if (columns == 0 || DisplayWidth(line) <= columns || columns < below + kLeast) {
      lines.emplace_back(line);
      continue;
    }
    const std::string first = WrapWords(line.substr(indent), columns - indent).front();
    lines.push_back(absl::StrCat(line.substr(0, indent), absl::StripAsciiWhitespace(first)));
    const absl::string_view rest =
        absl::StripLeadingAsciiWhitespace(line.substr(indent + first.size()));
    for (const std::string& part : WrapWords(rest, columns - below)) {
      lines.push_back(absl::StrCat(std::string(below, ' '), absl::StripAsciiWhitespace(part)));
    }
  }
  return absl::StrJoin(lines, "\n");
}

}  // namespace center::cli
