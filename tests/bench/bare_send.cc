// Plain blocking senders, as yardsticks for center-client: one connection, one loop.
//
//   bare_send PORT BYTES COUNT copy     sends one buffer of lines again and again
//   bare_send PORT BYTES COUNT format   writes every line anew with its number, padded to BYTES
//
// Ends when the other side has read everything and closed.
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "services/common/fd.h"
#include "services/common/net_address.h"

namespace center {
namespace {

constexpr size_t kBurstBytes = 256 << 10;

bool SendAll(int fd, const char* data, size_t size) {
  while (size > 0) {
    const ssize_t n = ::send(fd, data, size, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    data += n;
    size -= static_cast<size_t>(n);
  }
  return true;
}

// As C programs do it.
size_t FormatLine(unsigned long long number, size_t bytes, char* out) {
  const int written = std::snprintf(out, bytes + 1, "STRING|%llu", number);
  const auto used = std::min(static_cast<size_t>(std::max(written, 0)), bytes);
  std::memset(out + used, ' ', bytes - used);
  out[bytes] = '\n';
  return bytes + 1;
}

int Run(uint16_t port, size_t bytes, unsigned long long count, bool format) {
  auto socket = ConnectTcp("127.0.0.1", port);
  if (!socket.ok()) {
    std::fprintf(stderr, "%s\n", socket.status().ToString().c_str());
    return 1;
  }
  const size_t lines = std::max<size_t>(kBurstBytes / (bytes + 1), 1);
  std::string burst(lines * (bytes + 1), ' ');
  for (size_t i = 0; i < lines; ++i) FormatLine(i, bytes, &burst[i * (bytes + 1)]);
  for (unsigned long long sent = 0; sent < count;) {
    const auto now = static_cast<size_t>(std::min<unsigned long long>(lines, count - sent));
    for (size_t i = 0; format && i < now; ++i) {
      FormatLine(sent + i + 1, bytes, &burst[i * (bytes + 1)]);
    }
    if (!SendAll(socket->get(), burst.data(), now * (bytes + 1))) {
      std::perror("send");
      return 1;
    }
    sent += now;
  }
  char byte = 0;
  ::shutdown(socket->get(), SHUT_WR);
  while (::read(socket->get(), &byte, 1) > 0) {
  }
  return 0;
}

}  // namespace
}  // namespace center

int main(int argc, char** argv) {
  const std::string how = argc == 5 ? argv[4] : "";
  if (how != "copy" && how != "format") {
    std::fprintf(stderr, "usage: bare_send PORT BYTES COUNT copy|format\n");
    return 2;
  }
  return center::Run(static_cast<uint16_t>(std::strtoul(argv[1], nullptr, 10)),
                     std::strtoul(argv[2], nullptr, 10), std::strtoull(argv[3], nullptr, 10),
                     how == "format");
}
