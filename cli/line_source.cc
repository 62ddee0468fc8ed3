#include "cli/line_source.h"

#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "services/common/fd.h"

namespace center::cli {

absl::StatusOr<bool> LineSource::Next(std::string* line) {
  line->clear();
  for (;;) {
    char c = 0;
    const ssize_t got = ::read(fd_, &c, 1);
    if (got < 0) {
      if (errno == EINTR) continue;
      return ErrnoStatus(errno, "reading commands");
    }
    if (got == 0) return !line->empty();
    if (c == '\n') return true;
    if (line->size() == kScriptLineBytesMax) {
      return absl::InvalidArgumentError(
          absl::StrCat("a line of the script is longer than ", kScriptLineBytesMax, " bytes"));
    }
    line->push_back(c);
  }
}

}  // namespace center::cli
