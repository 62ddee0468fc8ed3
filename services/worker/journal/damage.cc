#include "services/worker/journal/damage.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/common/status_macros.h"
#include "services/worker/journal/layout.h"

namespace center::journal {
namespace {

constexpr size_t kCopyBytes = 1 << 20;

absl::string_view What(Scanner::Kind kind) {
  switch (kind) {
    case Scanner::Kind::kPayloadDamage:
      return "wrong checksum";
    case Scanner::Kind::kHeaderDamage:
      return "no valid record";
    case Scanner::Kind::kMissing:
      return "records missing";
    case Scanner::Kind::kIncompleteTail:
      return "incomplete record";
    case Scanner::Kind::kRecord:
    case Scanner::Kind::kEnd:
      break;
  }
  return "intact";
}

// Whether the file `path` holds just these bytes.
absl::StatusOr<bool> IsCopy(const FileSystem& fs, const std::string& path, const File& file,
                            uint64_t position, uint64_t bytes) {
  ASSIGN_OR_RETURN(const auto copy, fs.OpenForRead(path));
  ASSIGN_OR_RETURN(const uint64_t size, copy->Size());
  if (size != bytes) return false;
  std::vector<char> want(std::min<uint64_t>(bytes, kCopyBytes));
  std::vector<char> have(want.size());
  for (uint64_t at = 0; at < bytes;) {
    ASSIGN_OR_RETURN(const size_t wanted, file.ReadAt(position + at, want.data(), want.size()));
    ASSIGN_OR_RETURN(const size_t n, copy->ReadAt(at, have.data(), have.size()));
    const size_t both = std::min<uint64_t>({wanted, n, bytes - at});
    if (both == 0 || !std::equal(have.begin(), have.begin() + both, want.begin())) return false;
    at += both;
  }
  return true;
}

absl::Status WriteCopy(FileSystem& fs, const std::string& path, const File& file, uint64_t position,
                       uint64_t bytes) {
  ASSIGN_OR_RETURN(const auto copy, fs.Create(path));
  RETURN_IF_ERROR(CopyRange(file, position, bytes, *copy, 0));
  return copy->Sync();
}

}  // namespace

std::string DescribeDamage(absl::string_view segment_name, const Scanner::Item& item) {
  return absl::StrCat(segment_name, ": ", What(item.kind), " at byte ", item.position, " (",
                      item.bytes, " bytes)");
}

absl::StatusOr<std::string> KeepAside(FileSystem& fs, const std::string& directory,
                                      absl::string_view segment_name, const File& file,
                                      uint64_t position, uint64_t bytes, size_t files_max) {
  ASSIGN_OR_RETURN(const Layout layout, ReadLayout(fs, directory));
  const std::string place = absl::StrCat(segment_name, ".", position);
  std::string name = absl::StrCat(place, kCorruptSuffix);
  for (int next = 2; std::count(layout.corrupt.begin(), layout.corrupt.end(), name) > 0; ++next) {
    ASSIGN_OR_RETURN(const bool same, IsCopy(fs, JoinPath(directory, name), file, position, bytes));
    if (same) return name;
    name = absl::StrCat(place, ".", next, kCorruptSuffix);
  }
  if (layout.corrupt.size() >= files_max) {
    return absl::ResourceExhaustedError(
        absl::StrCat("there are ", layout.corrupt.size(), " copies already"));
  }
  const std::string path = JoinPath(directory, name);
  const std::string temporary = absl::StrCat(path, kTemporarySuffix);
  absl::Status status = fs.Remove(temporary);
  if (!status.ok() && !absl::IsNotFound(status)) return status;
  status = WriteCopy(fs, temporary, file, position, bytes);
  if (!status.ok()) {
    // If this fails too, the next Open removes the file.
    static_cast<void>(fs.Remove(temporary).ok());
    return status;
  }
  RETURN_IF_ERROR(fs.Rename(temporary, path));
  RETURN_IF_ERROR(fs.SyncDirectory(directory));
  return name;
}

absl::Status CopyRange(const File& from, uint64_t position, uint64_t bytes, File& to,
                       uint64_t to_position) {
  std::vector<char> buffer(std::min<uint64_t>(bytes, kCopyBytes));
  while (bytes > 0) {
    ASSIGN_OR_RETURN(const size_t size, from.ReadAt(position, buffer.data(),
                                                    std::min<uint64_t>(bytes, buffer.size())));
    if (size == 0) break;
    RETURN_IF_ERROR(WriteFully(to, to_position, {buffer.data(), size}));
    position += size;
    to_position += size;
    bytes -= size;
  }
  return absl::OkStatus();
}

}  // namespace center::journal
