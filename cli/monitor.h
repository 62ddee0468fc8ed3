// Payloads and events shown as they come while the shell is open: two commands in the background
// (`tail` and `events --follow`) whose output is passed on in whole lines.
#pragma once

#include <sys/types.h>

#include <array>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "services/common/fd.h"

namespace center::cli {

inline constexpr size_t kMonitorLineBytesMax = 64 << 10;

// Main's thread only. Destroying it stops it.
class Monitor {
 public:
  Monitor() = default;
  ~Monitor() { Stop(); }
  Monitor(const Monitor&) = delete;
  Monitor& operator=(const Monitor&) = delete;

  // Starts the commands with this environment on top of ours. Nothing when it is on already.
  absl::Status Start(const std::vector<std::string>& env);
  // Ends the commands.
  void Stop();
  bool on() const { return read_end_.valid(); }
  // Readable when there is something to show. -1 when it is off.
  int fd() const { return read_end_.get(); }
  // Whole lines that have come; what is unfinished waits. Never waits itself. When the commands
  // have ended it turns itself off, and says so.
  std::string Read();

 private:
  ScopedFd read_end_;
  std::array<pid_t, 2> pids_{};  // 0: none
  std::string partial_;
};

}  // namespace center::cli
