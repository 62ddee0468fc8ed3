#include "cli/progress.h"

#include <sys/ioctl.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "services/common/text.h"

namespace center::cli {
namespace {

constexpr SteadyDuration kDrawInterval = std::chrono::milliseconds(100);
constexpr size_t kBarWidthMax = 40;

}  // namespace

size_t TerminalWidth(int fd) {
  winsize size{};
  return ::ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

std::string BarLine(double share, const std::string& text, size_t width) {
  if (text.size() + 14 > width) return text.substr(0, width);
  const size_t bar_width = std::min(kBarWidthMax, width - text.size() - 4);
  const auto filled = static_cast<size_t>(share * static_cast<double>(bar_width));
  std::string bar(filled, '=');
  if (filled < bar_width) bar += '>';
  bar.resize(bar_width, ' ');
  return absl::StrCat("[", bar, "]  ", text);
}

std::string ProgressLine(const ProgressState& state, size_t width) {
  const double seconds = std::max(1e-9, absl::ToDoubleSeconds(state.elapsed));
  const double rate = static_cast<double>(state.done_bytes) / seconds;
  std::string text = absl::StrCat(FormatBytes(state.done_bytes), "  ",
                                  FormatBytes(static_cast<uint64_t>(rate)), "/s");
  if (state.total_bytes == 0) return text.substr(0, width);
  const double share =
      std::min(1.0, static_cast<double>(state.done_bytes) / static_cast<double>(state.total_bytes));
  if (rate > 0 && state.done_bytes < state.total_bytes) {
    const double left = static_cast<double>(state.total_bytes - state.done_bytes) / rate;
    absl::StrAppend(&text, "  ETA ", FormatAge(absl::Seconds(left + 0.5)));
  }
  text = absl::StrFormat("%3d%%  %s", static_cast<int>(share * 100), text);
  return BarLine(share, text, width);
}

ProgressBar::ProgressBar(Context& context, uint64_t total_bytes)
    : context_(context),
      total_bytes_(total_bytes),
      on_(context.err_is_terminal() && !context.globals().quiet),
      start_(context.clock().Steady()),
      last_draw_(start_) {}

void ProgressBar::Update(uint64_t done_bytes) {
  if (!on_) return;
  const SteadyTime now = context_.clock().Steady();
  if (now - last_draw_ < kDrawInterval) return;
  last_draw_ = now;
  drawn_ = true;
  const ProgressState state{done_bytes, total_bytes_, absl::FromChrono(now - start_)};
  const size_t width = TerminalWidth(context_.dependencies().err_fd);
  context_.ErrText(absl::StrCat("\r\x1b[K", ProgressLine(state, width - 1)));
}

ProgressBar::~ProgressBar() {
  if (drawn_) context_.ErrText("\r\x1b[K");
}

}  // namespace center::cli
