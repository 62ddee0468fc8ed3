#include "cli/full_screen.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "services/common/status_macros.h"

namespace center::cli {
namespace {

// The second screen, no cursor, no wrapping of lines that are a column too long after a resize.
constexpr char kEnter[] = "\x1b[?1049h\x1b[?25l\x1b[?7l";
constexpr char kLeave[] = "\x1b[?7h\x1b[?25h\x1b[?1049l";
constexpr char kHomeAndErase[] = "\x1b[H\x1b[2J";

constexpr int kSignals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGTSTP};

sigset_t SignalSet() {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int signal : kSignals) ::sigaddset(&set, signal);
  return set;
}

}  // namespace

std::string Repaint(const std::vector<std::string>& shown, const std::vector<std::string>& wanted) {
  std::string bytes;
  for (size_t row = 0; row < std::max(shown.size(), wanted.size()); ++row) {
    const std::string line = row < wanted.size() ? wanted[row] : "";
    if ((row < shown.size() ? shown[row] : "") == line) continue;
    // Erased first: a terminal that is narrower by now must not lose the line's last character.
    absl::StrAppend(&bytes, "\x1b[", row + 1, ";1H\x1b[2K", line);
  }
  return bytes;
}

FullScreen::FullScreen(int in_fd, int out_fd, const termios& before)
    : in_fd_(in_fd), out_fd_(out_fd), before_(before) {}

absl::StatusOr<std::unique_ptr<FullScreen>> FullScreen::Open(int in_fd, int out_fd) {
  termios before{};
  if (::tcgetattr(in_fd, &before) != 0 || ::isatty(out_fd) == 0) {
    return absl::FailedPreconditionError("this is no terminal");
  }
  std::unique_ptr<FullScreen> screen(new FullScreen(in_fd, out_fd, before));
  const sigset_t set = SignalSet();
  if (const int error = ::pthread_sigmask(SIG_BLOCK, &set, &screen->mask_before_); error != 0) {
    return ErrnoStatus(error, "block signals");
  }
  screen->signals_.Reset(::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
  if (!screen->signals_.valid()) return ErrnoStatus(errno, "signalfd");
  RETURN_IF_ERROR(screen->Enter());
  return screen;
}

FullScreen::~FullScreen() {
  Leave();
  if (!signals_.valid()) return;
  // What came and was not looked at is dropped with it: it asked for the end, which this is.
  while (NextSignal() != Signal::kNone) {
  }
  ::pthread_sigmask(SIG_SETMASK, &mask_before_, nullptr);
}

absl::Status FullScreen::Enter() {
  termios raw = before_;
  // Ctrl-C and Ctrl-Z stay signals.
  raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
  raw.c_iflag &= ~static_cast<tcflag_t>(IXON | ICRNL);
  raw.c_cc[VMIN] = 0;
  raw.c_cc[VTIME] = 0;
  if (::tcsetattr(in_fd_, TCSADRAIN, &raw) != 0) return ErrnoStatus(errno, "set up the terminal");
  entered_ = true;
  shown_.clear();
  return Write(absl::StrCat(kEnter, kHomeAndErase));
}

void FullScreen::Leave() {
  if (!entered_) return;
  entered_ = false;
  // A terminal that is gone needs no tidying.
  static_cast<void>(Write(kLeave));
  ::tcsetattr(in_fd_, TCSADRAIN, &before_);
}

FullScreen::Size FullScreen::size() const {
  winsize size{};
  if (::ioctl(out_fd_, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) return {};
  return {size.ws_col, size.ws_row};
}

absl::Status FullScreen::Draw(std::vector<std::string> lines) {
  const size_t rows = size().rows;
  if (lines.size() > rows) lines.resize(rows);
  const std::string bytes = Repaint(shown_, lines);
  shown_ = std::move(lines);
  return bytes.empty() ? absl::OkStatus() : Write(bytes);
}

void FullScreen::Forget() {
  shown_.clear();
  static_cast<void>(Write(kHomeAndErase));  // the next Draw says what is wrong
}

FullScreen::Signal FullScreen::NextSignal() {
  signalfd_siginfo info{};
  if (::read(signals_.get(), &info, sizeof(info)) != sizeof(info)) return Signal::kNone;
  if (info.ssi_signo == SIGWINCH) return Signal::kResized;
  if (info.ssi_signo != SIGTSTP) return Signal::kEnd;
  if (!entered_) return Signal::kResized;
  Leave();
  ::raise(SIGSTOP);  // goes on here when the shell says so
  return Enter().ok() ? Signal::kResized : Signal::kEnd;
}

bool FullScreen::ReadKeys(std::string* bytes) {
  std::array<char, 256> buffer;
  const ssize_t got = ::read(in_fd_, buffer.data(), buffer.size());
  bytes->assign(buffer.data(), got > 0 ? static_cast<size_t>(got) : 0);
  if (got > 0 || (got < 0 && (errno == EINTR || errno == EAGAIN))) return true;
  // With VMIN 0 nothing to read and an end look the same; an end is also hung up.
  pollfd hangup{in_fd_, POLLIN, 0};
  return got == 0 && ::poll(&hangup, 1, 0) >= 0 && (hangup.revents & (POLLHUP | POLLERR)) == 0;
}

absl::Status FullScreen::Write(const std::string& bytes) const {
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t wrote = ::write(out_fd_, bytes.data() + done, bytes.size() - done);
    if (wrote > 0) {
      done += static_cast<size_t>(wrote);
    } else if (errno == EAGAIN) {
      pollfd writable{out_fd_, POLLOUT, 0};
      static_cast<void>(::poll(&writable, 1, -1));  // tried again whatever it says
    } else if (errno != EINTR) {
      return ErrnoStatus(errno, "write to the terminal");
    }
  }
  return absl::OkStatus();
}

}  // namespace center::cli
