// Does nothing for a while: for trying deadlines, cancelling and scheduling.
#include <algorithm>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/worker/compute/chunk.h"
#include "services/worker/compute/tasks/built_in.h"

namespace center::compute {
namespace {

// How soon it notices that it is to stop.
constexpr absl::Duration kNap = absl::Milliseconds(5);

// State: the argument, or null.
int CreateSleep(center_setup* setup) {
  if (setup->arg_count == 0) return 0;
  const auto duration = ParseSeconds(ToView(setup->args[0]));
  if (setup->arg_count > 1 || !duration.has_value()) {
    return FailSetup(setup, "sleep takes one argument at most: seconds, or a duration (250ms)");
  }
  setup->state = std::make_unique<absl::Duration>(*duration).release();
  return 0;
}

void DestroySleep(void* state) {
  std::unique_ptr<absl::Duration> owner(static_cast<absl::Duration*>(state));
}

int Sleep(void* state, center_call* call) {
  const auto* argument = static_cast<const absl::Duration*>(state);
  const auto duration =
      argument != nullptr ? absl::make_optional(*argument) : ParseSeconds(ToView(call->input));
  if (!duration.has_value()) {
    return FailInput(call, absl::StrCat("'", ToView(call->input).substr(0, kInputShownBytesMax),
                                        "' is neither seconds nor a duration such as 250ms"));
  }
  const absl::Time end = absl::Now() + *duration;
  for (absl::Duration left = *duration; left > absl::ZeroDuration(); left = end - absl::Now()) {
    if (call->stopping(call) != 0) return FailInput(call, "stopped");
    absl::SleepFor(std::min(left, kNap));
  }
  return 0;
}

}  // namespace

const center_task kSleepTask = {
    "sleep",
    "waits",
    "Argument: how long, the same for every input; without it each input says it.\n"
    "Input:    seconds (0.5), or a duration with its unit (250ms, 1m30s); not looked at when\n"
    "          there is an argument.\n"
    "Result:   empty.\n",
    &CreateSleep,
    &DestroySleep,
    &Sleep,
    nullptr};

}  // namespace center::compute
