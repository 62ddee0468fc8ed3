// Lines of a script, one at a time: nothing behind the line feed is read, because the commands of
// the script may read stdin themselves.
#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace center::cli {

inline constexpr size_t kScriptLineBytesMax = 64 << 10;

class LineSource {
 public:
  // `fd` stays the caller's.
  explicit LineSource(int fd) : fd_(fd) {}

  // The next line without its line feed; false at the end. InvalidArgument for a line of more than
  // kScriptLineBytesMax, and what read(2) says.
  absl::StatusOr<bool> Next(std::string* line);

 private:
  const int fd_;
};

}  // namespace center::cli
