// A small HTTP server for operations: probes and metrics, a few requests a second.
//
// A few threads each accept a connection, read the head of one request, answer it and close. So
// the memory and the threads that strangers can take are fixed, and a connection lasts no longer
// than its timeouts; more connections than threads wait in the kernel's queue. Nothing here touches
// the event loop of the process: a handler that needs it asks by Ask (ask.h).
#pragma once

#include <chrono>
#include <memory>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "services/common/clock.h"
#include "services/common/fd.h"
#include "services/common/http/exchange.h"
#include "services/common/net_address.h"

namespace center::http {

struct ServerLimits {
  // Requests that are served at the same time.
  int threads = 4;
  // Connections that wait for a thread.
  int backlog = 16;
  // Request line and header fields; 431 when there are more.
  size_t head_bytes_max = 8 << 10;
  // From the connection to the end of the head; 408 when it takes longer.
  SteadyDuration head_timeout = std::chrono::seconds(5);
  // For the peer to take the answer.
  SteadyDuration answer_timeout = std::chrono::seconds(10);
};

// Serves from Start until it is destroyed.
class Server {
 public:
  // Errors: AlreadyExists when the port is taken, and what else ListenTcp says; InvalidArgument for
  // a unix socket. `handler` is called on several threads at once.
  static absl::StatusOr<std::unique_ptr<Server>> Start(const NetAddress& address, Handler handler,
                                                       ServerLimits limits = {});
  // Waits for requests that are being handled; connections that wait are closed.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // With the port that was chosen.
  const NetAddress& address() const { return address_; }

 private:
  Server(NetAddress address, Handler handler, ServerLimits limits, ScopedFd listener,
         ScopedFd stop);
  void Run();
  void Serve(int connection);
  // True when the descriptor is ready before the deadline and before the server stops.
  bool Await(int fd, short events, SteadyTime deadline) const;
  enum class Head { kComplete, kTooLong, kTooLate, kGone };
  Head ReadHead(int connection, std::string* head) const;
  void Send(int connection, absl::string_view answer) const;

  const NetAddress address_;
  const Handler handler_;
  const ServerLimits limits_;
  const ScopedFd listener_;
  const ScopedFd stop_;  // an eventfd that is readable once the server stops
  std::vector<std::thread> threads_;
};

}  // namespace center::http
