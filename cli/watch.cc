#include "cli/watch.h"

#include <poll.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/synchronization/notification.h"
#include "absl/types/optional.h"
#include "cli/errors.h"
#include "cli/flags.h"
#include "cli/full_screen.h"
#include "cli/keys.h"
#include "cli/retry.h"
#include "cli/signals.h"
#include "cli/text_width.h"
#include "cli/visible_text.h"
#include "services/common/status_macros.h"
#include "services/common/text.h"

namespace center::cli {
namespace {

constexpr absl::Duration kWatchIntervalMin = absl::Milliseconds(100);
// A coordinator that does not answer must not keep Ctrl-C from working for longer than this.
constexpr absl::Duration kAskTimeoutMax = absl::Seconds(2);

bool IsDocument(Format format) { return format == Format::kJson || format == Format::kYaml; }

// The coordinator does not answer now, but may again.
bool IsAway(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) ||
         ExitCodeOf(status) == kExitNotRunning;
}

// What goes to stdout. `watching`: one of many.
absl::StatusOr<std::string> TextOf(const View& view, Format format, bool watching, absl::Time now,
                                   const Style& style) {
  if (format == Format::kJson && watching) return ToJson(*view.message, JsonLayout::kOneLine);
  if (format == Format::kYaml && watching) {
    ASSIGN_OR_RETURN(const std::string yaml, ToYaml(*view.message));
    return absl::StrCat("---\n", yaml);
  }
  if (IsDocument(format)) return Render(*view.message, format);
  if (format == Format::kName) {
    return view.names.empty() ? "" : absl::StrCat(absl::StrJoin(view.names, "\n"), "\n");
  }
  return view.nothing.empty() ? view.text(now, style) : "";
}

absl::Status ShowOnce(Context& context, const Ask& ask) {
  ASSIGN_OR_RETURN(const View view, ask(context));
  const Format format = context.globals().format;
  ASSIGN_OR_RETURN(const std::string text, TextOf(view, format, /*watching=*/false,
                                                  context.clock().Wall(), context.out_style()));
  context.out().Append(text);
  RETURN_IF_ERROR(context.out().Flush());
  if (text.empty() && !view.nothing.empty()) context.Say(view.nothing);
  return view.result;
}

// A context that is asked with: its own, because its patience is short.
Globals Impatient(Globals globals) {
  globals.timeout = std::min(globals.timeout, kAskTimeoutMax);
  return globals;
}

// Prints what has changed, for programs and files.
absl::Status WatchLines(Context& context, const WatchFlags& flags, const Ask& ask) {
  Reconnector reconnector(context);
  // Before the first channel: its threads inherit the blocked signals.
  const SignalWatcher watcher([&reconnector](int /*count*/) { reconnector.Stop(); });
  Context asking(Impatient(context.globals()), context.dependencies());
  const Format format = context.globals().format;
  std::string last;
  absl::Time last_time = context.clock().Wall();
  bool any = false;
  while (!reconnector.stopped()) {
    const auto view = ask(asking);
    if (reconnector.stopped()) break;
    if (!view.ok()) {
      if (IsAway(view.status()) && reconnector.ShouldRetry(absl::UnavailableError(""))) continue;
      return reconnector.stopped() ? absl::OkStatus() : view.status();
    }
    reconnector.OnProgress();
    // With the ages of then, so that they alone are no news.
    ASSIGN_OR_RETURN(const std::string same,
                     TextOf(*view, format, true, last_time, context.out_style()));
    if (!any || same != last) {
      last_time = context.clock().Wall();
      ASSIGN_OR_RETURN(std::string text,
                       TextOf(*view, format, true, last_time, context.out_style()));
      if (any && !IsDocument(format)) context.out().Append("\n");
      context.out().Append(text);
      RETURN_IF_ERROR(context.out().Flush());
      if (text.empty() && !view->nothing.empty()) context.Say(view->nothing);
      last = std::move(text);
      any = true;
    }
    if (!reconnector.Pause(flags.interval)) break;
  }
  return absl::OkStatus();
}

// Draws it over itself, for people. Main's thread.
class WatchScreen {
 public:
  WatchScreen(Context& context, const WatchFlags& flags, std::unique_ptr<FullScreen> screen)
      : context_(context),
        asking_(Impatient(context.globals()), context.dependencies()),
        interval_(absl::ToChronoNanoseconds(flags.interval)),
        screen_(std::move(screen)) {}

  absl::Status Run(const Ask& ask);

 private:
  absl::StatusOr<std::string> Text(const Style& style);
  absl::Status DrawView();
  // Deals with keys and signals until then.
  absl::Status WaitUntil(SteadyTime then);

