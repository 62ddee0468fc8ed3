#include "services/common/handover.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "services/common/status_macros.h"

namespace center {
namespace {

constexpr char kMagic[] = "center-handover 1";
constexpr int kBacklog = 1024;

absl::StatusOr<sockaddr_un> AddressOf(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", path, "' is no path for a unix socket: empty or too long"));
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

absl::StatusOr<ScopedFd> NewSocket() {
  ScopedFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return ErrnoStatus(errno, "socket");
  return fd;
}

struct NamedFd {
  const char* name;
  ScopedFd Handover::* member;
};
constexpr std::array<NamedFd, 4> kNamedFds = {{{kListenFdName, &Handover::listener},
                                               {kScoreboardFdName, &Handover::scoreboard},
                                               {kStdoutFdName, &Handover::stdout_pipe},
                                               {kStderrFdName, &Handover::stderr_pipe}}};

// Every descriptor that came with the message; whoever drops it closes them.
std::vector<ScopedFd> TakeDescriptors(msghdr& message) {
  std::vector<ScopedFd> taken;
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr;
       part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(part) + i * sizeof fd, sizeof fd);
      taken.emplace_back(fd);
    }
  }
  return taken;
}

absl::StatusOr<Handover> Parse(absl::string_view text, std::vector<ScopedFd> fds) {
  const std::vector<absl::string_view> lines = absl::StrSplit(text, '\n');
  if (lines.size() != 4 || lines[0] != kMagic || lines[1].empty()) {
    return absl::InvalidArgumentError("the message is no handover");
  }
  const std::vector<absl::string_view> names = absl::StrSplit(lines[3], ':', absl::SkipEmpty());
  if (names.size() != fds.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the handover names ", names.size(), " descriptors and has ", fds.size()));
  }
  Handover handover{.worker = std::string(lines[1]), .token = std::string(lines[2])};
  for (size_t i = 0; i < names.size(); ++i) {
    for (const NamedFd& known : kNamedFds) {
      if (names[i] != known.name) continue;
      ScopedFd& place = handover.*known.member;
      if (place.valid()) {
        return absl::InvalidArgumentError(
            absl::StrCat("the handover has two descriptors with the name ", known.name));
      }
      place = std::move(fds[i]);
    }
  }
  return handover;
}

}  // namespace

absl::StatusOr<ScopedFd> ListenHandover(const std::string& path) {
  ASSIGN_OR_RETURN(const sockaddr_un address, AddressOf(path));
  ASSIGN_OR_RETURN(ScopedFd fd, NewSocket());
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
    return ErrnoStatus(errno, absl::StrCat("remove ", path));
  }
  const mode_t old_mask = ::umask(0177);
  const int bound = ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  const int bind_error = errno;
  ::umask(old_mask);
  if (bound != 0) return ErrnoStatus(bind_error, absl::StrCat("bind ", path));
  if (::listen(fd.get(), kBacklog) != 0) return ErrnoStatus(errno, absl::StrCat("listen ", path));
  return fd;
}

absl::Status SendHandover(const std::string& path, const Handover& handover) {
  ASSIGN_OR_RETURN(const sockaddr_un address, AddressOf(path));
  ASSIGN_OR_RETURN(ScopedFd fd, NewSocket());
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return absl::UnavailableError(
        absl::StrCat("connect ", path, ": ", ErrnoStatus(errno, "").message()));
  }
  std::vector<int> fds;
  std::vector<absl::string_view> names;
  for (const NamedFd& known : kNamedFds) {
    const ScopedFd& kept = handover.*known.member;
    if (!kept.valid()) continue;
    fds.push_back(kept.get());
    names.emplace_back(known.name);
  }
  std::string text = absl::StrCat(kMagic, "\n", handover.worker, "\n", handover.token, "\n",
                                  absl::StrJoin(names, ":"));
  iovec bytes{.iov_base = text.data(), .iov_len = text.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * kNamedFds.size())> control{};
  msghdr message{};
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  if (!fds.empty()) {
    message.msg_control = control.data();
    message.msg_controllen = CMSG_SPACE(sizeof(int) * fds.size());
    cmsghdr* part = CMSG_FIRSTHDR(&message);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(sizeof(int) * fds.size());
    std::memcpy(CMSG_DATA(part), fds.data(), sizeof(int) * fds.size());
  }
  // The socket is new: one message always fits.
  if (::sendmsg(fd.get(), &message, MSG_NOSIGNAL) < 0) {
    return absl::UnavailableError(
        absl::StrCat("send to ", path, ": ", ErrnoStatus(errno, "").message()));
  }
  return absl::OkStatus();
}

absl::StatusOr<SocketPeer> PeerOf(int socket) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
    return ErrnoStatus(errno, "SO_PEERCRED");
  }
  return SocketPeer{.pid = peer.pid, .uid = peer.uid};
}

absl::StatusOr<Handover> ReceiveHandover(int socket) {
  std::array<char, kHandoverBytesMax> text;
  iovec bytes{.iov_base = text.data(), .iov_len = text.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * kHandoverFdsMax)> control{};
  msghdr message{};
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t size = ::recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (size < 0) {
    if (errno == EAGAIN || errno == EINTR) return absl::UnavailableError("nothing is there yet");
    return ErrnoStatus(errno, "recvmsg");
  }
  std::vector<ScopedFd> fds = TakeDescriptors(message);
  if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
    return absl::InvalidArgumentError(absl::StrCat("the message is longer than ", kHandoverBytesMax,
                                                   " bytes, or has more than ", kHandoverFdsMax,
                                                   " descriptors"));
  }
  return Parse(absl::string_view(text.data(), static_cast<size_t>(size)), std::move(fds));
}

absl::StatusOr<bool> IsListeningSocket(int fd) {
  int listening = 0;
  socklen_t size = sizeof listening;
  if (::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0) return listening != 0;
  if (errno == ENOTSOCK) return false;
  return ErrnoStatus(errno, absl::StrCat("descriptor ", fd));
}

bool IsPipeReadEnd(int fd) {
  struct stat status{};
  if (::fstat(fd, &status) != 0 || !S_ISFIFO(status.st_mode)) return false;
  const int flags = ::fcntl(fd, F_GETFL);
  return flags >= 0 && (flags & O_ACCMODE) == O_RDONLY;
}

}  // namespace center
