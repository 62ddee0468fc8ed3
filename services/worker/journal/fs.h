// The file system as the journal needs it, and nothing more: a seam for tests that lose what was
// not synced, fail the n-th operation or fill the disk.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace center::journal {

// One open file. Reads and syncs may come from several threads at once; writes and truncations
// from one at a time. Destroying it closes it; an unlinked file stays readable until then.
class File {
 public:
  virtual ~File() = default;
  // Reads `size` bytes at `position`; fewer only at the end of the file.
  virtual absl::StatusOr<size_t> ReadAt(uint64_t position, char* out, size_t size) const = 0;
  // One pwritev. Returns how much was written, which may be less than asked (a full disk, a
  // signal). REQUIRES: 1 to IOV_MAX parts, not all empty.
  virtual absl::StatusOr<size_t> WriteAt(uint64_t position, absl::Span<const iovec> parts) = 0;
  // fdatasync: what was written so far, and the file's size, survive a power loss.
  virtual absl::Status Sync() = 0;
  virtual absl::Status Truncate(uint64_t size) = 0;
  virtual absl::StatusOr<uint64_t> Size() const = 0;
};

// Held while it lives; the kernel drops it when the process dies.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

// Thread-safe. Paths are used as they are.
class FileSystem {
 public:
  virtual ~FileSystem() = default;
  virtual absl::Status CreateDirectories(const std::string& path) = 0;
  // Names (not paths) in a directory, in no order. NotFound when there is no such directory.
  virtual absl::StatusOr<std::vector<std::string>> List(const std::string& directory) const = 0;
  // A new, empty file. AlreadyExists when there is one.
  virtual absl::StatusOr<std::unique_ptr<File>> Create(const std::string& path) = 0;
  // An existing file, for reading and writing. NotFound.
  virtual absl::StatusOr<std::unique_ptr<File>> OpenForWrite(const std::string& path) = 0;
  // An existing file, for reading only. NotFound.
  virtual absl::StatusOr<std::unique_ptr<File>> OpenForRead(const std::string& path) const = 0;
  // Replaces `to` atomically.
  virtual absl::Status Rename(const std::string& from, const std::string& to) = 0;
  virtual absl::Status Remove(const std::string& path) = 0;
  // Makes creations, renames and removals in `directory` survive a power loss.
  virtual absl::Status SyncDirectory(const std::string& directory) = 0;
  // What an unprivileged writer could still write to the file system that holds `directory`.
  virtual absl::StatusOr<uint64_t> FreeBytes(const std::string& directory) const = 0;
  // An exclusive lock by means of the file `path`. FailedPrecondition, naming the holder, when
  // another process has it.
  virtual absl::StatusOr<std::unique_ptr<FileLock>> Lock(const std::string& path) = 0;
};

// What Lock says when another process has the lock, and nothing else says.
bool IsLockedElsewhere(const absl::Status& status);

// The machine's file system. Lives for the whole process.
FileSystem& PosixFileSystem();

}  // namespace center::journal
