#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "services/common/fd.h"
#include "services/common/status_macros.h"
#include "services/worker/journal/fs.h"

namespace center::journal {
namespace {

constexpr absl::string_view kIsLocked = " is locked";

constexpr mode_t kFileMode = 0600;

class PosixFile final : public File {
 public:
  PosixFile(ScopedFd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

  absl::StatusOr<size_t> ReadAt(uint64_t position, char* out, size_t size) const override {
    size_t done = 0;
    while (done < size) {
      const ssize_t n =
          ::pread(fd_.get(), out + done, size - done, static_cast<off_t>(position + done));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return ErrnoStatus(errno, absl::StrCat("read ", path_));
      if (n == 0) break;
      done += static_cast<size_t>(n);
    }
    return done;
  }

  absl::StatusOr<size_t> WriteAt(uint64_t position, absl::Span<const iovec> parts) override {
    for (;;) {
      const ssize_t n = ::pwritev(fd_.get(), parts.data(), static_cast<int>(parts.size()),
                                  static_cast<off_t>(position));
      if (n >= 0) return static_cast<size_t>(n);
      if (errno != EINTR) return ErrnoStatus(errno, absl::StrCat("write ", path_));
    }
  }

  absl::Status Sync() override {
    // Not repeated after EINTR either: what an interrupted fdatasync has dropped is not knowable.
    if (::fdatasync(fd_.get()) != 0) {
      return ErrnoStatus(errno, absl::StrCat("fdatasync ", path_));
    }
    return absl::OkStatus();
  }

  absl::Status Truncate(uint64_t size) override {
    while (::ftruncate(fd_.get(), static_cast<off_t>(size)) != 0) {
      if (errno != EINTR) return ErrnoStatus(errno, absl::StrCat("truncate ", path_));
    }
    return absl::OkStatus();
  }

  absl::StatusOr<uint64_t> Size() const override {
    struct stat info{};
    if (::fstat(fd_.get(), &info) != 0) return ErrnoStatus(errno, absl::StrCat("stat ", path_));
    return static_cast<uint64_t>(info.st_size);
  }

 private:
  const ScopedFd fd_;
  const std::string path_;
};

class PosixLock final : public FileLock {
 public:
  explicit PosixLock(ScopedFd fd) : fd_(std::move(fd)) {}

 private:
  const ScopedFd fd_;
};

absl::StatusOr<std::unique_ptr<File>> OpenFile(const std::string& path, int flags) {
  ScopedFd fd(::open(path.c_str(), flags | O_CLOEXEC, kFileMode));
  if (!fd.valid()) return ErrnoStatus(errno, absl::StrCat("open ", path));
  return std::make_unique<PosixFile>(std::move(fd), path);
}

absl::Status SyncPath(const std::string& directory) {
  ScopedFd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid()) return ErrnoStatus(errno, absl::StrCat("open ", directory));
  if (::fsync(fd.get()) != 0) return ErrnoStatus(errno, absl::StrCat("fsync ", directory));
  return absl::OkStatus();
}

// The lock file holds its owner's process id, for the message that a second one prints.
absl::Status WriteOwner(int fd, const std::string& path) {
  const std::string text = absl::StrCat(::getpid(), "\n");
  if (::ftruncate(fd, 0) != 0 ||
      ::pwrite(fd, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) {
    // A full disk must not keep the journal from being read.
    if (errno == ENOSPC || errno == EDQUOT) return absl::OkStatus();
    return ErrnoStatus(errno, absl::StrCat("write ", path));
  }
  return absl::OkStatus();
}

class PosixFiles final : public FileSystem {
 public:
  absl::Status CreateDirectories(const std::string& path) override {
    std::filesystem::path current;
    for (const auto& part : std::filesystem::path(path)) {
      const std::filesystem::path parent = current.empty() ? "." : current;
      current /= part;
      if (current == "/" || part.empty()) continue;
      if (::mkdir(current.c_str(), 0700) == 0) {
        // A folder that a power loss takes away would take the records in it along.
        RETURN_IF_ERROR(SyncPath(parent.string()));
      } else if (errno != EEXIST) {
        return ErrnoStatus(errno, absl::StrCat("mkdir ", current.string()));
      }
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<std::string>> List(const std::string& directory) const override {
    DIR* dir = ::opendir(directory.c_str());
    if (dir == nullptr) return ErrnoStatus(errno, absl::StrCat("open ", directory));
    std::vector<std::string> names;
    for (;;) {
      errno = 0;
      const dirent* entry = ::readdir(dir);
      if (entry == nullptr) break;
      const std::string name = entry->d_name;
      if (name != "." && name != "..") names.push_back(name);
    }
    const int error = errno;
    ::closedir(dir);
    if (error != 0) return ErrnoStatus(error, absl::StrCat("list ", directory));
    return names;
  }

  absl::StatusOr<std::unique_ptr<File>> Create(const std::string& path) override {
    return OpenFile(path, O_RDWR | O_CREAT | O_EXCL);
  }
  absl::StatusOr<std::unique_ptr<File>> OpenForWrite(const std::string& path) override {
    return OpenFile(path, O_RDWR);
  }
  absl::StatusOr<std::unique_ptr<File>> OpenForRead(const std::string& path) const override {
    return OpenFile(path, O_RDONLY);
  }

  absl::Status Rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) == 0) return absl::OkStatus();
    return ErrnoStatus(errno, absl::StrCat("rename ", from, " to ", to));
  }

  absl::Status Remove(const std::string& path) override {
    if (::unlink(path.c_str()) == 0) return absl::OkStatus();
    return ErrnoStatus(errno, absl::StrCat("remove ", path));
  }

  absl::Status SyncDirectory(const std::string& directory) override { return SyncPath(directory); }

  absl::StatusOr<uint64_t> FreeBytes(const std::string& directory) const override {
    struct statvfs info{};
    if (::statvfs(directory.c_str(), &info) != 0) {
      return ErrnoStatus(errno, absl::StrCat("statvfs ", directory));
    }
    return static_cast<uint64_t>(info.f_bavail) * info.f_frsize;
  }

  absl::StatusOr<std::unique_ptr<FileLock>> Lock(const std::string& path) override {
    ScopedFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, kFileMode));
    if (!fd.valid()) return ErrnoStatus(errno, absl::StrCat("open ", path));
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno != EWOULDBLOCK) return ErrnoStatus(errno, absl::StrCat("flock ", path));
      char owner[32] = {};
      const ssize_t n = ::pread(fd.get(), owner, sizeof owner - 1, 0);
      const int pid = n > 0 ? std::atoi(owner) : 0;
      return absl::FailedPreconditionError(
          absl::StrCat("another process", pid > 0 ? absl::StrCat(" (pid ", pid, ")") : "",
                       " has this journal open: ", path, kIsLocked));
    }
    RETURN_IF_ERROR(WriteOwner(fd.get(), path));
    return std::make_unique<PosixLock>(std::move(fd));
  }
};

}  // namespace

bool IsLockedElsewhere(const absl::Status& status) {
  return absl::IsFailedPrecondition(status) && absl::EndsWith(status.message(), kIsLocked);
}

FileSystem& PosixFileSystem() {
  static PosixFiles files;
  return files;
}

}  // namespace center::journal
