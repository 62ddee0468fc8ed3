// The least that an honest ingester can do, as a yardstick: a thread a connection that receives,
// looks for line feeds and writes. No batches, no checksums, no offsets, no readers.
//
//   bare_ingest DIR    prints the port that it listens on, then serves until it is killed; each
//                      connection's bytes go to DIR/<n>.
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "services/common/fd.h"
#include "services/common/net_address.h"

namespace center {
namespace {

constexpr size_t kReadBytes = 256 << 10;

bool WriteAll(int fd, const char* data, size_t size) {
  while (size > 0) {
    const ssize_t n = ::write(fd, data, size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    data += n;
    size -= static_cast<size_t>(n);
  }
  return true;
}

void Serve(const ScopedFd& connection, const ScopedFd& file) {
  std::vector<char> buffer(kReadBytes);
  uint64_t lines = 0;
  for (;;) {
    const ssize_t n = ::recv(connection.get(), buffer.data(), buffer.size(), 0);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    const char* const end = buffer.data() + n;
    const char* at = buffer.data();
    while (const void* found = std::memchr(at, '\n', static_cast<size_t>(end - at))) {
      ++lines;
      at = static_cast<const char*>(found) + 1;
    }
    if (!WriteAll(file.get(), buffer.data(), static_cast<size_t>(n))) {
      std::perror("write");
      return;
    }
  }
  // Printing the count keeps the compiler from dropping the search for it.
  std::fprintf(stderr, "%llu lines\n", static_cast<unsigned long long>(lines));
}

int Run(const std::string& folder) {
  auto listener = ListenTcp("127.0.0.1", 0, 1024);
  if (!listener.ok()) {
    std::fprintf(stderr, "%s\n", listener.status().ToString().c_str());
    return 1;
  }
  if (::fcntl(listener->get(), F_SETFL, 0) != 0) {
    std::perror("fcntl");
    return 1;
  }
  std::printf("%d\n", LocalPort(listener->get()).value_or(0));
  std::fflush(stdout);
  std::vector<std::jthread> threads;
  for (size_t i = 0;; ++i) {
    ScopedFd connection(::accept4(listener->get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!connection.valid()) continue;
    const std::string path = folder + "/" + std::to_string(i);
    ScopedFd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!file.valid()) {
      std::perror(path.c_str());
      return 1;
    }
    threads.emplace_back(
        [connection = std::move(connection), file = std::move(file)] { Serve(connection, file); });
  }
}

}  // namespace
}  // namespace center

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: bare_ingest DIR\n");
    return 2;
  }
  return center::Run(argv[1]);
}
