// Payloads and events shown as they come while the shell is open: commands in the background
// (`events --follow`, and a `tail` for each server) whose output is passed on in whole lines.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "services/common/fd.h"

namespace center::cli {

inline constexpr size_t kMonitorLineBytesMax = 64 << 10;
// Each server that is followed takes a process.
inline constexpr size_t kMonitorServersMax = 16;

// Main's thread only. Destroying it stops it.
class Monitor {
 public:
  Monitor() = default;
  ~Monitor() { Stop(); }
  Monitor(const Monitor&) = delete;
  Monitor& operator=(const Monitor&) = delete;

  // Starts the commands with this environment on top of ours, for these servers in place of those
  // before; at most kMonitorServersMax.
  absl::Status Start(const std::vector<std::string>& env, const std::vector<std::string>& servers);
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
  std::vector<pid_t> pids_;
  std::string partial_;
};

}  // namespace center::cli
