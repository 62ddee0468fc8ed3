// What a child prints, as log lines that cannot fill a disk, and the end of its stderr for the
// post-mortem. Pure: bytes and times in, lines out.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>

#include "absl/strings/string_view.h"
#include "services/common/clock.h"

namespace center::supervision {

inline constexpr size_t kOutputLineBytesMax = 4096;
inline constexpr uint32_t kOutputLinesPerSecondMax = 200;
// What is kept of stderr: the stack of a fatal signal and what came before it.
inline constexpr size_t kStderrTailBytesMax = 40 * 1024;

// One per process; one thread. A line longer than kOutputLineBytesMax comes out in pieces of that
// length. Of more than kOutputLinesPerSecondMax lines within a second (of both streams together)
// the rest is dropped, and how many were is said before the next line that is let through.
class OutputCapture {
 public:
  enum class Stream { kStdout, kStderr };

  // `sink` gets each line without its line end.
  explicit OutputCapture(std::function<void(absl::string_view line)> sink)
      : sink_(std::move(sink)) {}

  void Feed(Stream stream, absl::string_view bytes, SteadyTime now);
  // No more will come: lets out unfinished lines and a pending count of dropped ones.
  void Finish(SteadyTime now);
  // The last kStderrTailBytesMax bytes of stderr, from the beginning of a line where possible.
  // Valid UTF-8; other bytes and control characters but tab and newline are '?'.
  std::string StderrTail() const;

 private:
  void Emit(absl::string_view line, SteadyTime now);
  void ReportDropped();

  const std::function<void(absl::string_view)> sink_;
  std::array<std::string, 2> partial_;  // the unfinished line of each stream
  std::string stderr_tail_;             // up to twice kStderrTailBytesMax
  SteadyTime window_start_ = SteadyTime::min();
  uint32_t lines_in_window_ = 0;
  uint64_t dropped_ = 0;
};

}  // namespace center::supervision
