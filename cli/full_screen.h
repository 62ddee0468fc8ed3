// The whole terminal as a sheet that is drawn again and again, for views that live.
#pragma once

#include <signal.h>
#include <termios.h>

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/common/fd.h"

namespace center::cli {

// What turns a screen that shows `shown` into one that shows `wanted`, line by line from the top:
// only lines that differ are written. No line is wider than the screen.
std::string Repaint(const std::vector<std::string>& shown, const std::vector<std::string>& wanted);

// From Open to its end the terminal shows the second screen without a cursor, gives keys one by one
// and unechoed, and the signals that end, stop or resize come here. Afterwards the terminal is as
// it was. Main's thread only; open it before the first gRPC channel, so that gRPC's threads inherit
// the blocked signals.
class FullScreen {
 public:
  struct Size {
    size_t columns = 80;
    size_t rows = 24;
  };
  enum class Signal { kNone, kEnd, kResized };

  // FailedPrecondition unless both are terminals.
  static absl::StatusOr<std::unique_ptr<FullScreen>> Open(int in_fd, int out_fd);
  ~FullScreen();
  FullScreen(const FullScreen&) = delete;
  FullScreen& operator=(const FullScreen&) = delete;

  Size size() const;
  // Shows these lines and nothing else; as many as there are rows.
  absl::Status Draw(std::vector<std::string> lines);
  // The next Draw writes everything: something else may have written here.
  void Forget();
  // Readable when NextSignal has one.
  int signal_fd() const { return signals_.get(); }
  // Never waits. Ctrl-Z is dealt with here: the process stops, and draws everything afterwards.
  Signal NextSignal();
  // What was typed; empty: nothing now. False: the terminal is gone.
  bool ReadKeys(std::string* bytes);
  // The lines that were shown last.
  const std::vector<std::string>& shown() const { return shown_; }

 private:
  FullScreen(int in_fd, int out_fd, const termios& before);
  absl::Status Enter();
  void Leave();
  absl::Status Write(const std::string& bytes) const;

  const int in_fd_;
  const int out_fd_;
  const termios before_;
  sigset_t mask_before_{};
  ScopedFd signals_;
  bool entered_ = false;
  std::vector<std::string> shown_;
};

}  // namespace center::cli
