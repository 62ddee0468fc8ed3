#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "asio/post.hpp"
#include "services/common/log.h"
#include "services/common/net_address.h"
#include "services/worker/ingest/server_impl.h"

namespace center::ingest {
namespace {

// An unfinished frame of this size or more that grows by little is completed in its own buffer.
constexpr size_t kAppendInCarryBytesMin = 4 << 10;
// Room that a long unfinished frame gets for the next read.
constexpr size_t kFrameReadBytesMin = 64 << 10;
// What may follow the payload of a line: CR LF.
constexpr size_t kLineEndBytes = 2;

}  // namespace

void IngestServer::Impl::OnAccept(ScopedFd socket, const sockaddr_storage& address) {
  accepted_.fetch_add(1, std::memory_order_relaxed);
  std::string peer = SockaddrToString(address);
  const absl::uint128 key = AddressKey(address);
  if (!WithinLimits(peer, key)) return;
  auto connection = std::make_shared<Connection>(io_, &budget_, options_.framing,
                                                 static_cast<uint32_t>(options_.max_payload_bytes));
  asio::error_code error;
  connection->socket.assign(socket.get(), error);
  if (error) {
    spdlog::error("cannot watch the connection of {}: {}", peer, error.message());
    return;
  }
  socket.Release();
  connection->peer = std::move(peer);
  connection->address = key;
  connection->last_read_ms = reading_ms_;
  table_.Add(connection);
  PublishState();
  spdlog::debug("{} connected", connection->peer);
  if (SendBanner(*connection)) WaitForInput(std::move(connection));
}

bool IngestServer::Impl::WithinLimits(const std::string& peer, absl::uint128 address) {
  if (table_.size() >= options_.max_connections) {
    Refuse(peer, RejectCause::kConnectionLimit,
           absl::StrCat("the worker has ", table_.size(), " connections (--max-connections)"));
    return false;
  }
  const uint32_t per_peer = options_.max_connections_per_peer;
  if (per_peer > 0 && table_.CountOf(address) >= per_peer) {
    Refuse(peer, RejectCause::kPeerConnectionLimit,
           absl::StrCat("its address has ", per_peer,
                        " connections to this worker (--max-connections-per-peer)"));
    return false;
  }
  return true;
}

// The send buffer of a new socket is empty and larger than any banner, so one send takes it whole.
bool IngestServer::Impl::SendBanner(Connection& connection) {
  if (options_.banner.empty()) return true;
  const ssize_t sent = ::send(connection.socket.native_handle(), options_.banner.data(),
                              options_.banner.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent == static_cast<ssize_t>(options_.banner.size())) return true;
  spdlog::info("{}: the banner could not be sent: {}", connection.peer,
               sent < 0 ? std::strerror(errno) : "the send buffer is full");
  Close(connection, ConnectionEnd::kReset);
  return false;
}

void IngestServer::Impl::WaitForInput(std::shared_ptr<Connection> connection) {
  Connection& target = *connection;
  target.socket.async_wait(
      Connection::Descriptor::wait_read,
      [self = shared_from_this(), connection = std::move(connection)](asio::error_code error) {
        if (!error) self->ReadTurn(connection);
      });
}

void IngestServer::Impl::PostRead(std::shared_ptr<Connection> connection) {
  asio::post(io_, [self = shared_from_this(), connection = std::move(connection)] {
    self->ReadTurn(connection);
  });
}

void IngestServer::Impl::ReadTurn(const std::shared_ptr<Connection>& connection) {
  if (connection->closed || connection->ended) return;
  switch (ReadOnce(*connection)) {
    case ReadOutcome::kDrained:
      return WaitForInput(connection);
    case ReadOutcome::kMore:  // behind the others, and behind the append of this turn
      return PostRead(connection);
    case ReadOutcome::kBlocked:
      if (!connection->closed) paused_.push_back(connection);
      return;
    case ReadOutcome::kEnded:
      return;
  }
}

IngestServer::Impl::ReadOutcome IngestServer::Impl::ReadOnce(Connection& connection) {
  if (blocked_ || (group_.full() && !Flush())) return ReadOutcome::kBlocked;
  Carry& carry = connection.carry;
  const size_t kept = carry.size();
  bool in_carry = kept > kCarryCopyBytesMax;
  if (in_carry) ReserveForFrame(connection);
  char* buffer = in_carry ? carry.data() : group_.tail();
  const size_t room = in_carry ? std::min(carry.capacity() - kept, kReadBytes) : kReadBytes;
  const ssize_t received =
      ::recv(connection.socket.native_handle(), buffer + kept, room, MSG_DONTWAIT);
  if (received <= 0) {
    if (received < 0 && (errno == EAGAIN || errno == EINTR)) return ReadOutcome::kDrained;
    if (received == 0) return OnStreamEnd(connection);
    OnStreamError(connection, errno);
    return ReadOutcome::kEnded;
  }
  const size_t fresh = static_cast<size_t>(received);
  if (!in_carry && kept >= kAppendInCarryBytesMin && fresh < kept / 4) {
    // Little came for a frame that is not small: copying that little is cheaper than the frame.
    carry.Append(buffer + kept, fresh);
    buffer = carry.data();
    in_carry = true;
  } else if (in_carry) {
    carry.SetSize(kept + fresh);
  } else if (kept > 0) {
    std::memcpy(buffer, carry.data(), kept);
  }
  Process(connection, buffer, kept + fresh, in_carry);
  if (connection.closed) return ReadOutcome::kEnded;
  return fresh == room ? ReadOutcome::kMore : ReadOutcome::kDrained;
}

// Grows by doubling, so that a frame is copied a bounded number of times and a peer that merely
// announces a long one gets no memory for it.
void IngestServer::Impl::ReserveForFrame(Connection& connection) {
  Carry& carry = connection.carry;
  if (carry.capacity() - carry.size() >= kFrameReadBytesMin) return;
  uint64_t frame_bytes = connection.framer.unfinished_frame_bytes();
  if (frame_bytes == 0) frame_bytes = options_.max_payload_bytes + kLineEndBytes;
  carry.Reserve(std::min<uint64_t>(frame_bytes, 2 * carry.capacity() + kFrameReadBytesMin));
}

void IngestServer::Impl::Process(Connection& connection, char* buffer, size_t size, bool in_carry) {
  const BatchGroup::Source source{.peer = connection.peer, .receive_time_ns = clock_.WallNanos()};
  const ScanLimits limits{.sizes = {sizes_.get(), kBatchPayloadsMax}, .data_bytes = kBatchBytesMax};
  connection.last_read_ms = reading_ms_;
  char* const end = buffer + size;
  char* at = buffer;            // the first byte that is not consumed
  const char* packed = buffer;  // the end of the last payload
  bool any = false;
  ScanResult result;
  do {
    result = connection.framer.Scan(at, static_cast<size_t>(end - at), limits);
    if (result.count > 0) {
      group_.Add(source, {at, result.data_bytes}, {sizes_.get(), result.count});
      packed = at + result.data_bytes;
      any = true;
    }
    at += result.consumed;
  } while (result.limited);

  const size_t rest = static_cast<size_t>(end - at);
  if (!in_carry) {
    connection.carry.Assign(at, rest);
    group_.AdvanceTail(packed);
  } else if (any) {
    Carry left(&budget_);
    left.Assign(at, rest);
    std::swap(connection.carry, left);
    group_.Keep(std::move(left));
  }
  if (rest == 0) {
    connection.unfinished_since_ms = -1;
  } else if (any || connection.unfinished_since_ms < 0) {
    connection.unfinished_since_ms = reading_ms_;
  }
  if (any) ScheduleFlush();
  if (!result.error.ok()) {
    const bool too_large = absl::IsResourceExhausted(result.error);
    Reject(connection, too_large ? RejectCause::kPayloadTooLarge : RejectCause::kMalformedFrame,
           std::string(result.error.message()), result.error_position);
  }
  if (budget_.exceeded()) EnforceBufferBudget();
}

// What the connection sent before is appended already: its turn comes after the append of the turn
// in which that was read. Two ends are other: with a last line that nothing terminated, and within
// the final reads of a drain.
IngestServer::Impl::ReadOutcome IngestServer::Impl::OnStreamEnd(Connection& connection) {
  Carry& carry = connection.carry;
  const ScanLimits limits{.sizes = {sizes_.get(), kBatchPayloadsMax}, .data_bytes = kBatchBytesMax};
  const ScanResult result = connection.framer.Finish(carry.data(), carry.size(), limits);
  if (result.count > 0) {
    group_.Add({.peer = connection.peer, .receive_time_ns = clock_.WallNanos()},
               {carry.data(), result.data_bytes}, {sizes_.get(), result.count});
    group_.Keep(std::move(carry));
  }
  if ((result.count > 0 || state_ == State::kDraining) && !group_.empty() && !Flush()) {
    return ReadOutcome::kBlocked;  // comes back to the same end once the journal takes it
  }
  if (!result.error.ok()) {
    CountTruncated(connection, "closed by its peer", result.error.message());
  }
  spdlog::debug("{} disconnected", connection.peer);
  if (result.error.ok()) {
    EndInOrder(connection);
  } else {
    Close(connection, ConnectionEnd::kReset);
  }
  return ReadOutcome::kEnded;
}

void IngestServer::Impl::OnStreamError(Connection& connection, int error) {
  if (connection.carry.size() > 0) {
    CountTruncated(connection, std::strerror(error), "an unfinished frame");
  } else {
    spdlog::debug("{}: {}", connection.peer, std::strerror(error));
  }
  Close(connection, ConnectionEnd::kReset);
}

void IngestServer::Impl::CountTruncated(const Connection& connection, absl::string_view why,
                                        absl::string_view what) {
  truncated_.fetch_add(1, std::memory_order_relaxed);
  spdlog::info("{}: {}; dropped at position {} with {} bytes: {}", connection.peer, why,
               connection.framer.position(), connection.carry.size(), what);
}

// The connection that holds the most pays, so that a greedy peer cannot push out modest ones.
void IngestServer::Impl::EnforceBufferBudget() {
  // Frames that are complete only wait for the append.
  if (!blocked_) Flush();
  while (budget_.exceeded()) {
    const std::shared_ptr<Connection> largest = table_.LargestCarry();
    if (largest == nullptr) return;
    Reject(*largest, RejectCause::kBufferLimit,
           absl::StrCat("unfinished frames need more than ", options_.max_buffer_bytes,
                        " bytes (--max-buffer-bytes), and its own is the largest with ",
                        largest->carry.size()),
           largest->framer.position());
  }
}

void IngestServer::Impl::Reject(Connection& connection, RejectCause cause, std::string reason,
                                uint64_t position) {
  if (connection.closed || connection.ended) return;
  rejected_.fetch_add(1, std::memory_order_relaxed);
  spdlog::warn("closing {}: {}", connection.peer, reason);
  const RejectedConnection rejected{.peer = connection.peer,
                                    .cause = cause,
                                    .reason = std::move(reason),
                                    .stream_position = position};
  if (cause == RejectCause::kIdleTimeout) {
    EndInOrder(connection);
  } else {
    Close(connection, ConnectionEnd::kReset);
  }
  if (on_reject_) on_reject_(rejected);
}

// Refusals can come by the thousand a second, so each limit is told about once a second.
void IngestServer::Impl::Refuse(const std::string& peer, RejectCause cause,
                                const std::string& reason) {
  rejected_.fetch_add(1, std::memory_order_relaxed);
  LimitNotice& notice =
      cause == RejectCause::kConnectionLimit ? connection_limit_notice_ : peer_limit_notice_;
  const int64_t now_ms = SteadyMs();
  if (now_ms - notice.last_ms < kLimitNoticeMs) {
    ++notice.since;
    return;
  }
  std::string text = reason;
  if (notice.since > 0) absl::StrAppend(&text, "; ", notice.since, " more were refused before");
  notice = {.last_ms = now_ms, .since = 0};
  spdlog::warn("refusing {}: {}", peer, text);
  if (on_reject_) on_reject_({.peer = peer, .cause = cause, .reason = text});
}

}  // namespace center::ingest
