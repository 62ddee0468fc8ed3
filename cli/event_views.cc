#include "cli/event_views.h"

#include "absl/strings/str_cat.h"
#include "cli/text_width.h"
#include "cli/views.h"
#include "services/common/log.h"

namespace center::cli {
namespace {

constexpr size_t kTypeColumns = 19;
constexpr size_t kSubjectColumns = 12;
constexpr size_t kReasonBytesMax = 2000;
// With less room for reasons than this, they get lines of their own.
constexpr size_t kReasonColumnsMin = 24;
// Terminals narrower than this are shown short times.
constexpr size_t kLongTimeColumns = 120;
constexpr size_t kShortTimeColumns = 12;
constexpr size_t kIndent = 4;

std::string Padded(const std::string& text, size_t columns) {
  const size_t width = DisplayWidth(text);
  return width < columns ? absl::StrCat(text, std::string(columns - width, ' ')) : text;
}

}  // namespace

Color ColorOf(v1::EventType type) {
  switch (type) {
    case v1::EVENT_TYPE_WORKER_DIED:
    case v1::EVENT_TYPE_WORKER_HUNG:
    case v1::EVENT_TYPE_WORKER_FAILED:
    case v1::EVENT_TYPE_JOURNAL_GAP:
      return Color::kRed;
    case v1::EVENT_TYPE_WORKER_BACKOFF:
    case v1::EVENT_TYPE_CONNECTION_REJECTED:
    case v1::EVENT_TYPE_INGEST_BLOCKED:
      return Color::kYellow;
    case v1::EVENT_TYPE_WORKER_READY:
    case v1::EVENT_TYPE_INGEST_RESUMED:
      return Color::kGreen;
    default:
      return Color::kNone;
  }
}

std::string TypeText(const v1::Event& event) {
  return EnumFlag(v1::EventType_Name(event.type()), "EVENT_TYPE_");
}

std::string ShortTime(absl::Time time, absl::Time now) {
  const absl::TimeZone zone = absl::LocalTimeZone();
  const bool today = absl::ToCivilDay(time, zone) == absl::ToCivilDay(now, zone);
  return absl::FormatTime(today ? "%H:%M:%S" : "%b %d %H:%M", time, zone);
}

std::string EventText(const v1::Event& event, absl::Time now, const Style& style) {
  const absl::Time time = ToTime(event.time());
  const std::string type = TypeText(event);
  const std::string reason = Printable(event.reason(), kReasonBytesMax);
  const bool short_time = style.columns() > 0 && style.columns() < kLongTimeColumns;
  const std::string when =
      short_time ? Padded(ShortTime(time, now), kShortTimeColumns) : LocalTime(time);
  const std::string subject = Padded(event.subject(), kSubjectColumns);
  std::string text = absl::StrCat(style(Color::kDim, when), "  ",
                                  style(ColorOf(event.type()), Padded(type, kTypeColumns)), "  ");
  const size_t indent =
      DisplayWidth(when) + DisplayWidth(Padded(type, kTypeColumns)) + DisplayWidth(subject) + 6;
  if (style.columns() == 0 || indent + DisplayWidth(reason) <= style.columns()) {
    return absl::StrCat(text, subject, "  ", reason, "\n");
  }
  if (indent + kReasonColumnsMin <= style.columns()) {
    bool first = true;
    for (const std::string& line : WrapWords(reason, style.columns() - indent)) {
      absl::StrAppend(&text, first ? subject + "  " : std::string(indent, ' '), line, "\n");
      first = false;
    }
    return text;
  }
  // A line of its own for the subject, too, where even that does not fit.
  const size_t before = DisplayWidth(when) + 2 + DisplayWidth(type) + 2;
  text = absl::StrCat(style(Color::kDim, ShortTime(time, now)), "  ",
                      style(ColorOf(event.type()), type));
  const size_t taken = before - DisplayWidth(when) + DisplayWidth(ShortTime(time, now));
  const bool fits = taken + DisplayWidth(event.subject()) <= style.columns();
  absl::StrAppend(&text, fits ? "  " : absl::StrCat("\n", std::string(kIndent, ' ')),
                  event.subject(), "\n");
  for (const std::string& line : WrapWords(reason, style.columns() - kIndent)) {
    absl::StrAppend(&text, std::string(kIndent, ' '), line, "\n");
  }
  return text;
}

}  // namespace center::cli
