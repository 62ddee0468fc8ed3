#include "cli/block_reader.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/string_view.h"
#include "services/common/fd.h"

namespace center::cli {

absl::StatusOr<uint64_t> BlockReader::Next(std::string* block) {
  absl::MutexLock lock(&mutex_);
  block->swap(rest_);
  rest_.clear();
  size_t complete = 0;  // bytes of *block that may be handed out
  while (!ended_ && complete == 0) {
    const size_t had = block->size();
    if (had > kLineBytesMax) {
      return absl::ResourceExhaustedError("a line is longer than 64 MiB: no server takes it");
    }
    block->resize(had + kBlockBytes);
    const ssize_t got = ::read(fd_, block->data() + had, kBlockBytes);
    block->resize(had + (got > 0 ? static_cast<size_t>(got) : 0));
    if (got < 0 && errno != EINTR) return ErrnoStatus(errno, "read the input");
    if (got == 0) {
      ended_ = true;
      if (lines_ && !block->empty()) *block += '\n';
    }
    if (got > 0 && !lines_) complete = block->size();
    if (got > 0 && lines_) {
      // What was there before holds none: looking again would make long lines quadratic.
      const size_t line_feed = absl::string_view(*block).substr(had).rfind('\n');
      complete = line_feed == absl::string_view::npos ? 0 : had + line_feed + 1;
    }
  }
  if (!ended_) {
    rest_.assign(*block, complete, std::string::npos);
    block->resize(complete);
  }
  if (!lines_) return 0;
  return static_cast<uint64_t>(std::count(block->begin(), block->end(), '\n'));
}

void BlockReader::Stop() {
  absl::MutexLock lock(&mutex_);
  ended_ = true;
  rest_.clear();
}

}  // namespace center::cli
