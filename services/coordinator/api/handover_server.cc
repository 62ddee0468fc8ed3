#include "services/coordinator/api/handover_server.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "services/common/log.h"
#include "services/common/status_macros.h"

namespace center::coordinator {

HandoverServer::HandoverServer(supervision::EventLoop& loop, Take take)
    : loop_(loop), take_(std::move(take)), timer_(loop, [this] { return DropSilent(); }) {}

absl::StatusOr<std::unique_ptr<HandoverServer>> HandoverServer::Listen(supervision::EventLoop& loop,
                                                                       const std::string& path,
                                                                       Take take) {
  ASSIGN_OR_RETURN(ScopedFd fd, ListenHandover(path));
  // Not make_unique: the constructor is private.
  std::unique_ptr<HandoverServer> server(new HandoverServer(loop, std::move(take)));
  ASSIGN_OR_RETURN(
      server->listening_,
      supervision::ReadWatch::Start(loop, std::move(fd), [raw = server.get()] { raw->Accept(); }));
  return server;
}

void HandoverServer::Accept() {
  ScopedFd socket(::accept4(listening_->fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!socket.valid()) {
    if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
      spdlog::error("{}", ErrnoStatus(errno, "accept a worker's handover"));
    }
    return;
  }
  const auto peer = PeerOf(socket.get());
  if (!peer.ok() || peer->uid != ::geteuid()) {
    spdlog::warn("a handover by user {} is refused", peer.ok() ? peer->uid : UINT32_MAX);
    return;
  }
  Begin(std::move(socket), *peer);
}

void HandoverServer::Begin(ScopedFd socket, const SocketPeer& peer) {
  if (Receive(socket.get(), peer)) return;
  if (connections_.size() >= kConnectionsMax) {
    spdlog::warn("too many handovers wait: process {} is hung up on",
                 connections_.front().peer.pid);
    connections_.pop_front();
  }
  const SteadyTime deadline = RealClock().Steady() + kSilenceMax;
  const auto at = connections_.insert(connections_.end(), {.peer = peer, .deadline = deadline});
  auto watch = supervision::ReadWatch::Start(loop_, std::move(socket), [this, at] {
    if (Receive(at->watch->fd(), at->peer)) connections_.erase(at);
  });
  if (!watch.ok()) {
    spdlog::error("a handover by process {}: {}", peer.pid, watch.status());
    connections_.erase(at);
    return;
  }
  at->watch = *std::move(watch);
  timer_.ArmBy(deadline);
}

bool HandoverServer::Receive(int socket, const SocketPeer& peer) {
  auto handover = ReceiveHandover(socket);
  if (absl::IsUnavailable(handover.status())) return false;
  const absl::Status taken =
      handover.ok() ? take_(*std::move(handover), peer.pid) : handover.status();
  if (!taken.ok()) spdlog::warn("a handover by process {} is refused: {}", peer.pid, taken);
  return true;
}

SteadyTime HandoverServer::DropSilent() {
  const SteadyTime now = RealClock().Steady();
  while (!connections_.empty() && connections_.front().deadline <= now) {
    spdlog::warn("process {} wanted to hand over and said nothing", connections_.front().peer.pid);
    connections_.pop_front();
  }
  return connections_.empty() ? SteadyTime::max() : connections_.front().deadline;
}

}  // namespace center::coordinator
