#include "services/common/net_address.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "services/common/status_macros.h"

namespace center {
namespace {

using AddressList = std::unique_ptr<addrinfo, decltype(&freeaddrinfo)>;

absl::StatusOr<AddressList> Resolve(const std::string& host, uint16_t port, int flags) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV | flags;
  addrinfo* result = nullptr;
  const int error = ::getaddrinfo(host.empty() ? nullptr : host.c_str(),
                                  std::to_string(port).c_str(), &hints, &result);
  if (error != 0) {
    return absl::NotFoundError(
        absl::StrCat("cannot resolve host '", host, "': ", ::gai_strerror(error)));
  }
  return AddressList(result, &freeaddrinfo);
}

}  // namespace

std::string NetAddress::ToString() const {
  if (is_unix) return absl::StrCat("unix:", path);
  if (absl::StrContains(host, ':')) return absl::StrCat("[", host, "]:", port);
  return absl::StrCat(host, ":", port);
}

bool NetAddress::IsLocal() const {
  return is_unix || host == "localhost" || host == "::1" || absl::StartsWith(host, "127.");
}

absl::StatusOr<NetAddress> ParseNetAddress(absl::string_view text) {
  const auto bad = [&](absl::string_view why) {
    return absl::InvalidArgumentError(
        absl::StrCat("address '", text, "': ", why, "; write unix:/path or host:port"));
  };
  NetAddress address;
  if (absl::StartsWith(text, "unix:")) {
    address.is_unix = true;
    address.path = std::string(text.substr(5));
    if (address.path.empty()) return bad("the path is empty");
    // sockaddr_un::sun_path holds 108 bytes with the final NUL.
    if (address.path.size() > 107) return bad("the socket path is longer than 107 bytes");
    return address;
  }
  const size_t colon = text.rfind(':');
  if (colon == absl::string_view::npos) return bad("it has no port");
  absl::string_view host = text.substr(0, colon);
  uint32_t port = 0;
  if (!absl::SimpleAtoi(text.substr(colon + 1), &port) || port > 65535) {
    return bad("the port is not a number from 0 to 65535");
  }
  if (absl::StartsWith(host, "[") && absl::EndsWith(host, "]")) {
    host = host.substr(1, host.size() - 2);
  } else if (absl::StrContains(host, ':')) {
    return bad("an IPv6 address needs brackets");
  }
  if (host.empty()) return bad("the host is empty");
  address.host = std::string(host);
  address.port = static_cast<uint16_t>(port);
  return address;
}

std::string SockaddrToString(const sockaddr_storage& address) {
  char text[INET6_ADDRSTRLEN] = {};
  if (address.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    ::inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
    return absl::StrCat(text, ":", ntohs(v4.sin_port));
  }
  if (address.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
    if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
      ::inet_ntop(AF_INET, &v6.sin6_addr.s6_addr[12], text, sizeof text);
      return absl::StrCat(text, ":", ntohs(v6.sin6_port));
    }
    ::inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
    return absl::StrCat("[", text, "]:", ntohs(v6.sin6_port));
  }
  return "unix";
}

absl::StatusOr<ScopedFd> ListenTcp(const std::string& host, uint16_t port, int backlog) {
  ASSIGN_OR_RETURN(AddressList addresses, Resolve(host, port, AI_PASSIVE));
  const std::string where = NetAddress{.host = host, .port = port}.ToString();
  absl::Status last = absl::NotFoundError(absl::StrCat("no address for ", where));
  for (const addrinfo* a = addresses.get(); a != nullptr; a = a->ai_next) {
    ScopedFd fd(::socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd.valid()) {
      last = ErrnoStatus(errno, "socket");
      continue;
    }
    const int on = 1;
    if (::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0) {
      last = ErrnoStatus(errno, "setsockopt SO_REUSEADDR");
      continue;
    }
    if (::bind(fd.get(), a->ai_addr, a->ai_addrlen) != 0 || ::listen(fd.get(), backlog) != 0) {
      last = ErrnoStatus(errno, absl::StrCat("listen on ", where));
      continue;
    }
    return fd;
  }
  return last;
}

absl::StatusOr<uint16_t> LocalPort(int fd) {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    return ErrnoStatus(errno, "getsockname");
  }
  if (address.ss_family == AF_INET) {
    return ntohs(reinterpret_cast<const sockaddr_in&>(address).sin_port);
  }
  if (address.ss_family == AF_INET6) {
    return ntohs(reinterpret_cast<const sockaddr_in6&>(address).sin6_port);
  }
  return absl::FailedPreconditionError("getsockname: not a TCP socket");
}

absl::StatusOr<ScopedFd> ConnectTcp(const std::string& host, uint16_t port) {
  ASSIGN_OR_RETURN(AddressList addresses, Resolve(host, port, 0));
  const std::string where = NetAddress{.host = host, .port = port}.ToString();
  absl::Status last = absl::NotFoundError(absl::StrCat("no address for ", where));
  for (const addrinfo* a = addresses.get(); a != nullptr; a = a->ai_next) {
    ScopedFd fd(::socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, 0));
    if (!fd.valid()) {
      last = ErrnoStatus(errno, "socket");
      continue;
    }
    if (::connect(fd.get(), a->ai_addr, a->ai_addrlen) != 0) {
      last = absl::UnavailableError(absl::StrCat("connect to ", where, ": ", std::strerror(errno)));
      continue;
    }
    const int on = 1;
    // Only a latency hint: a socket without it still works.
    (void)::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
  }
  return last;
}

std::string DefaultRuntimeDir() {
  const char* xdg = std::getenv("XDG_RUNTIME_DIR");
  if (xdg != nullptr && xdg[0] == '/') return absl::StrCat(xdg, "/center");
  return absl::StrCat("/tmp/center-", ::getuid());
}

}  // namespace center
