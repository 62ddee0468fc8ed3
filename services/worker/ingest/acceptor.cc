#include "services/worker/ingest/acceptor.h"

#include <cerrno>
#include <cstring>
#include <utility>

#include "asio/post.hpp"
#include "services/common/log.h"

namespace center::ingest {

Acceptor::Acceptor(asio::io_context& io, Dependencies dependencies)
    : dependencies_(std::move(dependencies)), listener_(io), timer_(io) {}

absl::Status Acceptor::Open(ScopedFd listener) {
  asio::error_code error;
  listener_.assign(listener.get(), error);
  if (error) return ErrnoStatus(error.value(), "watching the listening socket");
  listener.Release();
  return absl::OkStatus();
}

void Acceptor::Resume() {
  ++epoch_;
  holding_since_.reset();
  Wait();
}

void Acceptor::Pause() {
  ++epoch_;
  asio::error_code ignored;  // nothing under way is no error worth telling
  listener_.cancel(ignored);
  timer_.cancel();
}

void Acceptor::Close() {
  ++epoch_;
  asio::error_code ignored;  // siblings and the coordinator keep the socket itself open
  listener_.close(ignored);
  timer_.cancel();
}

void Acceptor::Wait() {
  listener_.async_wait(asio::posix::stream_descriptor::wait_read,
                       [self = shared_from_this(), epoch = epoch_](asio::error_code error) {
                         if (!error) self->TurnIfCurrent(epoch);
                       });
}

void Acceptor::WaitFor(std::chrono::milliseconds delay) {
  timer_.expires_after(delay);
  timer_.async_wait([self = shared_from_this(), epoch = epoch_](asio::error_code error) {
    if (!error) self->TurnIfCurrent(epoch);
  });
}

void Acceptor::TurnIfCurrent(uint64_t epoch) {
  if (epoch == epoch_) Turn();
}

void Acceptor::Turn() {
  const uint64_t epoch = epoch_;
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    if (MustHold()) return WaitFor(kHoldStep);
    sockaddr_storage address{};
    socklen_t length = sizeof address;
    ScopedFd socket(::accept4(listener_.native_handle(), reinterpret_cast<sockaddr*>(&address),
                              &length, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!socket.valid()) return HandleError(errno);
    holding_since_.reset();
    if (stuck_) {
      stuck_ = false;
      spdlog::info("accepting connections again");
      dependencies_.on_stuck(false);
    }
    dependencies_.on_accept(std::move(socket), address);
    if (epoch != epoch_) return;  // the new connection made the owner pause or close
  }
  asio::post(listener_.get_executor(),
             [self = shared_from_this(), epoch] { self->TurnIfCurrent(epoch); });
}

bool Acceptor::MustHold() {
  if (dependencies_.scoreboard == nullptr) return false;
  const auto least =
      dependencies_.scoreboard->LeastLoadedSibling(dependencies_.slot, Scoreboard::MonotonicMs());
  if (!least.has_value() || dependencies_.connections() <= *least) {
    holding_since_.reset();
    return false;
  }
  const SteadyTime now = dependencies_.clock->Steady();
  if (!holding_since_.has_value()) holding_since_ = now;
  return now - *holding_since_ < kHoldMax;
}

void Acceptor::HandleError(int error) {
  switch (error) {
    case EAGAIN:  // a sibling was faster
      holding_since_.reset();
      return Wait();
    // What accept(2) reports about the one connection that it took from the queue.
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case EPERM:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH:
    case ETIMEDOUT:
      return Wait();
    case EINVAL:  // shut down by the coordinator, which has no use for it any more: a drain follows
      spdlog::info("nobody listens here any more");
      return;
    default:
      break;
  }
  if (!stuck_) {
    stuck_ = true;
    spdlog::error("cannot accept connections: {}; trying again every {} ms", std::strerror(error),
                  kErrorPause.count());
    dependencies_.on_stuck(true);
  }
  WaitFor(kErrorPause);
}

}  // namespace center::ingest
