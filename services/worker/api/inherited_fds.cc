#include "services/worker/api/inherited_fds.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "services/common/log.h"
#include "services/common/status_macros.h"

namespace center::worker {
namespace {

constexpr int kFirstFd = 3;  // SD_LISTEN_FDS_START
constexpr int kFdsMax = 16;
constexpr char kScoreboardName[] = "scoreboard";

// The variable's value, or "" ; it is gone afterwards.
std::string TakeVariable(const char* name) {
  const char* value = ::getenv(name);
  std::string taken = value == nullptr ? "" : value;
  ::unsetenv(name);
  return taken;
}

absl::StatusOr<bool> IsListening(int fd) {
  int listening = 0;
  socklen_t size = sizeof listening;
  if (::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0) return listening != 0;
  if (errno == ENOTSOCK) return false;
  return ErrnoStatus(errno, absl::StrCat("inherited descriptor ", fd));
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
    if (name == kScoreboardName) {
      fds.scoreboard = std::move(fd);
      continue;
    }
    ASSIGN_OR_RETURN(const bool listening, IsListening(fd.get()));
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
