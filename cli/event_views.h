// How events look to people.
#pragma once

#include <string>

#include "absl/time/time.h"
#include "center/v1/event.pb.h"
#include "cli/output.h"

namespace center::cli {

Color ColorOf(v1::EventType type);
// "worker-died".
std::string TypeText(const v1::Event& event);
// "12:00:01" today, "Jun 01 12:00" on other days.
std::string ShortTime(absl::Time time, absl::Time now);

// One event, ended by a line feed: when, what, to what, why. Of fixed widths, because events come
// one by one. On a terminal that is too narrow for that, times are short and the reason goes on in
// lines of its own: it is what people look for.
std::string EventText(const v1::Event& event, absl::Time now, const Style& style);

}  // namespace center::cli
