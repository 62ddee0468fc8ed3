#include "services/common/notify.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "services/common/fd.h"

namespace center {
namespace {

// A status is one line of the message.
std::string OneLine(absl::string_view text) {
  std::string line(text);
  std::replace(line.begin(), line.end(), '\n', ' ');
  return line;
}

int64_t MonotonicUsec() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<int64_t>(now.tv_sec) * 1'000'000 + now.tv_nsec / 1'000;
}

}  // namespace

Notifier Notifier::FromEnvironment() {
  const char* address = ::getenv("NOTIFY_SOCKET");
  return address == nullptr ? Notifier() : Notifier(address);
}

absl::Status Notifier::Ready(absl::string_view status) const {
  return Send(absl::StrCat("READY=1\nMAINPID=", ::getpid(), "\nSTATUS=", OneLine(status)));
}

absl::Status Notifier::Status(absl::string_view status) const {
  return Send(absl::StrCat("STATUS=", OneLine(status)));
}

absl::Status Notifier::Reloading() const {
  return Send(absl::StrCat("RELOADING=1\nMONOTONIC_USEC=", MonotonicUsec()));
}

absl::Status Notifier::Stopping(absl::string_view status) const {
  return Send(absl::StrCat("STOPPING=1\nSTATUS=", OneLine(status)));
}

absl::Status Notifier::Watchdog() const { return Send("WATCHDOG=1"); }

absl::Status Notifier::Send(const std::string& text) const {
  if (!active()) return absl::OkStatus();
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const bool is_abstract = address_[0] == '@';
  if ((address_[0] != '/' && !is_abstract) || address_.size() >= sizeof address.sun_path) {
    return absl::InvalidArgumentError(
        absl::StrCat("NOTIFY_SOCKET=", address_, " is neither a path nor @name, or too long"));
  }
  std::memcpy(address.sun_path, address_.data(), address_.size());
  if (is_abstract) address.sun_path[0] = '\0';
  // An abstract name is as long as it is said to be: it has no end of its own.
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address_.size() +
                                             (is_abstract ? 0 : 1));
  const ScopedFd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return ErrnoStatus(errno, "socket");
  if (::sendto(fd.get(), text.data(), text.size(), MSG_NOSIGNAL,
               reinterpret_cast<const sockaddr*>(&address), length) < 0) {
    return ErrnoStatus(errno, absl::StrCat("notify ", address_));
  }
  return absl::OkStatus();
}

absl::optional<absl::Duration> WatchdogInterval() {
  const char* usec_text = ::getenv("WATCHDOG_USEC");
  int64_t usec = 0;
  if (usec_text == nullptr || !absl::SimpleAtoi(usec_text, &usec) || usec < 2) {
    return absl::nullopt;
  }
  const char* pid_text = ::getenv("WATCHDOG_PID");
  if (pid_text != nullptr && absl::StrCat(::getpid()) != pid_text) return absl::nullopt;
  return absl::Microseconds(usec) / 2;
}

}  // namespace center
