#include "cli/json_text.h"

#include "absl/strings/str_cat.h"

namespace center::cli {

std::string JsonString(absl::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\')
      absl::StrAppend(&out, "\\", absl::string_view(&c, 1));
    else if (byte < 0x20)
      absl::StrAppend(&out, "\\u", absl::Hex(byte, absl::kZeroPad4));
    else
      out += c;
  }
  return out + "\"";
}

}  // namespace center::cli
