// A program at a terminal, and the person in front of it: a pseudo-terminal whose screen can be
// looked at and on whose keyboard a test types.
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "services/common/fd.h"
#include "tests/integration/process.h"
#include "tests/support/screen.h"

namespace center::itest {

// Keys as a terminal sends them.
inline constexpr char kCtrlC[] = "\x03";
inline constexpr char kCtrlD[] = "\x04";
inline constexpr char kTab[] = "\t";
inline constexpr char kEnter[] = "\r";
inline constexpr char kUp[] = "\x1b[A";

// One process in a session of its own. Destroyed: killed and reaped.
class TerminalProcess {
 public:
  struct Options {
    std::string program;
    std::vector<std::string> args;
    std::vector<std::string> env;  // KEY=VALUE, on top of ours and of TERM=xterm-256color
    size_t columns = 80;
    size_t rows = 24;
  };
  // Fails the test when it cannot be started.
  explicit TerminalProcess(const Options& options);
  ~TerminalProcess();
  TerminalProcess(const TerminalProcess&) = delete;
  TerminalProcess& operator=(const TerminalProcess&) = delete;

  pid_t pid() const { return pid_; }
  void Type(absl::string_view keys);
  // What the window does when it is dragged: the program gets SIGWINCH.
  void Resize(size_t columns, size_t rows);
  void Signal(int signal) const;

  // True as soon as `condition` is, which is asked again whenever the program has written
  // something; false after `timeout` (times Slowness()).
  bool WaitUntil(const std::function<bool()>& condition,
                 absl::Duration timeout = absl::Seconds(20));
  // Until the text is on the screen, or has scrolled out of it. Fails the test, and shows the
  // screen, when it does not come.
  void See(absl::string_view text, absl::Duration timeout = absl::Seconds(20));
  const testing_support::Screen& screen() const { return screen_; }
  // Everything that was written, byte for byte.
  const std::string& bytes() const { return bytes_; }
  // How many reads it took: at least the number of writes that a slow reader would see.
  size_t reads() const { return reads_; }

  // The wait status once it has ended; nullopt when it runs still after `timeout`.
  absl::optional<int> Wait(absl::Duration timeout = absl::Seconds(20));
  // The terminal's settings are those with which the program was started.
  bool SettingsRestored() const;
  // The terminal shows what is typed, because nobody has told it not to.
  bool Echoes() const;

 private:
  // Reads what is there.
  void Pump();

  testing_support::Screen screen_;
  ScopedFd master_;
  pid_t pid_ = -1;
  absl::optional<int> status_;
  std::string bytes_;
  std::string settings_;  // of the terminal at the start
  size_t reads_ = 0;
};

}  // namespace center::itest
