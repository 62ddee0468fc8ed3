// Accepts connections from a listener that sibling processes share, so that each of them gets its
// part: a worker that has more connections than the least loaded live sibling holds back for about
// a millisecond, again and again until a sibling has taken the connection, but no longer than
// kHoldMax for one connection (a sibling may have stopped without anybody knowing yet).
//
// Ingest thread only. Held by shared_ptr because its handlers may outlive its owner; after Close it
// never calls back.
#pragma once

#include <sys/socket.h>

#include <chrono>
#include <functional>
#include <memory>

#include "absl/types/optional.h"
#include "asio/io_context.hpp"
#include "asio/posix/stream_descriptor.hpp"
#include "asio/steady_timer.hpp"
#include "services/common/clock.h"
#include "services/common/fd.h"
#include "services/common/scoreboard.h"

namespace center::ingest {

class Acceptor : public std::enable_shared_from_this<Acceptor> {
 public:
  static constexpr std::chrono::milliseconds kHoldStep{1};
  static constexpr std::chrono::milliseconds kHoldMax{25};
  // The pause after an accept that failed for want of descriptors or memory.
  static constexpr std::chrono::milliseconds kErrorPause{100};
  // Connections accepted before others get a turn of the event loop.
  static constexpr int kAcceptsPerTurn = 16;

  struct Dependencies {
    Scoreboard* scoreboard = nullptr;  // may be null: no siblings
    uint32_t slot = 0;
    Clock* clock = nullptr;
    std::function<uint32_t()> connections;  // open now
    // A non-blocking, CLOEXEC socket. Must change what `connections` answers and the scoreboard.
    std::function<void(ScopedFd, const sockaddr_storage&)> on_accept;
    // It cannot accept for now (true) or can again (false): siblings should not wait for it.
    std::function<void(bool)> on_stuck;
  };

  Acceptor(asio::io_context& io, Dependencies dependencies);

  // Takes the listener. Once.
  absl::Status Open(ScopedFd listener);
  void Resume();
  void Pause();
  void Close();

 private:
  void Wait();
  void WaitFor(std::chrono::milliseconds delay);
  void Turn();
  // Runs Turn when nothing has been paused or closed since `epoch`.
  void TurnIfCurrent(uint64_t epoch);
  bool MustHold();
  void HandleError(int error);

  const Dependencies dependencies_;
  asio::posix::stream_descriptor listener_;
  asio::steady_timer timer_;
  uint64_t epoch_ = 0;  // changes with every Resume, Pause and Close: outdated handlers do nothing
  absl::optional<SteadyTime> holding_since_;
  bool stuck_ = false;
};

}  // namespace center::ingest