  Context& context_;
  Context asking_;
  const SteadyDuration interval_;
  std::unique_ptr<FullScreen> screen_;
  absl::optional<View> view_;
  absl::Time view_time_;
  absl::Status trouble_;
  bool quit_ = false;
};

absl::StatusOr<std::string> WatchScreen::Text(const Style& style) {
  return TextOf(*view_, context_.globals().format, /*watching=*/false, view_time_, style);
}

absl::Status WatchScreen::DrawView() {
  const FullScreen::Size size = screen_->size();
  const Style style(context_.out_style().on(), size.columns);
  ASSIGN_OR_RETURN(std::string text, Text(style));
  if (text.empty()) text = view_->nothing;
  std::vector<std::string> lines = absl::StrSplit(text, '\n');
  if (lines.back().empty()) lines.pop_back();
  const size_t room = size.rows - 1;
  if (lines.size() > room) {
    const size_t hidden = lines.size() - room + 1;
    lines.resize(room);
    if (room > 0) lines.back() = style(Color::kDim, absl::StrCat("… ", hidden, " more lines"));
  }
  lines.resize(room);
  const std::string when = absl::FormatTime("%H:%M:%S", view_time_, absl::LocalTimeZone());
  const std::string foot =
      trouble_.ok() ? absl::StrCat(when, "  q or Ctrl-C leaves")
                    : absl::StrCat("as of ", when, ": ", VisibleLine(trouble_.message()));
  lines.push_back(style(trouble_.ok() ? Color::kDim : Color::kRed, Shortened(foot, size.columns)));
  return screen_->Draw(std::move(lines));
}

absl::Status WatchScreen::WaitUntil(SteadyTime then) {
  KeyDecoder decoder;
  SteadyTime now = context_.clock().Steady();
  // Looked at once at least: an answer may have taken longer than the interval.
  do {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(then - now);
    pollfd fds[] = {{context_.dependencies().in_fd, POLLIN, 0}, {screen_->signal_fd(), POLLIN, 0}};
    const int timeout_ms = left.count() < 0 ? 0 : static_cast<int>(left.count()) + 1;
    static_cast<void>(::poll(fds, std::size(fds), timeout_ms));
    for (auto signal = screen_->NextSignal(); signal != FullScreen::Signal::kNone;
         signal = screen_->NextSignal()) {
      if (signal == FullScreen::Signal::kEnd) {
        quit_ = true;
      } else {
        screen_->Forget();
        RETURN_IF_ERROR(DrawView());
      }
    }
    std::string bytes;
    if (fds[0].revents != 0 && !screen_->ReadKeys(&bytes)) quit_ = true;
    for (const Key& key : decoder.Feed(bytes)) quit_ = quit_ || key.text == "q";
    now = context_.clock().Steady();
  } while (!quit_ && now < then);
  return absl::OkStatus();
}

absl::Status WatchScreen::Run(const Ask& ask) {
  while (!quit_) {
    const SteadyTime start = context_.clock().Steady();
    absl::StatusOr<View> view = ask(asking_);
    trouble_ = view.status();
    if (view.ok()) {
      view_ = *std::move(view);
      view_time_ = context_.clock().Wall();
    } else if (!view_.has_value()) {
      return trouble_;  // one that never answered is an error, not a pause
    }
    RETURN_IF_ERROR(DrawView());
    RETURN_IF_ERROR(WaitUntil(start + interval_));
  }
  screen_ = nullptr;
  // What was seen last stays on the terminal.
  ASSIGN_OR_RETURN(const std::string text, Text(context_.out_style()));
  context_.out().Append(text);
  return context_.out().Flush();
}

}  // namespace

std::shared_ptr<WatchFlags> AddWatchFlags(CLI::App* command) {
  auto flags = std::make_shared<WatchFlags>();
  command->add_flag("-w,--watch", flags->on,
                    "Go on until Ctrl-C: on a terminal drawn over itself, elsewhere printed again "
                    "when it has changed");
  AddDuration(*command, "--interval", &flags->interval,
              "How often --watch asks the coordinator (default 1s)");
  return flags;
}

absl::Status ShowView(Context& context, const WatchFlags& flags, const Ask& ask) {
  if (!flags.on) return ShowOnce(context, ask);
  if (flags.interval < kWatchIntervalMin) {
    return UsageError(
        absl::StrCat("--interval: at least ", FormatShortDuration(kWatchIntervalMin)));
  }
  if (!context.out().is_terminal()) return WatchLines(context, flags, ask);
  auto screen = FullScreen::Open(context.dependencies().in_fd, context.dependencies().out_fd);
  if (absl::IsFailedPrecondition(screen.status())) return WatchLines(context, flags, ask);
  RETURN_IF_ERROR(screen.status());
  return WatchScreen(context, flags, *std::move(screen)).Run(ask);
}

}  // namespace center::cli
