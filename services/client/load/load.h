// The load that one client process makes: connections to one address that send numbered payloads at
// a pace, and come back when they break.
//
// A connection:
//
//     CONNECTING ─▶ SENDING ── count reached, Stop ──▶ ENDING (half-closed) ── EOF ──▶ done
//        ▲  │ refused  │ broken: an error        │
//        └──┴─ backoff ┘                         └─ the server half-closes first, or drains as its
//                                                   coordinator tells (Renew, Hold): ends in order
//                                                   as well, then connects again
//
// A connection that ended in order was read to its end by the server: its payloads are
// acknowledged. TCP tells nothing of the others.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "services/client/load/payloads.h"
#include "services/common/clock.h"

namespace asio {
class io_context;
}

namespace center::client {

inline constexpr uint32_t kConnectionsMax = 10'000;
// What a connection composes before it writes, and all of them together.
inline constexpr uint64_t kBurstBytesMax = 256 << 10;
inline constexpr uint64_t kBurstBytesOfAllMax = 64 << 20;

enum class PaceKind { kInterval, kRate, kUnlimited };

// Where payloads go.
struct LoadTarget {
  std::string host;
  uint16_t port = 0;
  Framing framing = Framing::kLine;
};

struct LoadOptions {
  LoadTarget target;
  uint32_t connections = 1;
  PaceKind pace = PaceKind::kInterval;
  SteadyDuration interval = std::chrono::seconds(5);  // kInterval: of each connection
  double rate = 1;                                    // kRate: payloads a second of all connections
  uint64_t count = 0;                                 // payloads in all; 0: no end
  PayloadOptions payloads;
  SteadyDuration drain_timeout = std::chrono::seconds(10);
  SteadyDuration backoff_min = std::chrono::milliseconds(100);
  SteadyDuration backoff_max = std::chrono::seconds(5);
};

struct LoadStats {
  uint64_t connections = 0;  // open now
  uint64_t payloads_sent = 0;
  uint64_t bytes_sent = 0;
  uint64_t payloads_acknowledged = 0;
  uint64_t errors = 0;
  uint64_t reconnects = 0;
  std::string last_error;
};

// All of it on the thread that runs `io`, which must outlive it.
class Load {
 public:
  Load(asio::io_context& io, LoadOptions options);
  // REQUIRES: ended, or `io` runs no more.
  ~Load();
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

  // `on_ended` is called once, when every connection has ended for good; `on_tried` once, when each
  // has been made or refused for the first time.
  void Start(std::function<void()> on_ended, std::function<void()> on_tried = nullptr);
  // Ends the connections in order, for at most drain_timeout; with `now`, at once.
  void Stop(bool now);
  // Connections made from now on go there.
  void SetTarget(LoadTarget target);
  // Ends the connections that are open in order, and makes them anew.
  void Renew();
  // True: ends the connections that are open in order, and makes none until it is false.
  void Hold(bool hold);
  const LoadStats& stats() const;

 private:
  struct Shared;
  struct Connection;
  std::shared_ptr<Shared> shared_;
};

}  // namespace center::client
