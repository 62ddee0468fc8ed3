// Reaps processes that have become our children because their parents died: what falls to process 1
// of a container, and to a process that has asked for it (PR_SET_CHILD_SUBREAPER). Without it they
// stay as zombies until the table of processes is full.
//
// Nobody else's child is taken: those that the launcher looks after are left to their pidfds, and a
// zombie is reaped only when it was there at the look before as well. Whoever in this process waits
// for a child of its own has done so by then.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <set>

#include "services/common/clock.h"

namespace center::supervision {

// One thread.
class OrphanChildren {
 public:
  // How often to look.
  static constexpr SteadyDuration kInterval = std::chrono::seconds(1);

  // `is_ours` says whether somebody here waits for this child.
  explicit OrphanChildren(std::function<bool(int64_t pid)> is_ours)
      : is_ours_(std::move(is_ours)) {}

  // Whether this process is one to which orphans fall.
  static bool AreOurs();

  // One look; returns how many were reaped. Costs one system call where there is no zombie.
  int Reap();

 private:
  const std::function<bool(int64_t)> is_ours_;
  std::set<int64_t> seen_;  // zombies of the look before
};

}  // namespace center::supervision
