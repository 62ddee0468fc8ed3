// Whether the kernel's out-of-memory killer has ended a process: it leaves nothing but a SIGKILL,
// and a number in the control group that the process was in. Our processes are in our group.
//
//   version 1: memory.oom_control, "oom_kill N"
//   version 2: memory.events, "oom_kill N" (the root group has no such file)
//   neither:   /proc/vmstat, "oom_kill N", for the whole machine: when that stands still, nobody
//   was
//              killed; when it has moved, it cannot be told who was
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "services/common/clock.h"
#include "services/coordinator/supervision/evidence.h"

namespace center::supervision {

// The files that tell of a process's memory control group.
struct MemoryGroup {
  int version = 0;   // 1 or 2
  std::string name;  // "/system.slice/center.service"
  std::string file;  // absolute path of the counter's file
};

// From the texts of /proc/self/cgroup and /proc/self/mountinfo. NotFound, with the reason, when
// there is no memory controller or it is not mounted.
absl::StatusOr<MemoryGroup> FindMemoryGroup(absl::string_view cgroup, absl::string_view mountinfo);

// The number behind the word "oom_kill" at the beginning of a line. NotFound.
absl::StatusOr<uint64_t> ParseOomKills(absl::string_view text);

// Owned by one thread. Sample it from time to time: a kill counts for a death when the number has
// grown within kWindow before it, and each growth for one death only.
class OomWatch {
 public:
  // A killed process is gone only when its memory is given back, which may take seconds.
  static constexpr SteadyDuration kWindow = std::chrono::seconds(10);
  // How often to call Sample.
  static constexpr SteadyDuration kSampleInterval = std::chrono::seconds(2);

  using ReadFile = std::function<absl::StatusOr<std::string>(const std::string& path)>;
  OomWatch(ReadFile read, Clock& clock);

  void Sample();
  // About a process that has just been found killed by SIGKILL.
  OomVerdict Judge();

 private:
  struct Reading {
    SteadyTime time;
    uint64_t kills = 0;
  };

  absl::StatusOr<uint64_t> ReadKills() const;
  void Forget(SteadyTime now);

  const ReadFile read_;
  Clock& clock_;
  std::string file_;   // of the counter; empty: there is none
  std::string place_;  // what it counts for: "cgroup /a"
  bool whole_machine_ = false;
  absl::Status unreadable_;       // why there is no counter, or why the last reading failed
  std::deque<Reading> readings_;  // the first is as old as kWindow, or older
  uint64_t blamed_ = 0;           // deaths in the window that were explained by a kill
};

}  // namespace center::supervision
