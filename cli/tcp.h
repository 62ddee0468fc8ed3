// Producer connections, as `send` and `bench` make them.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "center/v1/server.pb.h"
#include "cli/context.h"
#include "services/common/fd.h"
#include "services/common/framing.h"

namespace center::cli {

// Where payloads are sent, and what it is called.
struct Target {
  std::string host;
  uint16_t port = 0;
  absl::optional<v1::Server> server;  // when it was named rather than given as an address

  std::string ToString() const;
};

// "host:port", or the name of a server that the coordinator looks up. NotRunning when it is
// stopped.
absl::StatusOr<Target> ResolveTarget(Context& context, const std::string& text);

// A blocking connection. NotRunning, with what to do, when nobody listens there.
absl::StatusOr<ScopedFd> ConnectToTarget(const Target& target);

// Sends all of it. Aborted, naming the target, when the other side closed the connection.
absl::Status SendAll(int fd, absl::string_view data, const Target& target);

// Says that nothing more comes, and waits until the other side has read everything and closed.
// DeadlineExceeded when it does not in `timeout`, Aborted when it broke the connection instead.
absl::Status FinishSending(int fd, absl::Duration timeout, const Target& target);

// The API's framing as AppendFrame takes it.
Framing ToFraming(v1::Framing framing);

}  // namespace center::cli
