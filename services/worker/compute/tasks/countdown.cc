// What the ancestor's experiment runs 20 000 times: a loop that only counts.
#include "services/common/countdown.h"

#include <algorithm>
#include <memory>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "services/worker/compute/tasks/built_in.h"

namespace center::compute {
namespace {

// Beyond this, 2 × N is no number of 64 bits.
constexpr int64_t kFromMax = int64_t{1} << 61;
// Steps between two looks at the stop token: about 100 µs.
constexpr int64_t kSliceSteps = 200'000;

// State: the argument, or null.
int CreateCountdown(center_setup* setup) {
  if (setup->arg_count == 0) return 0;
  int64_t from = 0;
  if (setup->arg_count > 1 || !absl::SimpleAtoi(ToView(setup->args[0]), &from) || from > kFromMax) {
    return FailSetup(setup, "countdown takes one argument at most: a whole number, N");
  }
  setup->state = std::make_unique<int64_t>(from).release();
  return 0;
}

void DestroyCountdown(void* state) { std::unique_ptr<int64_t> owner(static_cast<int64_t*>(state)); }

int CountFrom(center_call* call, int64_t from) {
  if (from > kFromMax) return FailInput(call, absl::StrCat(from, " is above 2^61"));
  const int64_t to = from > 0 ? -from : from;
  int64_t at = from;
  while (at - to > kSliceSteps) {
    at = CountDown(at, at - kSliceSteps);
    if (call->stopping(call) != 0) return FailInput(call, "stopped");
  }
  return AppendNumber(call, CountDown(at, to));
}

int CountMany(void* state, center_call* call) {
  const auto* argument = static_cast<const int64_t*>(state);
  while (call->next(call) != 0) {
    int64_t from = 0;
    if (argument != nullptr) {
      from = *argument;
    } else if (!NumberInput(call, &from)) {
      continue;
    }
    if (CountFrom(call, from) != 0 && call->stopping(call) != 0) return 1;
  }
  return 0;
}

}  // namespace

const center_task kCountdownTask = {
    "countdown",
    "counts from N down to -N, one at a time",
    "Argument: N, the same for every input; without it each input is its own N.\n"
    "Input:    a whole number up to 2^61 (not looked at when there is an argument).\n"
    "Result:   where it arrived: -N, or N when that is not positive.\n"
    "The experiment's tasks count with N = 10000, which takes about 5 microseconds.\n",
    &CreateCountdown,
    &DestroyCountdown,
    nullptr,
    &CountMany};

}  // namespace center::compute
