// Why there is no line to the coordinator: gRPC calls again for ever, and does not say.
#pragma once

#include <atomic>
#include <string>
#include <thread>

#include "services/common/clock.h"
#include "services/common/net_address.h"
#include "services/common/rpc/tls_files.h"

namespace center::worker {

// Lives on the ingest thread; tries a connection of its own on another one, now and then, and tells
// in the log what stands in the way, once.
class LineCheck {
 public:
  LineCheck(NetAddress coordinator, rpc::TlsFiles tls);
  ~LineCheck();
  LineCheck(const LineCheck&) = delete;
  LineCheck& operator=(const LineCheck&) = delete;

  // Call every second or so while there has been no line since `since`.
  void OnAlone(SteadyTime since, SteadyTime now);

 private:
  void Run();

  const NetAddress coordinator_;
  const rpc::TlsFiles tls_;
  SteadyTime next_;
  std::thread thread_;
  std::atomic<bool> busy_{false};
  std::string told_;  // of the thread
};

}  // namespace center::worker
