// `top`: the whole fleet on one screen, as it is now.
#include "cli/top.h"

#include <poll.h>

#include <algorithm>
#include <memory>

#include "absl/strings/str_cat.h"
#include "cli/flags.h"
#include "cli/full_screen.h"
#include "cli/keys.h"
#include "cli/top_feed.h"
#include "cli/top_layout.h"
#include "services/common/status_macros.h"
#include "services/common/text.h"

namespace center::cli {
namespace {

// An escape byte that nothing follows for so long is the key Escape.
constexpr SteadyDuration kEscapeDelay = std::chrono::milliseconds(100);
// A round that takes longer is remarked upon, once a second.
constexpr SteadyDuration kSlowRound = std::chrono::seconds(2);
constexpr SteadyDuration kRemarkInterval = std::chrono::seconds(1);
constexpr absl::Duration kTopIntervalMin = absl::Milliseconds(100);

struct TopFlags {
  bool once = false;
  bool reverse = false;
  absl::Duration interval = absl::Seconds(1);
  std::string sort = "name";
  std::string filter;
};

TopView ViewFrom(const TopFlags& flags) {
  return {.sort = ParseTopSort(flags.sort).value_or(TopSort::kName),
          .reverse = flags.reverse,
          .filter = flags.filter};
}

// poll's timeout until then: rounded up, so that it is then when poll returns.
int MillisUntil(SteadyTime now, SteadyTime then) {
  if (then <= now) return 0;
  return static_cast<int>(
             std::chrono::duration_cast<std::chrono::milliseconds>(then - now).count()) +
         1;
}

// Two rounds, because rates need two.
absl::Status PrintOnce(Context& context, const TopFlags& flags) {
  ASSIGN_OR_RETURN(const auto feed, TopFeed::Create(context, {.follow_events = false}));
  TopHistory history;
  constexpr int kRounds = 2;
  const SteadyDuration interval = absl::ToChronoNanoseconds(flags.interval);
  feed->StartEvents();
  SteadyTime next_round = context.clock().Steady();
  bool events_ended = false;
  for (int started = 0, answered = 0; answered < kRounds || !events_ended;) {
    const SteadyTime now = context.clock().Steady();
    if (started == answered && started < kRounds && now >= next_round) {
      feed->StartRound();
      ++started;
      next_round = now + interval;
    }
    const bool pausing = started == answered && started < kRounds;
    pollfd news{feed->fd(), POLLIN, 0};
    static_cast<void>(::poll(&news, 1, pausing ? MillisUntil(now, next_round) : -1));
    TopFeed::News came = feed->Take();
    for (v1::Event& event : came.events) history.AddEvent(std::move(event));
    events_ended = events_ended || came.events_ended;
    if (!came.answer.has_value()) continue;
    RETURN_IF_ERROR(came.answer->status());
    history.Add(*std::move(*came.answer));
    ++answered;
  }
  TopView view = ViewFrom(flags);
  view.live = false;
  context.out().Append(TopReport(history.Data(), view, context.address(), context.out_style()));
  return absl::OkStatus();
}

// The screen, the person and the feed together. Main's thread.
class LiveTop {
 public:
  LiveTop(Context& context, const TopFlags& flags, FullScreen& screen, TopFeed& feed)
      : context_(context),
        interval_(absl::ToChronoNanoseconds(flags.interval)),
        screen_(screen),
        feed_(feed),
        view_(ViewFrom(flags)) {}

  absl::Status RunUntilQuit();

 private:
  // Starts what is due; how long nothing will be.
  int StartDue(SteadyTime now);
  void OnSignals();
  void OnKeys(const std::vector<Key>& keys);
  absl::Status OnNews();
  absl::Status DrawPicture();
  TopNotice Notice(SteadyTime now) const;

