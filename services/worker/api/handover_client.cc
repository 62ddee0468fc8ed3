#include "services/worker/api/handover_client.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "services/common/log.h"
#include "services/common/status_macros.h"

namespace center::worker {
namespace {

absl::StatusOr<ScopedFd> Copy(const ScopedFd& fd) {
  if (!fd.valid()) return ScopedFd();
  ScopedFd copy(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0));
  if (!copy.valid()) return ErrnoStatus(errno, "duplicate an inherited descriptor");
  return copy;
}

void NeverWait(int fd) {
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) {
    spdlog::warn("{}", ErrnoStatus(errno, "O_NONBLOCK of the output"));
  }
}

}  // namespace

void NeverWaitForOutput(const InheritedFds& fds) {
  if (fds.stdout_pipe.valid()) NeverWait(STDOUT_FILENO);
  if (fds.stderr_pipe.valid()) NeverWait(STDERR_FILENO);
}

absl::StatusOr<HandoverClient> HandoverClient::Create(std::string worker, std::string token,
                                                      const InheritedFds& fds) {
  Handover kept{.worker = std::move(worker), .token = std::move(token)};
  ASSIGN_OR_RETURN(kept.listener, Copy(fds.listener));
  ASSIGN_OR_RETURN(kept.scoreboard, Copy(fds.scoreboard));
  ASSIGN_OR_RETURN(kept.stdout_pipe, Copy(fds.stdout_pipe));
  ASSIGN_OR_RETURN(kept.stderr_pipe, Copy(fds.stderr_pipe));
  return HandoverClient(std::move(kept));
}

bool HandoverClient::CanBringListener() const {
  return kept_.listener.valid() && IsListeningSocket(kept_.listener.get()).value_or(false);
}

void HandoverClient::Ask(const std::string& path) {
  path_ = path;
  attempts_ = 0;
  Tick();
}

void HandoverClient::Tick() {
  if (path_.empty()) return;
  const absl::Status sent = SendHandover(path_, kept_);
  if (sent.ok()) {
    spdlog::info("handed over to a new coordinator");
    path_.clear();
  } else if (!absl::IsUnavailable(sent) || ++attempts_ >= kAttemptsMax) {
    spdlog::warn("cannot hand over to the coordinator: {}", sent);
    path_.clear();
  }
}

}  // namespace center::worker
