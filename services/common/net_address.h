// Addresses as users write them: "unix:/path", "host:port", "[::1]:7070".
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "services/common/fd.h"

namespace center {

struct NetAddress {
  bool is_unix = false;
  std::string path;  // is_unix
  std::string host;  // otherwise; a name or a literal without brackets
  uint16_t port = 0;

  // As gRPC and Center's messages write it.
  std::string ToString() const;
  // True for unix sockets, 127.0.0.0/8, ::1 and "localhost".
  bool IsLocal() const;
};

// InvalidArgument, naming the text, for anything else than unix:/path or host:port (port 0..65535).
absl::StatusOr<NetAddress> ParseNetAddress(absl::string_view text);

// "ip:port" ("[ip]:port" for IPv6; an IPv4-mapped address is shown as IPv4; "unix" for AF_UNIX).
std::string SockaddrToString(const sockaddr_storage& address);

// A TCP listening socket, non-blocking and CLOEXEC, bound to host:port (port 0: the kernel
// chooses). SO_REUSEADDR is on, SO_REUSEPORT is off: a second listener on the same port fails with
// AlreadyExists. Errors: AlreadyExists (port taken), PermissionDenied (port below 1024), NotFound
// (host does not resolve).
absl::StatusOr<ScopedFd> ListenTcp(const std::string& host, uint16_t port, int backlog);

// The port a bound socket has.
absl::StatusOr<uint16_t> LocalPort(int fd);

// A blocking TCP connection with TCP_NODELAY. Unavailable when nobody listens there.
absl::StatusOr<ScopedFd> ConnectTcp(const std::string& host, uint16_t port);

// $XDG_RUNTIME_DIR/center or /tmp/center-$UID: where the coordinator's socket is by default.
std::string DefaultRuntimeDir();

}  // namespace center
