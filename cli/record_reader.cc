#include "cli/record_reader.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/status_macros.h"

namespace center::cli {

RecordReader::RecordReader(int fd, char delimiter, std::string what)
    : fd_(fd),
      delimiter_(delimiter),
      what_(std::move(what)),
      stop_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

void RecordReader::Stop() {
  const uint64_t one = 1;
  // An eventfd that could not be made was found by Fill.
  (void)!::write(stop_.get(), &one, sizeof one);
}

absl::Status RecordReader::Fill() {
  if (!stop_.valid()) return ErrnoStatus(EMFILE, "eventfd");
  pollfd fds[] = {{fd_, POLLIN, 0}, {stop_.get(), POLLIN, 0}};
  while (::poll(fds, 2, -1) < 0) {
    if (errno != EINTR) return ErrnoStatus(errno, absl::StrCat("wait for ", what_));
  }
  if (fds[1].revents != 0) {
    buffer_.clear();
    ended_ = true;
    return absl::OkStatus();
  }
  const size_t had = buffer_.size();
  buffer_.resize(had + kReadBytes);
  const ssize_t got = ::read(fd_, buffer_.data() + had, kReadBytes);
  buffer_.resize(had + (got > 0 ? static_cast<size_t>(got) : 0));
  if (got < 0 && errno != EINTR && errno != EAGAIN) {
    return ErrnoStatus(errno, absl::StrCat("read ", what_));
  }
  ended_ = got == 0;
  return absl::OkStatus();
}

absl::Status RecordReader::Take(v1::Records* records) {
  RecordPacker packer(records);
  absl::string_view rest = buffer_;
  while (!rest.empty()) {
    const size_t end = rest.find(delimiter_, std::exchange(searched_, 0));
    const absl::string_view record = rest.substr(0, end);
    if (record.size() > kRecordBytesMax) {
      return absl::ResourceExhaustedError(absl::StrCat("input ", records_, " of ", what_,
                                                       " (the first is 0) is longer than ",
                                                       kRecordBytesMax >> 20, " MiB"));
    }
    if (end == absl::string_view::npos && !ended_) {
      searched_ = rest.size();
      break;
    }
    if (packer.bytes() > 0 && packer.bytes() + record.size() > kPieceBytesMax) break;
    packer.Add(record);
    ++records_;
    rest.remove_prefix(std::min(rest.size(), record.size() + 1));
  }
  buffer_.erase(0, buffer_.size() - rest.size());
  return absl::OkStatus();
}

absl::StatusOr<bool> RecordReader::Next(v1::Records* records) {
  for (;;) {
    RETURN_IF_ERROR(Take(records));
    if (RecordCount(*records) > 0) return true;
    if (ended_) return false;
    RETURN_IF_ERROR(Fill());
  }
}

}  // namespace center::cli
