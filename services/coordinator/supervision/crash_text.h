// The stack that a worker's handler of fatal signals writes to stderr, told from the rest. Pure.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace center::supervision {

inline constexpr size_t kStackBytesMax = 32 * 1024;

struct CrashText {
  // One line per frame, innermost first: "#0 0x7fc94d526f36 epoll_wait"; empty when there is none.
  // At most kStackBytesMax.
  std::string stack;
  // The lines that are no part of it.
  std::string rest;
};

// Finds the last stack in what a process wrote.
CrashText SplitCrashText(absl::string_view text);

}  // namespace center::supervision
