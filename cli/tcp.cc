#include "cli/tcp.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "center/v1/server.grpc.pb.h"
#include "services/common/status_macros.h"
#include "services/common/text.h"

namespace center::cli {
namespace {

absl::Status Broken(const Target& target, int errno_value) {
  return WithHint(absl::AbortedError(absl::StrCat(target.ToString(), " closed the connection: ",
                                                  ErrnoStatus(errno_value, "send").message())),
                  "`centerctl events` says why when a limit or a malformed payload was the cause.");
}

// After the other side has closed. It may have done so before our last bytes reached it: then its
// kernel has refused these, which read(2) does not tell, since the orderly end came first.
absl::Status EverythingTaken(int fd, const Target& target) {
  tcp_info info{};
  socklen_t size = sizeof info;
  // In this order: what is refused in between is no longer waiting, but an error.
  const bool asked = ::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0;
  int error = 0;
  size = sizeof error;
  if (::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) return Broken(target, errno);
  if (error != 0) return Broken(target, error);
  if (!asked || (info.tcpi_unacked == 0 && info.tcpi_notsent_bytes == 0)) return absl::OkStatus();
  return Broken(target, EPIPE);
}

}  // namespace

std::string Target::ToString() const {
  NetAddress address;
  address.host = host;
  address.port = port;
  return server.has_value() ? absl::StrCat("server ", server->name(), " at ", address.ToString())
                            : address.ToString();
}

absl::StatusOr<Target> ResolveTarget(Context& context, const std::string& text) {
  Target target;
  std::string address = text;
  if (text.find(':') == std::string::npos) {
    v1::GetServerRequest request;
    request.set_name(text);
    ASSIGN_OR_RETURN(auto answer,
                     context.Call<v1::ServerService>(&v1::ServerService::Stub::GetServer, request));
    target.server = std::move(*answer.mutable_server());
    if (target.server->state() == v1::SERVER_STATE_STOPPED || target.server->address().empty()) {
      return WithHint(NotRunningError(absl::StrCat("server ", text, " is stopped")),
                      absl::StrCat("`centerctl server start ", text, "` starts it again."));
    }
    address = target.server->address();
  }
  const auto parsed = ParseNetAddress(address);
  if (!parsed.ok() || parsed->is_unix) {
    return UsageError(absl::StrCat("\"", text, "\" is neither host:port nor the name of a server"));
  }
  target.host = parsed->host;
  target.port = parsed->port;
  return target;
}

absl::StatusOr<ScopedFd> ConnectToTarget(const Target& target) {
  auto fd = ConnectTcp(target.host, target.port);
  if (absl::IsUnavailable(fd.status())) {
    return WithHint(NotRunningError(absl::StrCat("nobody listens at ", target.ToString(), ": ",
                                                 fd.status().message())),
                    "`centerctl server list` shows the servers and their addresses.");
  }
  return fd;
}

absl::Status SendAll(int fd, absl::string_view data, const Target& target) {
  while (!data.empty()) {
    const ssize_t sent = ::send(fd, data.data(), data.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      data.remove_prefix(static_cast<size_t>(sent));
    } else if (errno != EINTR) {
      return Broken(target, errno);
    }
  }
  return absl::OkStatus();
}

absl::Status FinishSending(int fd, absl::Duration timeout, const Target& target) {
  if (::shutdown(fd, SHUT_WR) != 0) return Broken(target, errno);
  const absl::Time deadline = absl::Now() + timeout;
  char ignored[4096];  // a banner
  for (;;) {
    const int64_t left_ms = absl::ToInt64Milliseconds(deadline - absl::Now());
    pollfd poll_fd{fd, POLLIN, 0};
    const int ready =
        ::poll(&poll_fd, 1, static_cast<int>(std::clamp<int64_t>(left_ms, 0, 1 << 30)));
    if (ready == 0) {
      return absl::DeadlineExceededError(absl::StrCat(
          target.ToString(), " has not read everything within ", FormatShortDuration(timeout),
          "; `centerctl worker list` says if it is blocked"));
    }
    // An interrupted wait (SIGCONT is enough) says nothing about the socket: recv could block.
    if (ready < 0 && errno == EINTR) continue;
    const ssize_t got = ::recv(fd, ignored, sizeof ignored, 0);
    if (got == 0) return EverythingTaken(fd, target);
    if (got < 0 && errno != EINTR) return Broken(target, errno);
  }
}

Framing ToFraming(v1::Framing framing) {
  switch (framing) {
    case v1::FRAMING_LENGTH:
      return Framing::kLength;
    case v1::FRAMING_OCTET:
      return Framing::kOctet;
    case v1::FRAMING_CHUNK:
      return Framing::kChunk;
    default:
      return Framing::kLine;
  }
}

}  // namespace center::cli
