#include "cli/blast.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <limits>
#include <memory>
#include <thread>

#include "absl/strings/str_cat.h"
#include "services/common/clock.h"
#include "services/common/status_macros.h"

namespace center::cli {
namespace {

constexpr size_t kBufferBytes = 256 << 10;
constexpr int kEpollTimeoutMs = 5;
constexpr int kEventsMax = 256;

// One producer connection of a thread.
struct Connection {
  ScopedFd fd;
  uint64_t sent = 0;
  uint64_t limit = 0;  // bytes at which it ends
  bool shut = false;   // said that nothing more comes
  bool closed = false;
};

// Some connections, driven by one thread.
class BlastThread {
 public:
  BlastThread(const BlastOptions& options, const std::string& buffer, uint64_t frame_bytes)
      : options_(options), buffer_(buffer), frame_bytes_(frame_bytes) {}

  // `payloads`: how many this connection sends; 0: no limit.
  absl::Status Add(uint64_t payloads);
  void Run(SteadyTime deadline);

  const absl::Status& status() const { return status_; }
  uint64_t payloads() const {
    uint64_t sum = 0;
    for (const Connection& connection : connections_) sum += connection.sent / frame_bytes_;
    return sum;
  }

 private:
  absl::Status Step(Connection& connection, uint32_t events);
  absl::Status Send(Connection& connection);
  absl::Status Receive(Connection& connection);
  absl::Status FinishIfDone(Connection& connection);
  // Every connection ends with the payload that it is in.
  void EndAll();

  const BlastOptions& options_;
  const std::string& buffer_;
  const uint64_t frame_bytes_;
  std::vector<Connection> connections_;
  ScopedFd epoll_;
  size_t open_ = 0;
  absl::Status status_;
};

absl::Status BlastThread::Add(uint64_t payloads) {
  Connection connection;
  ASSIGN_OR_RETURN(connection.fd, ConnectToTarget(options_.target));
  const int flags = ::fcntl(connection.fd.get(), F_GETFL);
  if (flags < 0 || ::fcntl(connection.fd.get(), F_SETFL, flags | O_NONBLOCK) != 0) {
    return ErrnoStatus(errno, "fcntl");
  }
  connection.limit = payloads == 0 ? std::numeric_limits<uint64_t>::max() : payloads * frame_bytes_;
  connections_.push_back(std::move(connection));
  return absl::OkStatus();
}

absl::Status BlastThread::Send(Connection& connection) {
  const uint64_t position = connection.sent % buffer_.size();
  const uint64_t size = std::min(buffer_.size() - position, connection.limit - connection.sent);
  const ssize_t sent = ::send(connection.fd.get(), buffer_.data() + position, size, MSG_NOSIGNAL);
  if (sent >= 0) {
    connection.sent += static_cast<uint64_t>(sent);
  } else if (errno != EAGAIN && errno != EINTR) {
    return ErrnoStatus(errno, absl::StrCat("send to ", options_.target.ToString()));
  }
  return absl::OkStatus();
}

absl::Status BlastThread::Receive(Connection& connection) {
  char ignored[4096];  // a banner
  const ssize_t got = ::recv(connection.fd.get(), ignored, sizeof ignored, 0);
  if (got > 0) return absl::OkStatus();
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return absl::OkStatus();
  if (got < 0)
    return ErrnoStatus(errno, absl::StrCat("connection to ", options_.target.ToString()));
  if (!connection.shut) {
    return absl::AbortedError(absl::StrCat(options_.target.ToString(),
                                           " closed a connection; `centerctl events` says why"));
  }
  connection.closed = true;
  connection.fd.Reset();
  --open_;
  return absl::OkStatus();
}

absl::Status BlastThread::FinishIfDone(Connection& connection) {
  if (connection.shut || connection.sent < connection.limit) return absl::OkStatus();
  connection.shut = true;
  if (::shutdown(connection.fd.get(), SHUT_WR) != 0) return ErrnoStatus(errno, "shutdown");
  epoll_event event{EPOLLIN, {.ptr = &connection}};
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, connection.fd.get(), &event) != 0) {
    return ErrnoStatus(errno, "epoll_ctl");
  }
  return absl::OkStatus();
}

absl::Status BlastThread::Step(Connection& connection, uint32_t events) {
  if ((events & EPOLLOUT) != 0 && !connection.shut) RETURN_IF_ERROR(Send(connection));
  if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) RETURN_IF_ERROR(Receive(connection));
  if (connection.closed) return absl::OkStatus();
  return FinishIfDone(connection);
}

