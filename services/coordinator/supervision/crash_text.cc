#include "services/coordinator/supervision/crash_text.h"

#include <cstdint>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace center::supervision {
namespace {

// "*** SIGSEGV received at time=1795572272 on cpu 0 ***"
bool IsHeader(absl::string_view line) {
  return absl::StartsWith(line, "*** SIG") && absl::StrContains(line, " received at time=");
}

// "    @     0x5621d6b5b5df         48  center::Foo()": the address, the frame's size or
// "(unknown)", the function. The first one, "PC: @ …", comes again as a frame.
struct Frame {
  absl::string_view address;
  absl::string_view function;
};
bool ParseFrame(absl::string_view line, Frame* frame) {
  line = absl::StripLeadingAsciiWhitespace(line);
  if (!absl::ConsumePrefix(&line, "@ ")) return false;
  const std::vector<absl::string_view> words = absl::StrSplit(line, ' ', absl::SkipEmpty());
  if (words.size() < 3) return false;
  frame->address = words[0];
  frame->function = line.substr(static_cast<size_t>(words[2].data() - line.data()));
  return true;
}

bool IsProgramCounter(absl::string_view line) { return absl::StartsWith(line, "PC: @ "); }

}  // namespace

CrashText SplitCrashText(absl::string_view text) {
  std::vector<absl::string_view> lines = absl::StrSplit(text, '\n');
  size_t header = lines.size();
  for (size_t i = 0; i < lines.size(); ++i) {
    if (IsHeader(lines[i])) header = i;
  }
  CrashText result;
  if (header == lines.size()) {
    result.rest = std::string(text);
    return result;
  }
  size_t end = header + 1;
  uint32_t count = 0;
  for (; end < lines.size(); ++end) {
    Frame frame;
    if (IsProgramCounter(lines[end])) continue;
    if (!ParseFrame(lines[end], &frame)) break;
    const std::string line =
        absl::StrCat("#", count++, " ", frame.address, " ", frame.function, "\n");
    if (result.stack.size() + line.size() <= kStackBytesMax) result.stack += line;
  }
  lines.erase(lines.begin() + static_cast<ptrdiff_t>(header),
              lines.begin() + static_cast<ptrdiff_t>(end));
  for (size_t i = 0; i < lines.size(); ++i) {
    absl::StrAppend(&result.rest, lines[i], i + 1 < lines.size() ? "\n" : "");
  }
  return result;
}

}  // namespace center::supervision
