#include "services/common/http/server.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/log.h"
#include "services/common/status_macros.h"

namespace center::http {
namespace {

constexpr absl::string_view kEndOfHead = "\r\n\r\n";
// When accepting fails for want of descriptors or memory.
constexpr std::chrono::milliseconds kAcceptPause{100};
// Of a body, which nobody reads: what is left in the socket when it is closed resets it.
constexpr size_t kDiscardBytesMax = 64 << 10;

int MillisUntil(SteadyTime deadline) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - RealClock().Steady());
  return static_cast<int>(std::clamp<int64_t>(left.count(), 0, 60'000));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const NetAddress& address, Handler handler,
                                                      ServerLimits limits) {
  if (address.is_unix) {
    return absl::InvalidArgumentError(
        absl::StrCat(address.ToString(), ": HTTP is served at host:port only"));
  }
  ASSIGN_OR_RETURN(ScopedFd listener, ListenTcp(address.host, address.port, limits.backlog));
  NetAddress bound = address;
  ASSIGN_OR_RETURN(bound.port, LocalPort(listener.get()));
  ScopedFd stop(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!stop.valid()) return ErrnoStatus(errno, "eventfd");
  // Not make_unique: the constructor is private.
  return std::unique_ptr<Server>(new Server(std::move(bound), std::move(handler), limits,
                                            std::move(listener), std::move(stop)));
}

Server::Server(NetAddress address, Handler handler, ServerLimits limits, ScopedFd listener,
               ScopedFd stop)
    : address_(std::move(address)),
      handler_(std::move(handler)),
      limits_(limits),
      listener_(std::move(listener)),
      stop_(std::move(stop)) {
  for (int i = 0; i < limits_.threads; ++i) threads_.emplace_back([this] { Run(); });
}

Server::~Server() {
  const uint64_t one = 1;
  while (::write(stop_.get(), &one, sizeof one) < 0 && errno == EINTR) {
  }
  for (std::thread& thread : threads_) thread.join();
}

void Server::Run() {
  while (Await(listener_.get(), POLLIN, SteadyTime::max())) {
    ScopedFd connection(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (connection.valid()) {
      Serve(connection.get());
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      (void)Await(stop_.get(), POLLIN, RealClock().Steady() + kAcceptPause);
    }
    // Else another thread was faster, or the peer has given up.
  }
}

bool Server::Await(int fd, short events, SteadyTime deadline) const {
  for (;;) {
    pollfd fds[2] = {{fd, events, 0}, {stop_.get(), POLLIN, 0}};
    const int timeout = deadline == SteadyTime::max() ? -1 : MillisUntil(deadline);
    const int ready = ::poll(fds, 2, timeout);
    if (ready < 0 && errno == EINTR) continue;
    if (ready < 0) {
      spdlog::error("HTTP: {}", ErrnoStatus(errno, "poll"));
      return false;
    }
    if (fds[1].revents != 0) return false;
    if (ready > 0) return true;
    if (RealClock().Steady() >= deadline) return false;
  }
}

Server::Head Server::ReadHead(int connection, std::string* head) const {
  const SteadyTime deadline = RealClock().Steady() + limits_.head_timeout;
  head->clear();
  char buffer[2048];
  for (;;) {
    if (!Await(connection, POLLIN, deadline)) return Head::kTooLate;
    const size_t room = std::min(sizeof buffer, limits_.head_bytes_max - head->size());
    const ssize_t got = ::recv(connection, buffer, room, 0);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got <= 0) return Head::kGone;
    const size_t from = head->size() < kEndOfHead.size() ? 0 : head->size() - kEndOfHead.size();
    head->append(buffer, static_cast<size_t>(got));
    const size_t end = head->find(kEndOfHead.data(), from, kEndOfHead.size());
    if (end != std::string::npos) {
      head->resize(end + kEndOfHead.size());
      return Head::kComplete;
    }
    if (head->size() >= limits_.head_bytes_max) return Head::kTooLong;
  }
}

void Server::Send(int connection, absl::string_view answer) const {
  const SteadyTime deadline = RealClock().Steady() + limits_.answer_timeout;
  while (!answer.empty()) {
    const ssize_t sent = ::send(connection, answer.data(), answer.size(), MSG_NOSIGNAL);
    if (sent > 0) {
      answer.remove_prefix(static_cast<size_t>(sent));
    } else if (sent < 0 && errno == EAGAIN) {
      if (!Await(connection, POLLOUT, deadline)) return;
    } else if (sent == 0 || errno != EINTR) {
      return;
    }
  }
}

void Server::Serve(int connection) {
  std::string head;
  switch (ReadHead(connection, &head)) {
    case Head::kComplete:
      Send(connection, Exchange(head, handler_));
      break;
    case Head::kTooLong:
      Send(connection, PlainAnswer(431, "Request Header Fields Too Large"));
      break;
    case Head::kTooLate:
      Send(connection, PlainAnswer(408, "Request Timeout"));
      break;
    case Head::kGone:
      return;
  }
  (void)::shutdown(connection, SHUT_WR);
  char buffer[4096];
  for (size_t discarded = 0; discarded < kDiscardBytesMax;) {
    const ssize_t got = ::recv(connection, buffer, sizeof buffer, MSG_DONTWAIT);
    if (got <= 0) break;
    discarded += static_cast<size_t>(got);
  }
}

}  // namespace center::http
