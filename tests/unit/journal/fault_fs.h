// A file system in memory that forgets, fills up, fails and crashes when told to.
//
// It keeps two versions of everything: what programs see, and what is on the medium. File content
// reaches the medium by File::Sync, names by SyncDirectory. Restart brings back what a crash
// leaves.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/optional.h"
#include "services/worker/journal/fs.h"

namespace center::journal {

enum class Op { kCreate, kWrite, kSync, kTruncate, kRename, kRemove, kSyncDirectory };

enum class Crash {
  kProcess,         // the kernel lives on: everything that was written is there
  kPowerLoss,       // everything that was not synced is gone
  kPowerLossMixed,  // of what was not synced, some blocks are there, some zero, some cut off
};

class FaultFs final : public FileSystem {
 public:
  // FileSystem.
  absl::Status CreateDirectories(const std::string& path) override;
  absl::StatusOr<std::vector<std::string>> List(const std::string& directory) const override;
  absl::StatusOr<std::unique_ptr<File>> Create(const std::string& path) override;
  absl::StatusOr<std::unique_ptr<File>> OpenForWrite(const std::string& path) override;
  absl::StatusOr<std::unique_ptr<File>> OpenForRead(const std::string& path) const override;
  absl::Status Rename(const std::string& from, const std::string& to) override;
  absl::Status Remove(const std::string& path) override;
  absl::Status SyncDirectory(const std::string& directory) override;
  absl::StatusOr<uint64_t> FreeBytes(const std::string& directory) const override;
  absl::StatusOr<std::unique_ptr<FileLock>> Lock(const std::string& path) override;

  // Changing operations so far.
  uint64_t ops() const;
  // The operation with this number (from 0), and all after it, do not happen. With `torn`, it does
  // happen by half if it is a write.
  void CrashAtOp(uint64_t op, bool torn);
  bool crashed() const;
  // What an operation answers instead of happening; Ok: it happens. Called with the path.
  void SetFault(std::function<absl::Status(Op, absl::string_view path)> fault);
  // Counts operations of a kind.
  uint64_t CountOf(Op op) const;
  void SetCapacity(uint64_t bytes);
  void SetWriteMax(size_t bytes);  // a WriteAt writes no more than this
  void SetLyingSync(bool lying);   // Sync says Ok and does nothing
  // File::Sync waits while this holds; the rest goes on.
  void HoldSyncs(bool hold);
  int syncs_held() const;  // how many wait
  // What File::ReadAt answers instead of reading; Ok: it reads.
  void SetReadStatus(absl::Status status);

  // The machine or process comes back. REQUIRES: nothing uses the files any more.
  void Restart(Crash crash, uint32_t seed = 0);

  std::string Content(const std::string& path) const;
  void SetContent(const std::string& path, std::string content);  // on the medium, too
  std::vector<std::string> Paths() const;

 private:
  friend class FaultFile;
  friend class FaultLock;
  struct Inode {
    std::string data;
    std::string synced;
  };
  using Names = std::map<std::string, std::shared_ptr<Inode>>;

  // Ok when the operation may happen. `*torn` (may be null): by half.
  absl::Status Begin(Op op, absl::string_view path, bool* torn)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  uint64_t UsedBytes() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<size_t> Write(Inode& inode, absl::string_view path, uint64_t position,
                               absl::Span<const iovec> parts);

  mutable absl::Mutex mutex_;
  Names live_ ABSL_GUARDED_BY(mutex_);
  Names durable_ ABSL_GUARDED_BY(mutex_);
  std::set<std::string> locked_ ABSL_GUARDED_BY(mutex_);
  uint64_t ops_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<Op, uint64_t> counts_ ABSL_GUARDED_BY(mutex_);
  absl::optional<uint64_t> crash_at_ ABSL_GUARDED_BY(mutex_);
  bool torn_ ABSL_GUARDED_BY(mutex_) = false;
  bool crashed_ ABSL_GUARDED_BY(mutex_) = false;
  std::function<absl::Status(Op, absl::string_view)> fault_ ABSL_GUARDED_BY(mutex_);
  uint64_t capacity_ ABSL_GUARDED_BY(mutex_) = uint64_t{1} << 40;
  size_t write_max_ ABSL_GUARDED_BY(mutex_) = ~size_t{0};
  bool lying_sync_ ABSL_GUARDED_BY(mutex_) = false;
  bool hold_syncs_ ABSL_GUARDED_BY(mutex_) = false;
  int syncs_held_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Status read_status_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace center::journal
