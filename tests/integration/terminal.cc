#include "tests/integration/terminal.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

extern char** environ;

namespace center::itest {
namespace {

// The settings that a program may change, in a form that can be compared.
std::string Settings(int fd) {
  termios settings{};
  if (tcgetattr(fd, &settings) != 0) return "";
  return absl::StrCat(settings.c_iflag, " ", settings.c_oflag, " ", settings.c_lflag);
}

// Each name once: programs differ in which of two they take.
std::vector<std::string> Environment(const std::vector<std::string>& added) {
  std::vector<std::string> env = added;
  env.emplace_back("TERM=xterm-256color");
  env.emplace_back("LC_ALL=C.UTF-8");
  const size_t ours = env.size();
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string variable(*entry);
    const std::string name = variable.substr(0, variable.find('=') + 1);
    bool left_out = name == "NO_COLOR=" || absl::StartsWith(name, "CENTER_");
    for (size_t i = 0; i < ours; ++i) left_out = left_out || absl::StartsWith(env[i], name);
    if (!left_out) env.push_back(variable);
  }
  return env;
}

std::vector<char*> Pointers(std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (std::string& text : strings) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

TerminalProcess::TerminalProcess(const Options& options) : screen_(options.columns, options.rows) {
  master_ = ScopedFd(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK));
  char slave[64] = "";
  if (!master_.valid() || grantpt(master_.get()) != 0 || unlockpt(master_.get()) != 0 ||
      ptsname_r(master_.get(), slave, sizeof slave) != 0) {
    ADD_FAILURE() << "no pseudo-terminal: " << strerror(errno);
    return;
  }
  Resize(options.columns, options.rows);
  settings_ = Settings(master_.get());

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  // The first terminal that the leader of a session opens is its own: Ctrl-C goes to it.
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
  posix_spawn_file_actions_addopen(&actions, 0, slave, O_RDWR, 0);
  posix_spawn_file_actions_adddup2(&actions, 0, 1);
  posix_spawn_file_actions_adddup2(&actions, 0, 2);
  posix_spawn_file_actions_addclosefrom_np(&actions, 3);
  std::vector<std::string> args = {options.program};
  args.insert(args.end(), options.args.begin(), options.args.end());
  std::vector<std::string> env = Environment(options.env);
  const int error = posix_spawnp(&pid_, options.program.c_str(), &actions, &attributes,
                                 Pointers(args).data(), Pointers(env).data());
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (error != 0) {
    pid_ = -1;
    ADD_FAILURE() << "cannot start " << options.program << ": " << strerror(error);
  }
}

TerminalProcess::~TerminalProcess() {
  if (testing::Test::HasFailure()) {
    std::cerr << "---- what was on the terminal\n" << screen_.Everything() << "----\n";
  }
  Signal(SIGKILL);
  Wait();
}

void TerminalProcess::Type(absl::string_view keys) {
  // A person types less than the terminal's buffer holds.
  if (write(master_.get(), keys.data(), keys.size()) != static_cast<ssize_t>(keys.size())) {
    ADD_FAILURE() << "cannot type: " << strerror(errno);
  }
}

void TerminalProcess::Resize(size_t columns, size_t rows) {
  winsize size{};
  size.ws_col = static_cast<unsigned short>(columns);
  size.ws_row = static_cast<unsigned short>(rows);
  if (ioctl(master_.get(), TIOCSWINSZ, &size) != 0) ADD_FAILURE() << strerror(errno);
  screen_.Resize(columns, rows);
}

void TerminalProcess::Signal(int signal) const {
  if (pid_ > 0 && !status_.has_value()) kill(pid_, signal);
}

void TerminalProcess::Pump() {
  char buffer[65536];
  ssize_t got = 0;
  // The end of a terminal that nobody has open any more reads as EIO.
  while ((got = read(master_.get(), buffer, sizeof buffer)) > 0) {
    ++reads_;
    const absl::string_view bytes(buffer, static_cast<size_t>(got));
    absl::StrAppend(&bytes_, bytes);
    screen_.Feed(bytes);
  }
}

bool TerminalProcess::WaitUntil(const std::function<bool()>& condition, absl::Duration timeout) {
  return WaitFor(
      [&] {
        Pump();
        return condition();
      },
      timeout);
}

void TerminalProcess::See(absl::string_view text, absl::Duration timeout) {
  const bool seen =
      WaitUntil([&] { return absl::StrContains(screen_.Everything(), text); }, timeout);
  EXPECT_TRUE(seen) << "never seen: " << text << "\nbut:\n" << screen_.Everything();
}

absl::optional<int> TerminalProcess::Wait(absl::Duration timeout) {
  if (pid_ <= 0) return absl::nullopt;
  WaitUntil(
      [this] {
        int status = 0;
        if (!status_.has_value() && waitpid(pid_, &status, WNOHANG) == pid_) status_ = status;
        return status_.has_value();
      },
      timeout);
  Pump();
  return status_;
}

bool TerminalProcess::Echoes() const {
  termios settings{};
  EXPECT_EQ(tcgetattr(master_.get(), &settings), 0) << strerror(errno);
  return (settings.c_lflag & ECHO) != 0;
}

bool TerminalProcess::SettingsRestored() const { return Settings(master_.get()) == settings_; }

}  // namespace center::itest
