#include "services/common/fd.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "absl/strings/str_cat.h"

namespace center {

void ScopedFd::Reset(int fd) {
  if (fd_ >= 0) ::close(fd_);
  fd_ = fd;
}

absl::Status ScopedFd::Close(absl::string_view what) {
  if (fd_ < 0) return absl::OkStatus();
  const int fd = Release();
  // On Linux the descriptor is gone even after EINTR, so close is never repeated.
  if (::close(fd) != 0 && errno != EINTR) return ErrnoStatus(errno, absl::StrCat("close ", what));
  return absl::OkStatus();
}

absl::Status ErrnoStatus(int errno_value, absl::string_view what) {
  absl::StatusCode code = absl::ErrnoToStatusCode(errno_value);
  // Abseil maps these to codes that say less than they could to a user of Center, or the wrong
  // thing.
  if (errno_value == EADDRINUSE) code = absl::StatusCode::kAlreadyExists;
  if (errno_value == EADDRNOTAVAIL) code = absl::StatusCode::kUnavailable;
  if (errno_value == EDQUOT || errno_value == ENOSPC) code = absl::StatusCode::kResourceExhausted;
  return absl::Status(code, absl::StrCat(what, ": ", std::strerror(errno_value)));
}

absl::Status MakeDirectories(const std::string& path) {
  std::error_code error;
  std::filesystem::path current;
  for (const auto& part : std::filesystem::path(path)) {
    current /= part;
    if (current == "/" || current.empty()) continue;
    if (::mkdir(current.c_str(), 0700) == 0 || errno == EEXIST) continue;
    return ErrnoStatus(errno, absl::StrCat("mkdir ", current.string()));
  }
  if (!std::filesystem::is_directory(path, error)) {
    return absl::FailedPreconditionError(absl::StrCat(path, " exists and is not a directory"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> ReadSmallFile(const std::string& path, size_t max_bytes) {
  ScopedFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return ErrnoStatus(errno, absl::StrCat("open ", path));
  std::string content;
  char buffer[4096];
  for (;;) {
    const ssize_t n = ::read(fd.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoStatus(errno, absl::StrCat("read ", path));
    if (n == 0) return content;
    content.append(buffer, static_cast<size_t>(n));
    if (content.size() > max_bytes) {
      return absl::ResourceExhaustedError(
          absl::StrCat(path, " is longer than ", max_bytes, " bytes"));
    }
  }
}

size_t RaiseDescriptorLimit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  ::getrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

}  // namespace center
