#include "services/common/signal_pipe.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <type_traits>
#include <utility>

#include "absl/strings/str_cat.h"

namespace center {
namespace {

// Where the handler writes; -1: nowhere.
std::atomic<int> handler_fd{-1};

static_assert(std::is_trivially_copyable_v<SignalPipe::Arrival>);

void OnSignal(int signal, siginfo_t* info, void* /*context*/) {
  const int saved_errno = errno;
  const SignalPipe::Arrival arrival{.signal = signal, .sender = SenderOf(*info)};
  // Shorter than PIPE_BUF: all of it or nothing. A full pipe has thousands of signals unread, and
  // one more would say nothing new.
  [[maybe_unused]] const ssize_t written =
      ::write(handler_fd.load(std::memory_order_relaxed), &arrival, sizeof arrival);
  errno = saved_errno;
}

void SetDefault(int signal) {
  struct sigaction action{};
  action.sa_handler = SIG_DFL;
  ::sigaction(signal, &action, nullptr);
}

}  // namespace

SignalPipe::SignalPipe(ScopedFd read_end, ScopedFd write_end)
    : read_end_(std::move(read_end)), write_end_(std::move(write_end)) {}

absl::StatusOr<std::unique_ptr<SignalPipe>> SignalPipe::Open(const std::vector<int>& signals) {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC | O_NONBLOCK) != 0) return ErrnoStatus(errno, "pipe2");
  ScopedFd read_end(fds[0]);
  ScopedFd write_end(fds[1]);
  int none = -1;
  if (!handler_fd.compare_exchange_strong(none, write_end.get())) {
    return absl::FailedPreconditionError("this process handles its signals elsewhere already");
  }
  // Not make_unique: the constructor is private. From here on the destructor undoes everything.
  std::unique_ptr<SignalPipe> pipe(new SignalPipe(std::move(read_end), std::move(write_end)));
  for (const int signal : signals) {
    struct sigaction action{};
    action.sa_sigaction = OnSignal;
    action.sa_flags = SA_SIGINFO | SA_RESTART;
    ::sigfillset(&action.sa_mask);
    if (::sigaction(signal, &action, nullptr) != 0) {
      return ErrnoStatus(errno, absl::StrCat("handle signal ", signal));
    }
    pipe->signals_.push_back(signal);
  }
  return pipe;
}

SignalPipe::~SignalPipe() {
  for (const int signal : signals_) SetDefault(signal);
  handler_fd.store(-1);
}

absl::optional<SignalPipe::Arrival> SignalPipe::Read() {
  Arrival arrival;
  const ssize_t size = ::read(read_end_.get(), &arrival, sizeof arrival);
  if (size != static_cast<ssize_t>(sizeof arrival)) return absl::nullopt;
  return arrival;
}

}  // namespace center
