#include "services/client/load/load.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/connect.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>
#include <limits>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/types/optional.h"
#include "services/client/load/pacer.h"
#include "services/common/log.h"
#include "services/common/net_address.h"

namespace center::client {
namespace {

using asio::ip::tcp;

// A half-closed socket is looked at this often, for this long.
constexpr std::chrono::milliseconds kCloseStep{5};
constexpr std::chrono::seconds kCloseTimeout{1};
// A connection that lived for less does not begin the backoff anew: it was turned away.
constexpr std::chrono::seconds kLivedForAWhile{1};

SteadyTime Now() { return RealClock().Steady(); }

// TCP_CLOSE: the other side has acknowledged our end, and has reset nothing.
bool IsClosed(int fd) {
  tcp_info info{};
  socklen_t size = sizeof info;
  return ::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 && info.tcpi_state == TCP_CLOSE;
}

}  // namespace

struct Load::Connection {
  explicit Connection(asio::io_context& io) : socket(io), wake(io) {}

  // Ends the wait on `wake` that is under way, if any.
  void Wake() { wake.cancel(); }
  void Close() {
    asio::error_code ignored;  // what was written is the kernel's business now
    socket.close(ignored);
    Wake();
  }

  // It is connected anew.
  void Begin() {
    sent = 0;
    peer_ended = false;
    renew = false;
    broken.clear();
    watching = true;
  }

  tcp::socket socket;
  asio::steady_timer wake;
  bool tried = false;
  absl::optional<Pacer> pacer;       // none: unlimited
  uint64_t sent = 0;                 // payloads on this socket
  Framing framing = Framing::kLine;  // as of the target that it is connected to
  bool watching = false;             // its reader runs
  bool peer_ended = false;           // it has sent its end: it wants no more
  bool renew = false;                // it is to be ended, and made anew
  asio::error_code broken;
};

struct Load::Shared : std::enable_shared_from_this<Load::Shared> {
  Shared(asio::io_context& its_io, LoadOptions its_options)
      : io(its_io),
        options(std::move(its_options)),
        target(options.target),
        payloads(options.payloads),
        left(options.count == 0 ? std::numeric_limits<uint64_t>::max() : options.count),
        drain_timer(io),
        burst_bytes(static_cast<size_t>(std::clamp<uint64_t>(
            kBurstBytesOfAllMax / std::max(options.connections, 1U), 4096, kBurstBytesMax))) {}

  bool Finished() const { return stopping || left == 0; }
  bool Sends(const Connection& connection) const {
    return !Finished() && !hold && !connection.renew && !connection.peer_ended &&
           !connection.broken;
  }
  void Failed(const std::string& what);
  // It has been connected, or refused.
  void Tried(Connection& connection);
  absl::optional<Pacer> MakePacer(uint32_t index, SteadyTime start) const;
  // Takes payloads that are due and appends them, up to burst_bytes; how many.
  uint64_t Compose(Connection& connection, std::string* out);

  asio::awaitable<void> Run(std::shared_ptr<Connection> connection);
  asio::awaitable<asio::error_code> Connect(Connection& connection);
  asio::awaitable<void> Watch(std::shared_ptr<Connection> connection);
  asio::awaitable<void> Send(Connection& connection);
  // True: the server has read everything.
  asio::awaitable<bool> End(Connection& connection);
  asio::awaitable<void> Wait(Connection& connection, SteadyTime until);

