#include "tests/unit/journal/fault_fs.h"

#include <algorithm>
#include <cstring>
#include <random>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "services/common/fd.h"
#include "services/common/status_macros.h"

namespace center::journal {
namespace {

constexpr size_t kBlockBytes = 64;

}  // namespace

class FaultFile final : public File {
 public:
  FaultFile(FaultFs* fs, std::string path, std::shared_ptr<FaultFs::Inode> inode)
      : fs_(fs), path_(std::move(path)), inode_(std::move(inode)) {}

  absl::StatusOr<size_t> ReadAt(uint64_t position, char* out, size_t size) const override {
    absl::MutexLock lock(&fs_->mutex_);
    RETURN_IF_ERROR(fs_->read_status_);
    if (position >= inode_->data.size()) return 0;
    const size_t n = std::min<uint64_t>(size, inode_->data.size() - position);
    std::memcpy(out, inode_->data.data() + position, n);
    return n;
  }
  absl::StatusOr<size_t> WriteAt(uint64_t position, absl::Span<const iovec> parts) override {
    return fs_->Write(*inode_, path_, position, parts);
  }
  absl::Status Sync() override {
    absl::MutexLock lock(&fs_->mutex_);
    auto released = [this]()
                        ABSL_EXCLUSIVE_LOCKS_REQUIRED(fs_->mutex_) { return !fs_->hold_syncs_; };
    ++fs_->syncs_held_;
    fs_->mutex_.Await(absl::Condition(&released));
    --fs_->syncs_held_;
    RETURN_IF_ERROR(fs_->Begin(Op::kSync, path_, nullptr));
    if (!fs_->lying_sync_) inode_->synced = inode_->data;
    return absl::OkStatus();
  }
  absl::Status Truncate(uint64_t size) override {
    absl::MutexLock lock(&fs_->mutex_);
    RETURN_IF_ERROR(fs_->Begin(Op::kTruncate, path_, nullptr));
    inode_->data.resize(size);
    return absl::OkStatus();
  }
  absl::StatusOr<uint64_t> Size() const override {
    absl::MutexLock lock(&fs_->mutex_);
    return inode_->data.size();
  }

 private:
  FaultFs* const fs_;
  const std::string path_;
  const std::shared_ptr<FaultFs::Inode> inode_;
};

class FaultLock final : public FileLock {
 public:
  FaultLock(FaultFs* fs, std::string path) : fs_(fs), path_(std::move(path)) {}
  ~FaultLock() override {
    absl::MutexLock lock(&fs_->mutex_);
    fs_->locked_.erase(path_);
  }