void BlastThread::EndAll() {
  for (Connection& connection : connections_) {
    if (connection.shut) continue;
    const uint64_t frames = (connection.sent + frame_bytes_ - 1) / frame_bytes_;
    connection.limit = std::min(connection.limit, frames * frame_bytes_);
    status_.Update(FinishIfDone(connection));
  }
}

void BlastThread::Run(SteadyTime deadline) {
  epoll_ = ScopedFd(::epoll_create1(EPOLL_CLOEXEC));
  open_ = connections_.size();
  for (Connection& connection : connections_) {
    epoll_event event{EPOLLIN | EPOLLOUT, {.ptr = &connection}};
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, connection.fd.get(), &event) != 0) {
      status_ = ErrnoStatus(errno, "epoll_ctl");
    }
  }
  epoll_event events[kEventsMax];
  bool ending = false;
  SteadyTime give_up = SteadyTime::max();
  while (open_ > 0 && status_.ok()) {
    const int ready = ::epoll_wait(epoll_.get(), events, kEventsMax, kEpollTimeoutMs);
    for (int i = 0; i < ready && status_.ok(); ++i) {
      status_ = Step(*static_cast<Connection*>(events[i].data.ptr), events[i].events);
    }
    const SteadyTime now = std::chrono::steady_clock::now();
    const bool stopped = options_.stop != nullptr && options_.stop->load();
    if (!ending && (now >= deadline || stopped)) {
      ending = true;
      give_up = now + absl::ToChronoNanoseconds(options_.drain_timeout);
      EndAll();
    }
    if (now >= give_up && status_.ok()) {
      status_ = absl::DeadlineExceededError(
          absl::StrCat(options_.target.ToString(),
                       " did not read everything that was sent; "
                       "`centerctl worker list` says if it is blocked"));
    }
  }
}

}  // namespace

uint64_t FrameBytes(v1::Framing framing, uint64_t payload_bytes) {
  return BlastBuffer(framing, payload_bytes, 0).size();
}

std::string BlastBuffer(v1::Framing framing, uint64_t payload_bytes, size_t buffer_bytes) {
  // Words, not one letter: what a compressing disk or a clever parser sees is like a log.
  constexpr absl::string_view kText = "the quick brown fox jumps over the lazy dog 0123456789 ";
  std::string payload;
  while (payload.size() < payload_bytes) absl::StrAppend(&payload, kText);
  payload.resize(payload_bytes);
  std::string buffer;
  do {
    AppendFrame(ToFraming(framing), payload, &buffer);
  } while (buffer.size() < buffer_bytes);
  return buffer;
}

absl::StatusOr<BlastResult> Blast(const BlastOptions& options) {
  const uint64_t frame_bytes = FrameBytes(options.framing, options.payload_bytes);
  const std::string buffer = BlastBuffer(options.framing, options.payload_bytes, kBufferBytes);
  const uint32_t thread_count = std::max(1u, std::min(options.threads, options.connections));
  std::vector<std::unique_ptr<BlastThread>> blasts;
  blasts.reserve(thread_count);
  for (uint32_t i = 0; i < thread_count; ++i) {
    blasts.push_back(std::make_unique<BlastThread>(options, buffer, frame_bytes));
  }
  for (uint32_t i = 0; i < options.connections; ++i) {
    // The first connections take what does not divide evenly.
    const uint64_t share =
        options.count / options.connections + (i < options.count % options.connections ? 1 : 0);
    if (options.count > 0 && share == 0) break;
    RETURN_IF_ERROR(blasts[i % thread_count]->Add(share));
  }
  const SteadyTime start = std::chrono::steady_clock::now();
  // Longer ones do not fit into nanoseconds.
  constexpr absl::Duration kForever = absl::Hours(1'000'000);
  const SteadyTime deadline = options.duration >= kForever
                                  ? SteadyTime::max()
                                  : start + absl::ToChronoNanoseconds(options.duration);
  std::vector<std::thread> threads;
  threads.reserve(blasts.size());
  for (auto& blast : blasts) threads.emplace_back([&blast, deadline] { blast->Run(deadline); });
  for (std::thread& thread : threads) thread.join();
  BlastResult result;
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  for (const auto& blast : blasts) {
    RETURN_IF_ERROR(blast->status());
    result.payloads += blast->payloads();
  }
  return result;
}

}  // namespace center::cli
