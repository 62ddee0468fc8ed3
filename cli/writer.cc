#include "cli/writer.h"

#include <unistd.h>

#include <cerrno>

#include "cli/errors.h"
#include "services/common/fd.h"

namespace center::cli {

void Writer::WriteOut() {
  absl::string_view rest = buffer_;
  while (!rest.empty() && status_.ok()) {
    const ssize_t written = ::write(fd_, rest.data(), rest.size());
    if (written >= 0) {
      rest.remove_prefix(static_cast<size_t>(written));
    } else if (errno == EPIPE) {
      status_ = QuietExit(kExitOk);
    } else if (errno != EINTR) {
      status_ = ErrnoStatus(errno, fd_ == STDOUT_FILENO ? "write to stdout" : "write");
    }
  }
  buffer_.clear();
}

absl::Status Writer::Flush() {
  if (!buffer_.empty()) WriteOut();
  return status_;
}

bool Writer::is_terminal() const { return ::isatty(fd_) == 1; }

}  // namespace center::cli
