#include "services/common/utf8.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "services/common/log.h"
#include "simdjson.h"

namespace center {
namespace {

constexpr size_t kCharacterBytesMax = 4;

// Of the character at the front; 0 when there is none. No character is the beginning of another.
size_t CharacterLength(absl::string_view text) {
  const size_t longest = std::min(text.size(), kCharacterBytesMax);
  for (size_t length = 1; length <= longest; ++length) {
    if (simdjson::validate_utf8(text.data(), length)) return length;
  }
  return 0;
}

}  // namespace

std::string ValidUtf8(absl::string_view text) {
  if (simdjson::validate_utf8(text.data(), text.size())) return std::string(text);
  std::string valid;
  while (!text.empty()) {
    const size_t length = CharacterLength(text);
    if (length == 0) {
      absl::StrAppendFormat(&valid, "\\x%02x", static_cast<unsigned char>(text.front()));
      text.remove_prefix(1);
    } else {
      valid.append(text.data(), length);
      text.remove_prefix(length);
    }
  }
  return valid;
}

std::string Utf8Lines(absl::string_view text) {
  std::vector<std::string> lines;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    lines.push_back(Printable(line, text.size()));
  }
  return ValidUtf8(absl::StrJoin(lines, "\n"));
}

}  // namespace center
