#include "cli/monitor.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <utility>

#include "cli/child.h"
#include "services/common/log.h"
#include "services/common/status_macros.h"

namespace center::cli {

absl::Status Monitor::Start(const std::vector<std::string>& env,
                            const std::vector<std::string>& servers) {
  Stop();
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return ErrnoStatus(errno, "pipe");
  ScopedFd read_end(ends[0]);
  const ScopedFd write_end(ends[1]);
  if (::fcntl(read_end.get(), F_SETFL, O_NONBLOCK) != 0) return ErrnoStatus(errno, "fcntl");
  std::vector<std::vector<std::string>> commands = {
      {"events", "--follow", "--quiet", "--since=0s"}};
  for (size_t i = 0; i < std::min(servers.size(), kMonitorServersMax); ++i) {
    commands.push_back({"tail", servers[i], "--quiet", "--output=pretty"});
  }
  for (const std::vector<std::string>& args : commands) {
    auto pid = StartSelf({.args = args, .env = env, .out_fd = write_end.get()});
    if (!pid.ok()) {
      Stop();
      return pid.status();
    }
    pids_.push_back(*pid);
  }
  read_end_ = std::move(read_end);
  return absl::OkStatus();
}

void Monitor::Stop() {
  for (const pid_t pid : std::exchange(pids_, {})) {
    // Not waited for yet, so the number is still the child's.
    if (::kill(pid, SIGTERM) != 0) spdlog::debug("{}", ErrnoStatus(errno, "ending the monitor"));
    if (auto ended = WaitForExit(pid); !ended.ok()) spdlog::debug("{}", ended.status());
  }
  read_end_.Reset();
  partial_.clear();
}

std::string Monitor::Read() {
  char buffer[16384];
  ssize_t got = 0;
  while ((got = ::read(read_end_.get(), buffer, sizeof buffer)) > 0) {
    partial_.append(buffer, static_cast<size_t>(got));
    if (partial_.size() >= kMonitorLineBytesMax) break;  // the rest is there next time
  }
  if (got == 0) {
    std::string rest = std::exchange(partial_, "");
    Stop();
    if (!rest.empty() && rest.back() != '\n') rest += '\n';
    return rest + "monitor: off (its commands have ended)\n";
  }
  const size_t end =
      partial_.size() >= kMonitorLineBytesMax ? partial_.size() - 1 : partial_.rfind('\n');
  if (end == std::string::npos) return "";
  std::string lines = partial_.substr(0, end + 1);
  partial_.erase(0, end + 1);
  return lines;
}

}  // namespace center::cli
