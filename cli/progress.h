// A progress bar on a terminal.
#pragma once

#include <string>

#include "absl/time/time.h"
#include "cli/context.h"

namespace center::cli {

// Bytes done of `total` (0: not known) after `elapsed`: "[=====>    ]  52%  1.20 GiB  230 MiB/s ETA
// 5s", at most `width` columns.
struct ProgressState {
  uint64_t done_bytes = 0;
  uint64_t total_bytes = 0;
  absl::Duration elapsed;
};
std::string ProgressLine(const ProgressState& state, size_t width);

// "[=====>    ]  text", the bar as wide as fits: at most `width` columns. `share`: 0 to 1.
std::string BarLine(double share, const std::string& text, size_t width);
// Columns of the terminal that `fd` is; 80 for what is none.
size_t TerminalWidth(int fd);

// Draws it over itself on stderr, not more often than every 100 ms, and removes it when destroyed.
// Does nothing unless stderr is a terminal, or with -q. One thread.
class ProgressBar {
 public:
  ProgressBar(Context& context, uint64_t total_bytes);
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;
  ~ProgressBar();
  void Update(uint64_t done_bytes);

 private:
  Context& context_;
  const uint64_t total_bytes_;
  const bool on_;
  const SteadyTime start_;
  SteadyTime last_draw_;
  bool drawn_ = false;
};

}  // namespace center::cli
