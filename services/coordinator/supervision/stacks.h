// The stacks of a process's threads: as values, as the lines that pass from the helper process that
// takes them to the coordinator, and as text for people. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "services/common/clock.h"

namespace center::supervision {

inline constexpr size_t kThreadsMax = 512;
inline constexpr size_t kFramesMax = 64;  // of a thread

struct StackFrame {
  uint64_t address = 0;
  std::string function;  // "" when it is not known
  std::string location;  // "ingest_server.cc:120", "libc.so.6" or ""
};

struct ThreadStack {
  int64_t tid = 0;
  std::string name;
  std::string note;                // why there are no frames
  std::vector<StackFrame> frames;  // innermost first
};

struct ProcessStacks {
  SteadyDuration stopped_for{};  // for how long the process stood still
  std::vector<ThreadStack> threads;
  bool complete = true;  // false: the helper did not come to its end
};

// What the helper writes: one header, each thread as soon as it is known, one end; or an error in
// place of everything.
std::string EncodeHeader(SteadyDuration stopped_for);
std::string EncodeThread(const ThreadStack& thread);
std::string EncodeEnd();
std::string EncodeError(const absl::Status& status);

// What the helper has written, or as much of it as has come. The error that it names; Internal when
// it is none of the above.
absl::StatusOr<ProcessStacks> DecodeStacks(absl::string_view text);

// A paragraph per thread, the main one first; threads that are at the same place share one. At most
// kStackBytesMax.
std::string FormatStacks(const ProcessStacks& stacks);

// A demangled name without what is between its angle brackets and parentheses:
// "a::f<int, b<c> >(char const*)" is "a::f<>()".
std::string ShortFunction(absl::string_view demangled);

}  // namespace center::supervision
