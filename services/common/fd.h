// File descriptors with an owner, and the few system calls that every process of Center shares,
// with errors as absl::Status that name the call and its object.
#pragma once

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace center {

// Owns one file descriptor; move-only; closes it when destroyed.
class ScopedFd {
 public:
  ScopedFd() = default;
  explicit ScopedFd(int fd) : fd_(fd) {}
  ScopedFd(ScopedFd&& other) noexcept : fd_(other.Release()) {}
  ScopedFd& operator=(ScopedFd&& other) noexcept {
    if (this != &other) Reset(other.Release());
    return *this;
  }
  ~ScopedFd() { Reset(); }

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  int Release() { return std::exchange(fd_, -1); }
  void Reset(int fd = -1);
  // Closes and reports what close(2) said: for files whose last write may fail there (NFS, quotas).
  absl::Status Close(absl::string_view what);

 private:
  int fd_ = -1;
};

// The status for `errno_value` after a failed call: "open /a/b: No such file or directory". Maps
// the errno to the canonical code (ENOENT -> NotFound, ENOSPC -> ResourceExhausted, EADDRINUSE ->
// AlreadyExists …).
absl::Status ErrnoStatus(int errno_value, absl::string_view what);

// Creates `path` and its parents, mode 0700. Ok when it exists already as a directory.
absl::Status MakeDirectories(const std::string& path);

// The whole of a small file. Errors: NotFound; ResourceExhausted when it is longer than
// `max_bytes`.
absl::StatusOr<std::string> ReadSmallFile(const std::string& path, size_t max_bytes = 1 << 20);

// Sets RLIMIT_NOFILE's soft limit to its hard limit and returns it: every Center process serves
// many sockets.
size_t RaiseDescriptorLimit();

}  // namespace center
