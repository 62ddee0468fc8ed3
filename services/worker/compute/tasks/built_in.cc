#include "services/worker/compute/tasks/built_in.h"

#include <array>
#include <charconv>
#include <cmath>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "services/worker/compute/chunk.h"
#include "services/worker/compute/task_registry.h"

namespace center::compute {

absl::Span<const center_task> BuiltInTasks() {
  static const std::array tasks{kCountdownTask, kEchoTask,  kExecTask,     kPrimesTask,
                                kSha256Task,    kSleepTask, kWordcountTask};
  return tasks;
}

int AppendNumber(center_call* call, int64_t number) {
  std::array<char, 24> text;
  const auto end = std::to_chars(text.data(), text.data() + text.size(), number).ptr;
  return call->append(call, text.data(), static_cast<size_t>(end - text.data()));
}

bool NumberInput(center_call* call, int64_t* number) {
  if (call->is_number != 0) {
    *number = call->number;
    return true;
  }
  const absl::string_view text = absl::StripAsciiWhitespace(ToView(call->input));
  if (absl::SimpleAtoi(text, number)) return true;
  FailInput(call, absl::StrCat("'", text.substr(0, kInputShownBytesMax),
                               "' is no whole number of 64 bits"));
  return false;
}

absl::optional<absl::Duration> ParseSeconds(absl::string_view text) {
  text = absl::StripAsciiWhitespace(text);
  double seconds = 0;
  absl::Duration duration;
  if (absl::SimpleAtod(text, &seconds)) {
    if (!std::isfinite(seconds)) return absl::nullopt;
    duration = absl::Seconds(seconds);
  } else if (!absl::ParseDuration(text, &duration)) {
    return absl::nullopt;
  }
  if (duration < absl::ZeroDuration() || duration == absl::InfiniteDuration()) return absl::nullopt;
  return duration;
}

}  // namespace center::compute
