// Binds listening sockets without making the control thread wait for a name server.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "services/common/fd.h"
#include "services/coordinator/relay/blocking_calls.h"

namespace center::coordinator {

// Connections that the kernel completes and keeps until a worker accepts them; the kernel's own
// limit (net.core.somaxconn) applies too.
inline constexpr int kListenBacklog = 4096;

class Listener {
 public:
  // `post` runs a function on the control thread.
  explicit Listener(std::function<void(std::function<void()>)> post) : post_(std::move(post)) {}

  // Binds at once where the host is an IP address or "localhost"; a name is looked up on a thread
  // of its own first. Control thread only.
  void Listen(const std::string& host, uint16_t port,
              const std::function<void(absl::StatusOr<ScopedFd>)>& done);

 private:
  const std::function<void(std::function<void()>)> post_;
  relay::BlockingCalls lookups_;
};

}  // namespace center::coordinator