 private:
  FaultFs* const fs_;
  const std::string path_;
};

absl::Status FaultFs::Begin(Op op, absl::string_view path, bool* torn) {
  if (crashed_) return absl::UnavailableError("crashed");
  if (crash_at_ && ops_ >= *crash_at_) {
    crashed_ = true;
    if (!torn_ || torn == nullptr) return absl::UnavailableError("crashed");
    *torn = true;
  }
  ++ops_;
  ++counts_[op];
  if (fault_) return fault_(op, path);
  return absl::OkStatus();
}

uint64_t FaultFs::UsedBytes() const {
  uint64_t used = 0;
  for (const auto& [path, inode] : live_) used += inode->data.size();
  return used;
}

absl::StatusOr<size_t> FaultFs::Write(Inode& inode, absl::string_view path, uint64_t position,
                                      absl::Span<const iovec> parts) {
  absl::MutexLock lock(&mutex_);
  bool torn = false;
  RETURN_IF_ERROR(Begin(Op::kWrite, path, &torn));
  std::string bytes;
  for (const iovec& part : parts) bytes.append(static_cast<char*>(part.iov_base), part.iov_len);
  if (torn) bytes.resize(bytes.size() / 2);
  if (bytes.size() > write_max_) bytes.resize(write_max_);
  const uint64_t end = position + bytes.size();
  const uint64_t grows = end > inode.data.size() ? end - inode.data.size() : 0;
  const uint64_t used = UsedBytes();
  const uint64_t room = capacity_ > used ? capacity_ - used : 0;
  if (grows > room) bytes.resize(bytes.size() - std::min<uint64_t>(bytes.size(), grows - room));
  if (grows > room && bytes.empty()) return ErrnoStatus(ENOSPC, absl::StrCat("write ", path));
  if (inode.data.size() < position + bytes.size()) inode.data.resize(position + bytes.size());
  inode.data.replace(position, bytes.size(), bytes);
  if (torn) return absl::UnavailableError("crashed");
  return bytes.size();
}

absl::Status FaultFs::CreateDirectories(const std::string&) { return absl::OkStatus(); }

absl::StatusOr<std::vector<std::string>> FaultFs::List(const std::string& directory) const {
  absl::MutexLock lock(&mutex_);
  std::vector<std::string> names;
  for (const auto& [path, inode] : live_) {
    if (absl::StartsWith(path, directory + "/")) names.push_back(path.substr(directory.size() + 1));
  }
  return names;
}

absl::StatusOr<std::unique_ptr<File>> FaultFs::Create(const std::string& path) {
  absl::MutexLock lock(&mutex_);
  RETURN_IF_ERROR(Begin(Op::kCreate, path, nullptr));
  if (live_.count(path) > 0) return absl::AlreadyExistsError(path);
  if (UsedBytes() >= capacity_) return ErrnoStatus(ENOSPC, absl::StrCat("open ", path));
  auto inode = std::make_shared<Inode>();
  live_[path] = inode;
  return std::make_unique<FaultFile>(this, path, std::move(inode));
}

absl::StatusOr<std::unique_ptr<File>> FaultFs::OpenForWrite(const std::string& path) {
  return OpenForRead(path);
}

absl::StatusOr<std::unique_ptr<File>> FaultFs::OpenForRead(const std::string& path) const {
  absl::MutexLock lock(&mutex_);
  const auto found = live_.find(path);
  if (found == live_.end()) return absl::NotFoundError(path);
  return std::make_unique<FaultFile>(const_cast<FaultFs*>(this), path, found->second);
}

absl::Status FaultFs::Rename(const std::string& from, const std::string& to) {
  absl::MutexLock lock(&mutex_);
  RETURN_IF_ERROR(Begin(Op::kRename, from, nullptr));
  const auto found = live_.find(from);
  if (found == live_.end()) return absl::NotFoundError(from);
  live_[to] = found->second;
  live_.erase(from);
  return absl::OkStatus();
}

absl::Status FaultFs::Remove(const std::string& path) {
  absl::MutexLock lock(&mutex_);
  if (live_.count(path) == 0) return absl::NotFoundError(path);
  RETURN_IF_ERROR(Begin(Op::kRemove, path, nullptr));
  live_.erase(path);
  return absl::OkStatus();
}

absl::Status FaultFs::SyncDirectory(const std::string& directory) {
  absl::MutexLock lock(&mutex_);
  RETURN_IF_ERROR(Begin(Op::kSyncDirectory, directory, nullptr));
  durable_ = live_;
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> FaultFs::FreeBytes(const std::string&) const {
  absl::MutexLock lock(&mutex_);
  const uint64_t used = UsedBytes();
  return capacity_ > used ? capacity_ - used : 0;
}

absl::StatusOr<std::unique_ptr<FileLock>> FaultFs::Lock(const std::string& path) {
  absl::MutexLock lock(&mutex_);
  if (!locked_.insert(path).second) return absl::FailedPreconditionError(path + " is locked");
  return std::make_unique<FaultLock>(this, path);
}

uint64_t FaultFs::ops() const {
  absl::MutexLock lock(&mutex_);
  return ops_;
}

void FaultFs::CrashAtOp(uint64_t op, bool torn) {
  absl::MutexLock lock(&mutex_);
  crash_at_ = op;
  torn_ = torn;
}

bool FaultFs::crashed() const {
  absl::MutexLock lock(&mutex_);
  return crashed_;
}

void FaultFs::SetFault(std::function<absl::Status(Op, absl::string_view)> fault) {
  absl::MutexLock lock(&mutex_);
  fault_ = std::move(fault);
}

uint64_t FaultFs::CountOf(Op op) const {
  absl::MutexLock lock(&mutex_);
  const auto found = counts_.find(op);
  return found == counts_.end() ? 0 : found->second;
}

void FaultFs::SetCapacity(uint64_t bytes) {
  absl::MutexLock lock(&mutex_);
  capacity_ = bytes;
}

void FaultFs::HoldSyncs(bool hold) {
  absl::MutexLock lock(&mutex_);
  hold_syncs_ = hold;
}

int FaultFs::syncs_held() const {
  absl::MutexLock lock(&mutex_);
  return syncs_held_;
}

void FaultFs::SetReadStatus(absl::Status status) {
  absl::MutexLock lock(&mutex_);
  read_status_ = std::move(status);
}

void FaultFs::SetWriteMax(size_t bytes) {
  absl::MutexLock lock(&mutex_);
  write_max_ = bytes;
}

void FaultFs::SetLyingSync(bool lying) {
  absl::MutexLock lock(&mutex_);
  lying_sync_ = lying;
}

void FaultFs::Restart(Crash crash, uint32_t seed) {
  absl::MutexLock lock(&mutex_);
  crashed_ = false;
  crash_at_.reset();
  ops_ = 0;
  locked_.clear();
  std::mt19937 random(seed);
  if (crash != Crash::kProcess) live_ = durable_;
  for (auto& [path, inode] : live_) {
    if (crash == Crash::kProcess) continue;
    std::string found = inode->synced;
    if (crash == Crash::kPowerLossMixed && inode->data.size() > found.size()) {
      const size_t size = found.size() + random() % (inode->data.size() - found.size() + 1);
      for (size_t at = found.size(); at < size;) {
        const size_t n = std::min(kBlockBytes, size - at);
        if (random() % 2 == 0) {
          found.append(inode->data, at, n);
        } else {
          found.append(n, '\0');
        }
        at += n;
      }
    }
    inode->data = found;
    inode->synced = found;
  }
}

std::string FaultFs::Content(const std::string& path) const {
  absl::MutexLock lock(&mutex_);
  const auto found = live_.find(path);
  return found == live_.end() ? "" : found->second->data;
}

void FaultFs::SetContent(const std::string& path, std::string content) {
  absl::MutexLock lock(&mutex_);
  auto inode = std::make_shared<Inode>(Inode{content, content});
  live_[path] = inode;
  durable_[path] = inode;
}

std::vector<std::string> FaultFs::Paths() const {
  absl::MutexLock lock(&mutex_);
  std::vector<std::string> paths;
  for (const auto& [path, inode] : live_) paths.push_back(path);
  return paths;
}

}  // namespace center::journal
