// Takes the stacks of workers by a helper process: what looks into another process may get stuck or
// crash on what it finds there, and must not take the coordinator with it.
#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <string>
#include <thread>

#include "absl/status/statusor.h"
#include "services/common/clock.h"
#include "services/coordinator/supervision/stacks.h"

namespace center::coordinator {

// Control thread only. Destroyed: what is under way is given up, and waited for.
class StackHelper {
 public:
  static constexpr size_t kHelpersMax = 4;                // at a time
  static constexpr size_t kOutputBytesMax = 1024 * 1024;  // of one
  static constexpr SteadyDuration kTimeout = std::chrono::seconds(2);

  using Done = std::function<void(absl::StatusOr<supervision::ProcessStacks>)>;

  struct Options {
    // Run as `program --dump-stacks PID`. Empty: there is no helper.
    std::string program;
    SteadyDuration timeout = kTimeout;
  };

  StackHelper(Options options, std::function<void(std::function<void()>)> post)
      : options_(std::move(options)), post_(std::move(post)) {}
  ~StackHelper();
  StackHelper(const StackHelper&) = delete;
  StackHelper& operator=(const StackHelper&) = delete;

  // Calls `done` on the control thread, never from within. Errors: ResourceExhausted (STACKS_BUSY:
  // others are being taken, or this process's are), DeadlineExceeded, PermissionDenied, NotFound,
  // and Internal when the helper fails. What it has written until the timeout counts.
  void Take(int64_t pid, Done done);

 private:
  const Options options_;
  const std::function<void(std::function<void()>)> post_;
  std::map<int64_t, std::thread> running_;  // by the process that is looked at
};

}  // namespace center::coordinator
