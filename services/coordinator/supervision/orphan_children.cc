#include "services/coordinator/supervision/orphan_children.h"

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/numbers.h"
#include "services/common/log.h"
#include "services/common/proc_stat.h"

namespace center::supervision {
namespace {

// Children of ours that are dead and not reaped, as /proc says: waitid shows only one of them.
std::set<int64_t> ZombieChildren() {
  std::set<int64_t> zombies;
  std::error_code error;
  const int64_t self = ::getpid();
  for (std::filesystem::directory_iterator at("/proc", error), end; !error && at != end;
       at.increment(error)) {
    int64_t pid = 0;
    if (!absl::SimpleAtoi(at->path().filename().string(), &pid)) continue;
    const auto stat = ReadProcStat(pid);
    if (stat.ok() && stat->parent == self && stat->state == 'Z') zombies.insert(pid);
  }
  return zombies;
}

}  // namespace

bool OrphanChildren::AreOurs() {
  int subreaper = 0;
  return ::getpid() == 1 ||
         (::prctl(PR_GET_CHILD_SUBREAPER, &subreaper, 0, 0, 0) == 0 && subreaper != 0);
}

int OrphanChildren::Reap() {
  siginfo_t info{};
  if (::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0) {
    seen_.clear();
    return 0;
  }
  int reaped = 0;
  std::set<int64_t> zombies = ZombieChildren();
  for (auto at = zombies.begin(); at != zombies.end();) {
    if (is_ours_(*at) || !seen_.contains(*at)) {
      ++at;
      continue;
    }
    if (::waitid(P_PID, static_cast<id_t>(*at), &info, WEXITED | WNOHANG) == 0) {
      spdlog::debug("reaped process {}, which had lost its parent", *at);
      ++reaped;
    }
    at = zombies.erase(at);
  }
  seen_ = std::move(zombies);
  return reaped;
}

}  // namespace center::supervision
