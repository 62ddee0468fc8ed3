#include "services/common/signal_pipe.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "absl/strings/str_cat.h"

namespace center {
namespace {

// What the handler knows of a pipe.
struct Entry {
  std::atomic<int> fd{-1};           // the write end; -1: the place is free
  std::atomic<uint64_t> signals{0};  // a bit for each that is wanted
};
Entry entries[SignalPipe::kPipesMax];

uint64_t Bit(int signal) { return uint64_t{1} << (signal - 1); }

static_assert(std::is_trivially_copyable_v<SignalPipe::Arrival>);

void OnSignal(int signal, siginfo_t* info, void* /*context*/) {
  const int saved_errno = errno;
  const SignalPipe::Arrival arrival{.signal = signal, .sender = SenderOf(*info)};
  for (const Entry& entry : entries) {
    if ((entry.signals.load(std::memory_order_acquire) & Bit(signal)) == 0) continue;
    // Shorter than PIPE_BUF: all of it or nothing. A full pipe has thousands of signals unread, and
    // one more would say nothing new.
    [[maybe_unused]] const ssize_t written =
        ::write(entry.fd.load(std::memory_order_relaxed), &arrival, sizeof arrival);
  }
  errno = saved_errno;
}

bool IsWanted(int signal) {
  for (const Entry& entry : entries) {
    if ((entry.signals.load() & Bit(signal)) != 0) return true;
  }
  return false;
}

// A place in the table for a pipe; -1 when there is none.
int TakePlace(int fd) {
  for (int i = 0; i < SignalPipe::kPipesMax; ++i) {
    int free = -1;
    if (entries[i].fd.compare_exchange_strong(free, fd)) return i;
  }
  return -1;
}

}  // namespace

SignalPipe::SignalPipe(int place, ScopedFd read_end, ScopedFd write_end)
    : place_(place), read_end_(std::move(read_end)), write_end_(std::move(write_end)) {}

absl::StatusOr<std::unique_ptr<SignalPipe>> SignalPipe::Open(const std::vector<int>& signals) {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC | O_NONBLOCK) != 0) return ErrnoStatus(errno, "pipe2");
  ScopedFd read_end(fds[0]);
  ScopedFd write_end(fds[1]);
  const int place = TakePlace(write_end.get());
  if (place < 0) return absl::ResourceExhaustedError("too many wait for signals in this process");
  // Not make_unique: the constructor is private. From here on the destructor undoes everything.
  std::unique_ptr<SignalPipe> pipe(
      new SignalPipe(place, std::move(read_end), std::move(write_end)));
  for (const int signal : signals) {
    struct sigaction action{};
    action.sa_sigaction = OnSignal;
    action.sa_flags = SA_SIGINFO | SA_RESTART;
    ::sigfillset(&action.sa_mask);
    entries[place].signals.fetch_or(Bit(signal));
    if (::sigaction(signal, &action, nullptr) != 0) {
      const int error = errno;
      entries[place].signals.fetch_and(~Bit(signal));
      return ErrnoStatus(error, absl::StrCat("handle signal ", signal));
    }
  }
  return pipe;
}

SignalPipe::~SignalPipe() {
  const uint64_t mine = entries[place_].signals.exchange(0);
  for (int signal = 1; signal < NSIG && signal <= 64; ++signal) {
    if ((mine & Bit(signal)) == 0 || IsWanted(signal)) continue;
    struct sigaction action{};
    action.sa_handler = SIG_DFL;
    ::sigaction(signal, &action, nullptr);
  }
  entries[place_].fd.store(-1);
}

absl::optional<SignalPipe::Arrival> SignalPipe::Read() {
  Arrival arrival;
  const ssize_t size = ::read(read_end_.get(), &arrival, sizeof arrival);
  if (size != static_cast<ssize_t>(sizeof arrival)) return absl::nullopt;
  return arrival;
}

}  // namespace center
