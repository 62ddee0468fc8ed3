// Buffered output to a file descriptor, for data that may come by the gigabyte.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace center::cli {

// Collects what is appended and writes it in large pieces. The first failed write ends it: later
// output is dropped and every Flush says why. A reader that went away (EPIPE) is no failure of
// ours: its status carries exit code 0 and no message. One thread at a time.
class Writer {
 public:
  static constexpr size_t kBufferBytes = 256 << 10;

  explicit Writer(int fd) : fd_(fd) {}
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;
  // What was not flushed is written; an error goes unseen, so commands flush before they return.
  ~Writer() { (void)Flush(); }

  void Append(absl::string_view text) {
    if (buffer_.size() + text.size() > kBufferBytes) WriteOut();
    buffer_.append(text.data(), text.size());
  }
  // Writes everything now.
  [[nodiscard]] absl::Status Flush();
  // Ok until a write has failed.
  const absl::Status& status() const { return status_; }
  int fd() const { return fd_; }
  bool is_terminal() const;

 private:
  void WriteOut();

  const int fd_;
  std::string buffer_;
  absl::Status status_;
};

}  // namespace center::cli
