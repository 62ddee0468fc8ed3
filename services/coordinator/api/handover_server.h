// Where workers of an earlier coordinator bring what they keep for this one: a unix socket that
// only our own user can reach. Every connection brings one message (services/common/handover.h).
//
// Bounded: a connection that says nothing for kSilenceMax is closed, and so is the oldest one when
// there are more than kConnectionsMax.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/common/clock.h"
#include "services/common/handover.h"
#include "services/coordinator/supervision/event_loop.h"

namespace center::coordinator {

// Control thread only.
class HandoverServer {
 public:
  static constexpr size_t kConnectionsMax = 64;
  static constexpr SteadyDuration kSilenceMax = std::chrono::seconds(2);

  // `pid` is the process that connected, as the kernel says. What it answers is only logged.
  using Take = std::function<absl::Status(Handover handover, int64_t pid)>;

  static absl::StatusOr<std::unique_ptr<HandoverServer>> Listen(supervision::EventLoop& loop,
                                                                const std::string& path, Take take);
  HandoverServer(const HandoverServer&) = delete;
  HandoverServer& operator=(const HandoverServer&) = delete;

  size_t connections() const { return connections_.size(); }

 private:
  struct Connection {
    SocketPeer peer;
    SteadyTime deadline;
    std::unique_ptr<supervision::ReadWatch> watch;
  };

  HandoverServer(supervision::EventLoop& loop, Take take);
  void Accept();
  void Begin(ScopedFd socket, const SocketPeer& peer);
  // False: nothing was there to be read yet.
  bool Receive(int socket, const SocketPeer& peer);
  SteadyTime DropSilent();

  supervision::EventLoop& loop_;
  const Take take_;
  supervision::DeadlineTimer timer_;
  std::list<Connection> connections_;  // the oldest first
  std::unique_ptr<supervision::ReadWatch> listening_;
};

}  // namespace center::coordinator