  asio::io_context& io;
  const LoadOptions options;
  LoadTarget target;
  LoadStats stats;
  Payloads payloads;
  uint64_t left;  // payloads that may still be sent
  bool stopping = false;
  bool hold = false;
  bool at_once = false;
  std::vector<std::shared_ptr<Connection>> connections;
  size_t alive = 0;
  size_t untried = 0;
  asio::steady_timer drain_timer;
  const size_t burst_bytes;
  std::function<void()> on_ended;
  std::function<void()> on_tried;
};

void Load::Shared::Failed(const std::string& what) {
  ++stats.errors;
  if (stats.last_error != what) spdlog::warn("{}", what);
  stats.last_error = what;
}

void Load::Shared::Tried(Connection& connection) {
  if (!std::exchange(connection.tried, true) && --untried == 0 && on_tried) on_tried();
}

absl::optional<Pacer> Load::Shared::MakePacer(uint32_t index, SteadyTime start) const {
  switch (options.pace) {
    case PaceKind::kInterval:
      return Pacer(1.0 / std::chrono::duration<double>(options.interval).count(), start);
    case PaceKind::kRate: {
      // Each has its share, and they take turns.
      const auto turn = std::chrono::duration<double>(index / options.rate);
      return Pacer(options.rate / options.connections,
                   start + std::chrono::duration_cast<SteadyDuration>(turn));
    }
    case PaceKind::kUnlimited:
      break;
  }
  return absl::nullopt;
}

uint64_t Load::Shared::Compose(Connection& connection, std::string* out) {
  out->clear();
  uint64_t due = left;
  if (connection.pacer.has_value()) due = std::min(due, connection.pacer->Due(Now()));
  uint64_t count = 0;
  while (count < due && out->size() < burst_bytes) {
    payloads.AppendNext(connection.framing, out);
    ++count;
  }
  left -= count;
  if (connection.pacer.has_value()) connection.pacer->Take(count);
  return count;
}

asio::awaitable<void> Load::Shared::Wait(Connection& connection, SteadyTime until) {
  asio::error_code woken;  // or the time has come: the caller looks what is to be done
  connection.wake.expires_at(until);
  co_await connection.wake.async_wait(asio::redirect_error(asio::use_awaitable, woken));
}

asio::awaitable<asio::error_code> Load::Shared::Connect(Connection& connection) {
  asio::error_code error;
  // It may change while this waits.
  const LoadTarget to = target;
  connection.framing = to.framing;
  const auto address = asio::ip::make_address(to.host, error);
  if (!error) {
    co_await connection.socket.async_connect(tcp::endpoint(address, to.port),
                                             asio::redirect_error(asio::use_awaitable, error));
  } else {
    tcp::resolver resolver(io);
    const auto found = co_await resolver.async_resolve(
        to.host, std::to_string(to.port), asio::redirect_error(asio::use_awaitable, error));
    if (!error) {
      co_await asio::async_connect(connection.socket, found,
                                   asio::redirect_error(asio::use_awaitable, error));
    }
  }
  if (!error) connection.socket.set_option(tcp::no_delay(true), error);
  co_return error;
}

// Reads what the server says (a banner) only to see when it ends.
asio::awaitable<void> Load::Shared::Watch(std::shared_ptr<Connection> connection) {
  std::array<char, 512> ignored;
  while (true) {
    asio::error_code error;
    co_await connection->socket.async_read_some(asio::buffer(ignored),
                                                asio::redirect_error(asio::use_awaitable, error));
    if (!error) continue;
    connection->peer_ended = error == asio::error::eof;
    if (!connection->peer_ended) connection->broken = error;
    break;
  }
  connection->watching = false;
  connection->Wake();
}

asio::awaitable<void> Load::Shared::Send(Connection& connection) {
  std::string burst;
  while (Sends(connection)) {
    const uint64_t count = Compose(connection, &burst);
    if (count == 0) {
      co_await Wait(connection, connection.pacer.has_value() ? connection.pacer->NextTime()
                                                             : SteadyTime::max());
      continue;
    }
    asio::error_code error;
    const size_t written = co_await asio::async_write(
        connection.socket, asio::buffer(burst), asio::redirect_error(asio::use_awaitable, error));
    stats.bytes_sent += written;
    if (error) {
      if (options.count > 0) left += count;  // others are sent in their place
      if (!connection.broken) connection.broken = error;
      co_return;
    }
    stats.payloads_sent += count;
    connection.sent += count;
  }
}

asio::awaitable<bool> Load::Shared::End(Connection& connection) {
  if (connection.broken || at_once) co_return false;
  asio::error_code error;
  connection.socket.shutdown(tcp::socket::shutdown_send, error);
  if (error) co_return false;
  const bool peer_was_first = connection.peer_ended;
  const SteadyTime deadline = Now() + options.drain_timeout;
  while (connection.watching && !at_once && Now() < deadline) co_await Wait(connection, deadline);
  if (!connection.peer_ended || connection.broken || at_once) co_return false;
  if (!peer_was_first) co_return true;
  // It ended first, maybe with bytes of ours under way. If it did not read them it resets.
  for (const SteadyTime give_up = Now() + kCloseTimeout; Now() < give_up;) {
    if (IsClosed(connection.socket.native_handle())) {
      int reset = 0;
      socklen_t size = sizeof reset;
      co_return ::getsockopt(connection.socket.native_handle(), SOL_SOCKET, SO_ERROR, &reset,
                             &size) == 0 &&
          reset == 0;
    }
    co_await Wait(connection, Now() + kCloseStep);
  }
  co_return false;
}

asio::awaitable<void> Load::Shared::Run(std::shared_ptr<Connection> connection) {
  SteadyDuration backoff{};
  bool failed = false;
  const auto fail = [&](const std::string& what) {
    Failed(what);
    failed = true;
    backoff = std::clamp(2 * backoff, options.backoff_min, options.backoff_max);
  };
  while (!Finished()) {
    if (backoff > SteadyDuration::zero()) co_await Wait(*connection, Now() + backoff);
    while (hold && !Finished()) co_await Wait(*connection, SteadyTime::max());
    if (Finished()) break;
    const std::string address = NetAddress{.host = target.host, .port = target.port}.ToString();
    const asio::error_code refused = co_await Connect(*connection);
    if (refused) {
      connection->Close();
      fail(absl::StrCat("cannot connect to ", address, ": ", refused.message()));
      Tried(*connection);
      continue;
    }
    if (std::exchange(failed, false)) ++stats.reconnects;
    const SteadyTime since = Now();
    connection->Begin();
    ++stats.connections;
    Tried(*connection);
    asio::co_spawn(io, Watch(connection), asio::detached);
    co_await Send(*connection);
    const bool asked = hold || connection->renew;
    const bool in_order = co_await End(*connection);
    --stats.connections;
    connection->Close();
    while (connection->watching) co_await Wait(*connection, SteadyTime::max());
    if (in_order) stats.payloads_acknowledged += connection->sent;
    if (Now() - since >= kLivedForAWhile) backoff = SteadyDuration::zero();
    if (!in_order && !at_once) {
      fail(absl::StrCat("the connection to ", address, " broke: ",
                        connection->broken ? connection->broken.message()
                                           : "the server did not read it to its end"));
    } else if (!Finished() && !asked && Now() - since < kLivedForAWhile) {
      backoff = std::clamp(2 * backoff, options.backoff_min, options.backoff_max);
    }
  }
  if (--alive == 0) {
    drain_timer.cancel();
    on_ended();
  }
}

Load::Load(asio::io_context& io, LoadOptions options)
    : shared_(std::make_shared<Shared>(io, std::move(options))) {}

Load::~Load() = default;

void Load::Start(std::function<void()> on_ended, std::function<void()> on_tried) {
  Shared& shared = *shared_;
  shared.on_ended = std::move(on_ended);
  shared.on_tried = std::move(on_tried);
  const SteadyTime start = Now();
  shared.alive = shared.options.connections;
  shared.untried = shared.options.connections;
  for (uint32_t i = 0; i < shared.options.connections; ++i) {
    auto connection = std::make_shared<Connection>(shared.io);
    connection->pacer = shared.MakePacer(i, start);
    shared.connections.push_back(connection);
    // The coroutine's object is `shared`: it lives until the coroutine has ended.
    asio::co_spawn(
        shared.io,
        [keep = shared_, connection]() -> asio::awaitable<void> { co_await keep->Run(connection); },
        asio::detached);
  }
}

void Load::Stop(bool now) {
  Shared& shared = *shared_;
  const bool first = !std::exchange(shared.stopping, true);
  if (now) shared.at_once = true;
  for (const auto& connection : shared.connections) {
    if (now) connection->Close();
    connection->Wake();
  }
  if (now || !first) return;
  shared.drain_timer.expires_after(shared.options.drain_timeout);
  shared.drain_timer.async_wait([this](const asio::error_code& error) {
    if (error) return;
    spdlog::warn("the server has not read everything in time; connections are closed");
    Stop(/*now=*/true);
  });
}

void Load::SetTarget(LoadTarget target) {
  const bool moved = target.host != shared_->target.host || target.port != shared_->target.port;
  shared_->target = std::move(target);
  if (!moved) return;
  // Who waits to try the old place again need not.
  for (const auto& connection : shared_->connections) connection->Wake();
}

void Load::Renew() {
  for (const auto& connection : shared_->connections) {
    connection->renew = true;
    connection->Wake();
  }
}

void Load::Hold(bool hold) {
  if (std::exchange(shared_->hold, hold) == hold) return;
  for (const auto& connection : shared_->connections) connection->Wake();
}

const LoadStats& Load::stats() const { return shared_->stats; }

}  // namespace center::client
