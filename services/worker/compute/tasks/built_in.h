// The built-in tasks, one file each, written against center/task.h as a user's are; and what they
// share.
#pragma once

#include <cstdint>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "center/task.h"

namespace center::compute {

extern const center_task kCountdownTask;
extern const center_task kEchoTask;
extern const center_task kExecTask;
extern const center_task kPrimesTask;
extern const center_task kSha256Task;
extern const center_task kSleepTask;
extern const center_task kWordcountTask;

inline absl::string_view ToView(const center_bytes& bytes) { return {bytes.data, bytes.size}; }

// All that `create` and `run` return when something is wrong.
inline int FailSetup(center_setup* setup, absl::string_view message) {
  return setup->fail(setup, message.data(), message.size());
}
inline int FailInput(center_call* call, absl::string_view message) {
  return call->fail(call, message.data(), message.size());
}
inline int Append(center_call* call, absl::string_view bytes) {
  return call->append(call, bytes.data(), bytes.size());
}
int AppendNumber(center_call* call, int64_t number);

// The input as a whole number. False: it is none, and has failed.
bool NumberInput(center_call* call, int64_t* number);

// "0.5" (seconds), "500ms", "1m30s". Nothing when it is neither, or negative.
absl::optional<absl::Duration> ParseSeconds(absl::string_view text);

}  // namespace center::compute
