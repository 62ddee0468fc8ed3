#include "tests/integration/producer.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "services/common/net_address.h"
#include "tests/integration/process.h"

namespace center::itest {

Producer::Producer(uint16_t port) {
  auto fd = ConnectTcp("127.0.0.1", port);
  if (!fd.ok()) {
    ADD_FAILURE() << "connect: " << fd.status();
    return;
  }
  fd_ = std::move(*fd);
  sockaddr_storage local{};
  socklen_t size = sizeof(local);
  if (getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&local), &size) == 0) {
    name_ = SockaddrToString(local);
  }
}

bool Producer::Send(absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

size_t Producer::TrySend(absl::string_view bytes) {
  const ssize_t sent = send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  return sent < 0 ? 0 : static_cast<size_t>(sent);
}

void Producer::Finish() { shutdown(fd_.get(), SHUT_WR); }

void Producer::Reset() {
  const linger hard = {.l_onoff = 1, .l_linger = 0};
  EXPECT_EQ(setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &hard, sizeof(hard)), 0);
  fd_.Reset();
}

bool Producer::ReadSome() {
  char buffer[4096];
  const ssize_t got = recv(fd_.get(), buffer, sizeof(buffer), MSG_DONTWAIT);
  if (got > 0) received_.append(buffer, static_cast<size_t>(got));
  return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}

bool Producer::WaitClosed(absl::Duration timeout) {
  return WaitFor([this] { return !ReadSome(); }, timeout);
}

bool Producer::WaitReceived(size_t bytes, absl::Duration timeout) {
  WaitFor([&] { return received_.size() >= bytes || !ReadSome(); }, timeout);
  return received_.size() >= bytes;
}

std::string LengthFrame(absl::string_view payload) {
  const auto size = static_cast<uint32_t>(payload.size());
  const char header[] = {static_cast<char>(size >> 24), static_cast<char>(size >> 16),
                         static_cast<char>(size >> 8), static_cast<char>(size)};
  return absl::StrCat(absl::string_view(header, sizeof(header)), payload);
}

std::string OctetFrame(absl::string_view payload) {
  return absl::StrCat(payload.size(), " ", payload);
}

}  // namespace center::itest
