#include "services/coordinator/supervision/stacks.h"

#include <chrono>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "services/coordinator/supervision/crash_text.h"

namespace center::supervision {
namespace {

// Fields are separated by tabs, records by line feeds: neither is in a field.
std::string Field(absl::string_view text) {
  std::string field(text);
  for (char& c : field) {
    if (absl::ascii_iscntrl(static_cast<unsigned char>(c))) c = '?';
  }
  return field;
}

using Fields = std::vector<absl::string_view>;

bool DecodeRecord(const Fields& fields, ProcessStacks* stacks) {
  const absl::string_view kind = fields[0];
  int64_t number = 0;
  if (kind == "STACKS") {
    if (fields.size() != 2 || !absl::SimpleAtoi(fields[1], &number)) return false;
    stacks->stopped_for = std::chrono::nanoseconds(number);
    return true;
  }
  if (kind == "T") {
    if (fields.size() != 4 || !absl::SimpleAtoi(fields[1], &number)) return false;
    if (stacks->threads.size() == kThreadsMax) return false;
    stacks->threads.push_back(
        {.tid = number, .name = std::string(fields[2]), .note = std::string(fields[3])});
    return true;
  }
  if (kind != "F" || fields.size() != 4 || stacks->threads.empty()) return false;
  StackFrame frame{.function = std::string(fields[3]), .location = std::string(fields[2])};
  if (!absl::SimpleHexAtoi(fields[1], &frame.address)) return false;
  if (stacks->threads.back().frames.size() == kFramesMax) return false;
  stacks->threads.back().frames.push_back(std::move(frame));
  return true;
}

absl::Status DecodeError(const Fields& fields) {
  int code = 0;
  if (fields.size() != 3 || !absl::SimpleAtoi(fields[1], &code) || code <= 0 || code > 16) {
    return absl::InternalError("the helper has written an error that cannot be read");
  }
  return {static_cast<absl::StatusCode>(code), fields[2]};
}

bool AtTheSamePlace(const ThreadStack& a, const ThreadStack& b) {
  if (a.frames.size() != b.frames.size() || a.frames.empty()) return false;
  for (size_t i = 0; i < a.frames.size(); ++i) {
    if (a.frames[i].address != b.frames[i].address) return false;
  }
  return true;
}

std::string FormatFrames(const ThreadStack& thread) {
  std::string text;
  if (!thread.note.empty()) absl::StrAppend(&text, "  (", thread.note, ")\n");
  for (size_t i = 0; i < thread.frames.size(); ++i) {
    const StackFrame& frame = thread.frames[i];
    absl::StrAppendFormat(&text, "  #%-2d ", i);
    if (frame.function.empty()) {
      absl::StrAppendFormat(&text, "0x%x", frame.address);
    } else {
      absl::StrAppend(&text, frame.function);
    }
    absl::StrAppend(&text, frame.location.empty() ? "" : " at ", frame.location, "\n");
  }
  return text;
}

}  // namespace

std::string EncodeHeader(SteadyDuration stopped_for) {
  return absl::StrCat("STACKS\t", std::chrono::nanoseconds(stopped_for).count(), "\n");
}

std::string EncodeThread(const ThreadStack& thread) {
  std::string text =
      absl::StrCat("T\t", thread.tid, "\t", Field(thread.name), "\t", Field(thread.note), "\n");
  for (const StackFrame& frame : thread.frames) {
    absl::StrAppend(&text, "F\t", absl::Hex(frame.address), "\t", Field(frame.location), "\t",
                    Field(frame.function), "\n");
  }
  return text;
}

std::string EncodeEnd() { return "END\n"; }

std::string EncodeError(const absl::Status& status) {
  return absl::StrCat("ERROR\t", static_cast<int>(status.code()), "\t", Field(status.message()),
                      "\n");
}

absl::StatusOr<ProcessStacks> DecodeStacks(absl::string_view text) {
  ProcessStacks stacks{.complete = false};
  bool first = true;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    if (end == absl::string_view::npos) break;  // cut
    const Fields fields = absl::StrSplit(text.substr(0, end), '\t');
    text.remove_prefix(end + 1);
    if (first && fields[0] == "ERROR") return DecodeError(fields);
    if (!first && fields[0] == "END") {
      stacks.complete = true;
      return stacks;
    }
    if (first != (fields[0] == "STACKS") || !DecodeRecord(fields, &stacks)) {
      return absl::InternalError("the helper has written what cannot be read");
    }
    first = false;
  }
  if (first) return absl::InternalError("the helper has written nothing");
  return stacks;
}

std::string FormatStacks(const ProcessStacks& stacks) {
  std::string text;
  std::vector<bool> done(stacks.threads.size(), false);
  const auto append = [&text](absl::string_view part) {
    if (text.size() + part.size() <= kStackBytesMax) absl::StrAppend(&text, part);
  };
  for (size_t i = 0; i < stacks.threads.size(); ++i) {
    if (done[i]) continue;
    const ThreadStack& thread = stacks.threads[i];
    std::vector<std::string> names;
    for (size_t j = i; j < stacks.threads.size(); ++j) {
      if (j != i && !AtTheSamePlace(thread, stacks.threads[j])) continue;
      done[j] = true;
      names.push_back(absl::StrCat(stacks.threads[j].tid, " ", stacks.threads[j].name));
    }
    append(absl::StrCat(names.size() == 1 ? "thread " : "threads ", absl::StrJoin(names, ", "),
                        "\n", FormatFrames(thread)));
  }
  if (!stacks.complete) append("(not all: it took too long)\n");
  return text;
}

std::string ShortFunction(absl::string_view demangled) {
  // " [clone .isra.0]" of the compiler, "@@GLIBC_2.34" of the linker.
  demangled = demangled.substr(0, demangled.find(" [clone"));
  demangled = demangled.substr(0, demangled.find("@@"));
  std::string result;
  int depth = 0;
  while (!demangled.empty()) {
    if (depth == 0) {
      bool kept = false;
      // Brackets that are part of a name.
      for (const absl::string_view name :
           {"(anonymous namespace)", "operator()", "operator<<", "operator<=>",
            "operator<=", "operator<", "operator->", "operator>>", "operator>=", "operator>"}) {
        if (!absl::ConsumePrefix(&demangled, name)) continue;
        result.append(name.data(), name.size());
        kept = true;
        break;
      }
      if (kept) continue;
    }
    const char c = demangled.front();
    demangled.remove_prefix(1);
    const bool opens = c == '<' || c == '(';
    const bool closes = (c == '>' || c == ')') && depth > 0;
    if (closes) --depth;
    if (depth == 0) result.push_back(c);
    if (opens) ++depth;
  }
  return result;
}

}  // namespace center::supervision
