// What lies in a journal's folder, and the one small file that says where it begins.
//
//   00000000000000000000.seg        a segment; the number is the offset of its first record
//   00000000000000000000.seg.4711.corrupt   bytes found damaged at that position, kept aside
//   low                             the first offset that is kept
//   lock                            locked by the process that has the journal open
//   owner                           the worker that writes it (worker/api/journal_owner.h)
//   *.tmp                           being written; left over after a crash, without meaning
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "services/worker/journal/fs.h"

namespace center::journal {

inline constexpr absl::string_view kSegmentSuffix = ".seg";
inline constexpr absl::string_view kCorruptSuffix = ".corrupt";
inline constexpr absl::string_view kTemporarySuffix = ".tmp";
inline constexpr absl::string_view kLowName = "low";
inline constexpr absl::string_view kLockName = "lock";

std::string SegmentName(uint64_t base_offset);
absl::optional<uint64_t> ParseSegmentName(absl::string_view name);
std::string JoinPath(absl::string_view directory, absl::string_view name);

struct Layout {
  struct SegmentFile {
    uint64_t base_offset = 0;
    std::string name;
  };
  std::vector<SegmentFile> segments;  // ascending
  std::vector<std::string> corrupt;   // names
  std::vector<std::string> temporary;
  bool has_low = false;
};

// NotFound when there is no such directory.
absl::StatusOr<Layout> ReadLayout(const FileSystem& fs, const std::string& directory);

// The stored low offset; 0 when there is none. DataLoss when the file says nothing intelligible:
// the first segment's name is then as good.
absl::StatusOr<uint64_t> ReadLowOffset(const FileSystem& fs, const std::string& directory);

// When this returns Ok, the low offset survives a power loss.
absl::Status WriteLowOffset(FileSystem& fs, const std::string& directory, uint64_t offset);

// Replaces `name` in `directory` by `parts`, in one step that survives a power loss once it has
// returned Ok.
absl::Status ReplaceFile(FileSystem& fs, const std::string& directory, absl::string_view name,
                         absl::string_view content);

// Writes all of `content` at `position`, however often the file system writes less than asked.
absl::Status WriteFully(File& file, uint64_t position, absl::string_view content);

// A full disk or quota, as opposed to a broken one.
inline bool IsFull(const absl::Status& status) { return absl::IsResourceExhausted(status); }

}  // namespace center::journal
