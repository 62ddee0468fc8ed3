#include "cli/job_progress.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/job_views.h"
#include "cli/progress.h"
#include "services/common/text.h"

namespace center::cli {
namespace {

constexpr SteadyDuration kJobDrawInterval = std::chrono::milliseconds(100);
// Lines are the rarer, the longer it takes: the log of a job of hours stays readable.
constexpr SteadyDuration kLineIntervalMin = std::chrono::seconds(1);
constexpr SteadyDuration kLineIntervalMax = std::chrono::seconds(30);
// A job that is over sooner needs no progress.
constexpr SteadyDuration kQuietStart = std::chrono::milliseconds(300);

}  // namespace

std::string JobProgressLine(const v1::Job& job, absl::Duration elapsed,
                            absl::optional<size_t> width) {
  const uint64_t done = job.inputs_succeeded() + job.inputs_failed();
  const double rate = static_cast<double>(done) / std::max(1e-9, absl::ToDoubleSeconds(elapsed));
  const bool known = job.inputs_complete() && job.inputs() > 0;
  const double share =
      known ? std::min(1.0, static_cast<double>(done) / static_cast<double>(job.inputs())) : 0;
  std::string text = known ? absl::StrFormat("%3d%%  ", static_cast<int>(share * 100)) : "";
  absl::StrAppend(&text, DoneText(job), "  ", FormatSi(rate), "/s");
  if (known && done > 0 && done < job.inputs()) {
    const double left = static_cast<double>(job.inputs() - done) / rate;
    absl::StrAppend(&text, "  ETA ", FormatAge(absl::Seconds(left + 0.5)));
  }
  if (job.inputs_failed() > 0) absl::StrAppend(&text, "  ", job.inputs_failed(), " failed");
  if (job.retries() > 0) {
    absl::StrAppend(&text, "  ", job.retries(), job.retries() == 1 ? " retry" : " retries");
  }
  if (!width.has_value()) return text;
  return known ? BarLine(share, text, *width) : text.substr(0, *width);
}

JobProgress::JobProgress(Context& context)
    : context_(context), bar_(context.err_is_terminal()), start_(context.clock().Steady()) {}

void JobProgress::Update(const v1::Job& job) {
  if (context_.globals().quiet || HasEnded(job)) return;
  const SteadyTime now = context_.clock().Steady();
  if (now - start_ < kQuietStart) return;
  const SteadyDuration interval =
      bar_ ? kJobDrawInterval : std::clamp((now - start_) / 10, kLineIntervalMin, kLineIntervalMax);
  if (last_.has_value() && now - *last_ < interval) return;
  const absl::Duration elapsed = absl::FromChrono(now - start_);
  if (bar_) {
    const size_t width = TerminalWidth(context_.dependencies().err_fd) - 1;
    context_.ErrText(absl::StrCat("\r\x1b[K", JobProgressLine(job, elapsed, width)));
    drawn_ = true;
  } else {
    const std::string what = DoneText(job);
    if (what == last_line_) return;
    last_line_ = what;
    context_.Say(absl::StrCat("job ", job.id(), ": ", JobProgressLine(job, elapsed, {})));
  }
  last_ = now;
}

void JobProgress::Hide() {
  if (!drawn_) return;
  context_.ErrText("\r\x1b[K");
  drawn_ = false;
}

}  // namespace center::cli
