#include "cli/visible_text.h"

#include <cstdint>

#include "absl/strings/str_cat.h"

namespace center::cli {
namespace {

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

// The escape for a code point that is not shown as it is.
std::string Escape(uint32_t code_point) {
  if (code_point == '\n') return "\\n";
  if (code_point == '\t') return "\\t";
  if (code_point == '\r') return "\\r";
  if (code_point < 0x80) return absl::StrCat("\\x", absl::Hex(code_point, absl::kZeroPad2));
  return absl::StrCat("\\u", absl::Hex(code_point, absl::kZeroPad4));
}

std::string Visible(absl::string_view text, bool keep_layout) {
  std::string out;
  while (!text.empty()) {
    uint32_t code_point = 0;
    const size_t length = DecodeUtf8(text, &code_point);
    if (length == 0) {
      absl::StrAppend(&out, "\\x", absl::Hex(static_cast<unsigned char>(text[0]), absl::kZeroPad2));
      text.remove_prefix(1);
      continue;
    }
    const bool layout = code_point == '\n' || code_point == '\t';
    if (layout ? keep_layout : !IsTreacherous(code_point)) {
      absl::StrAppend(&out, text.substr(0, length));
    } else {
      out += Escape(code_point);
    }
    text.remove_prefix(length);
  }
  return out;
}

}  // namespace

std::string VisibleText(absl::string_view text) { return Visible(text, /*keep_layout=*/true); }

std::string VisibleLine(absl::string_view text) { return Visible(text, /*keep_layout=*/false); }

}  // namespace center::cli
