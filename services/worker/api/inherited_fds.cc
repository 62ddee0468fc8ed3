#include "services/worker/api/inherited_fds.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "services/common/handover.h"
#include "services/common/log.h"
#include "services/common/status_macros.h"

namespace center::worker {
namespace {

constexpr int kFirstFd = 3;  // SD_LISTEN_FDS_START
constexpr int kFdsMax = 16;

// The variable's value, or "" ; it is gone afterwards.
std::string TakeVariable(const char* name) {
  const char* value = ::getenv(name);
  std::string taken = value == nullptr ? "" : value;
  ::unsetenv(name);
  return taken;
}

// Where a pipe of our own output belongs; null for another name.
ScopedFd* PipePlace(InheritedFds& fds, const std::string& name) {
  if (name == kStdoutFdName) return &fds.stdout_pipe;
  return name == kStderrFdName ? &fds.stderr_pipe : nullptr;
}

}  // namespace

absl::StatusOr<InheritedFds> TakeInheritedFds() {
  const std::string count_text = TakeVariable("LISTEN_FDS");
  const std::string pid_text = TakeVariable("LISTEN_PID");
  const std::vector<std::string> names = absl::StrSplit(TakeVariable("LISTEN_FDNAMES"), ':');
  if (count_text.empty()) return InheritedFds();
  if (!pid_text.empty() && pid_text != absl::StrCat(::getpid())) return InheritedFds();
  int count = 0;
  if (!absl::SimpleAtoi(count_text, &count) || count < 0 || count > kFdsMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("LISTEN_FDS=", count_text, " is no number from 0 to ", kFdsMax));
  }
  InheritedFds fds;
  for (int i = 0; i < count; ++i) {
    ScopedFd fd(kFirstFd + i);
    const std::string name = i < static_cast<int>(names.size()) ? names[i] : "";
    if (::fcntl(fd.get(), F_SETFD, FD_CLOEXEC) != 0) {
      return ErrnoStatus(errno, absl::StrCat("inherited descriptor ", fd.get(), " (", name, ")"));
    }
    if (name == kScoreboardFdName) {
      fds.scoreboard = std::move(fd);
      continue;
    }
    if (ScopedFd* pipe = PipePlace(fds, name); pipe != nullptr) {
      if (!IsPipeReadEnd(fd.get())) {
        return absl::FailedPreconditionError(absl::StrCat("inherited descriptor ", fd.get(), " (",
                                                          name, ") is not the read end of a pipe"));
      }
      *pipe = std::move(fd);
      continue;
    }
    ASSIGN_OR_RETURN(const bool listening, IsListeningSocket(fd.get()));
    if (!listening) {
      return absl::FailedPreconditionError(
          absl::StrCat("inherited descriptor ", fd.get(), " (", name, ") is no listening socket"));
    }
    if (fds.listener.valid()) {
      return absl::InvalidArgumentError("more than one listening socket was inherited");
    }
    fds.listener = std::move(fd);
  }
  return fds;
}

}  // namespace center::worker