  Context& context_;
  const SteadyDuration interval_;
  FullScreen& screen_;
  TopFeed& feed_;
  KeyDecoder decoder_;
  TopView view_;
  TopExtent extent_;
  TopHistory history_;
  absl::Status trouble_;  // of the last round
  SteadyTime round_start_{};
  SteadyTime last_key_{};
  bool events_open_ = false;
  bool redraw_ = true;
};

int LiveTop::StartDue(SteadyTime now) {
  if (feed_.asking()) {
    if (now - round_start_ >= kSlowRound) redraw_ = true;
    return MillisUntil(now, std::max(round_start_ + kSlowRound, now + kRemarkInterval));
  }
  if (view_.paused) return -1;
  if (now < round_start_ + interval_) return MillisUntil(now, round_start_ + interval_);
  round_start_ = now;
  feed_.StartRound();
  // With each round, not at once: a coordinator that is away would be asked without end.
  if (!events_open_) {
    events_open_ = true;
    feed_.StartEvents();
  }
  return MillisUntil(now, now + kSlowRound);
}

void LiveTop::OnSignals() {
  for (;;) {
    switch (screen_.NextSignal()) {
      case FullScreen::Signal::kNone:
        return;
      case FullScreen::Signal::kEnd:
        view_.quit = true;
        return;
      case FullScreen::Signal::kResized:
        screen_.Forget();
        redraw_ = true;
        break;
    }
  }
}

void LiveTop::OnKeys(const std::vector<Key>& keys) {
  for (const Key& key : keys) {
    if (key.code == Key::Code::kRedraw) screen_.Forget();
    OnTopKey(key, extent_, &view_);
    redraw_ = true;
  }
}

absl::Status LiveTop::OnNews() {
  TopFeed::News news = feed_.Take();
  for (v1::Event& event : news.events) history_.AddEvent(std::move(event));
  if (news.events_ended) events_open_ = false;
  redraw_ = redraw_ || (!view_.paused && !news.events.empty());
  if (!news.answer.has_value()) return absl::OkStatus();
  redraw_ = true;
  trouble_ = news.answer->status();
  if (news.answer->ok()) {
    history_.Add(**std::move(news.answer));
    return absl::OkStatus();
  }
  // One that never answered is an error, not a pause.
  return history_.any() ? absl::OkStatus() : trouble_;
}

TopNotice LiveTop::Notice(SteadyTime now) const {
  if (!trouble_.ok()) {
    return {Color::kRed,
            absl::StrCat("as of ",
                         absl::FormatTime("%H:%M:%S", history_.Data().time, absl::LocalTimeZone()),
                         ": ", trouble_.message())};
  }
  const SteadyDuration waited = now - round_start_;
  if (feed_.asking() && waited >= kSlowRound) {
    return {Color::kYellow, absl::StrCat("waiting for the coordinator at ", context_.address(),
                                         " since ", FormatAge(absl::FromChrono(waited)))};
  }
  if (view_.paused) return {Color::kYellow, "paused; space goes on"};
  return {};
}

absl::Status LiveTop::DrawPicture() {
  redraw_ = false;
  const FullScreen::Size size = screen_.size();
  const Style style(context_.out_style().on(), size.columns);
  const TopNotice notice = Notice(context_.clock().Steady());
  if (!history_.any()) {
    const std::string text = notice.text.empty()
                                 ? absl::StrCat("asking the coordinator at ", context_.address())
                                 : notice.text;
    return screen_.Draw({style(notice.color, text.substr(0, size.columns))});
  }
  TopPicture picture =
      DrawTop(history_.Data(), view_, notice, context_.address(), style, size.rows);
  extent_ = picture.extent;
  return screen_.Draw(std::move(picture.lines));
}

absl::Status LiveTop::RunUntilQuit() {
  while (!view_.quit) {
    SteadyTime now = context_.clock().Steady();
    int timeout_ms = StartDue(now);
    if (redraw_) RETURN_IF_ERROR(DrawPicture());
    if (decoder_.pending()) {
      const int until_escape = MillisUntil(now, last_key_ + kEscapeDelay);
      timeout_ms = timeout_ms < 0 ? until_escape : std::min(timeout_ms, until_escape);
    }
    pollfd fds[] = {{context_.dependencies().in_fd, POLLIN, 0},
                    {screen_.signal_fd(), POLLIN, 0},
                    {feed_.fd(), POLLIN, 0}};
    static_cast<void>(::poll(fds, std::size(fds), timeout_ms));
    now = context_.clock().Steady();
    if (fds[1].revents != 0) OnSignals();
    if (fds[0].revents != 0) {
      std::string bytes;
      if (!screen_.ReadKeys(&bytes)) return absl::OkStatus();  // nobody is there any more
      last_key_ = now;
      OnKeys(decoder_.Feed(bytes));
    } else if (decoder_.pending() && now >= last_key_ + kEscapeDelay) {
      OnKeys(decoder_.Flush());
    }
    if (fds[2].revents != 0) RETURN_IF_ERROR(OnNews());
  }
  return absl::OkStatus();
}

absl::Status RunTop(Context& context, const TopFlags& flags) {
  RETURN_IF_ERROR(RequireFormat(context, {Format::kTable, Format::kWide}));
  if (flags.interval < kTopIntervalMin) {
    return UsageError(absl::StrCat("--interval: at least ", FormatShortDuration(kTopIntervalMin)));
  }
  if (flags.once || !context.out().is_terminal()) return PrintOnce(context, flags);
  // The signals are blocked before gRPC starts its threads.
  auto screen = FullScreen::Open(context.dependencies().in_fd, context.dependencies().out_fd);
  if (absl::IsFailedPrecondition(screen.status())) return PrintOnce(context, flags);
  RETURN_IF_ERROR(screen.status());
  ASSIGN_OR_RETURN(const auto feed, TopFeed::Create(context, TopFeed::Options()));
  return LiveTop(context, flags, **screen, *feed).RunUntilQuit();
}

}  // namespace

void AddTopCommand(CLI::App& root, Selection& selection) {
  CLI::App* top = root.add_subcommand(
      "top", "Watch servers, workers, clients, jobs and events on one screen; q leaves, ? helps");
  auto flags = std::make_shared<TopFlags>();
  top->add_flag("--once", flags->once, "Print it once, as is done off a terminal");
  AddDuration(*top, "-i,--interval", &flags->interval,
              "How often the coordinator is asked (default 1s)");
  AddChoice(*top, "--sort", &flags->sort, TopSortNames(),
            "What servers, workers and clients are sorted by (default name)");
  top->add_flag("--reverse", flags->reverse, "The other way round");
  top->add_option("--filter", flags->filter, "Only what has this text in its name")
      ->type_name("TEXT");
  top->footer(
      "Rates are means over 5 seconds. CPU: 100% is one core. LAG: payloads that the slowest\n"
      "named subscription has not committed yet.\n"
      "\n"
      "Examples:\n"
      "  centerctl top\n"
      "  centerctl top --sort payloads --filter games\n"
      "  centerctl top --once > fleet.txt");
  OnSelected(top, selection, [flags](Context& context) { return RunTop(context, *flags); });
}

}  // namespace center::cli
