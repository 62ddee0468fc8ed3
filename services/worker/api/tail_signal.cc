#include "services/worker/api/tail_signal.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "services/common/log.h"

namespace center::worker {

absl::StatusOr<std::unique_ptr<TailSignal>> TailSignal::Create() {
  ScopedFd fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!fd.valid()) return ErrnoStatus(errno, "eventfd");
  return std::unique_ptr<TailSignal>(new TailSignal(std::move(fd)));
}

void TailSignal::Wake() {
  if (signalled_.exchange(true, std::memory_order_acq_rel)) return;
  const uint64_t one = 1;
  // It fails only when the counter is full, which one write for each read cannot do.
  if (::write(fd_.get(), &one, sizeof one) != sizeof one) {
    spdlog::warn("cannot wake the stream pump: {}", ErrnoStatus(errno, "write eventfd"));
  }
}

void TailSignal::Sleep(int timeout_ms) {
  pollfd wake{.fd = fd_.get(), .events = POLLIN, .revents = 0};
  if (::poll(&wake, 1, timeout_ms) <= 0) return;
  uint64_t count = 0;
  if (::read(fd_.get(), &count, sizeof count) != sizeof count) {
    spdlog::warn("stream pump: {}", ErrnoStatus(errno, "read eventfd"));
  }
  // Before the caller looks: what becomes visible from here on signals anew.
  signalled_.exchange(false, std::memory_order_acq_rel);
}

}  // namespace center::worker
