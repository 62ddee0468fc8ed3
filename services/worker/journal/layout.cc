#include "services/worker/journal/layout.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "services/common/crc32c.h"
#include "services/common/status_macros.h"

namespace center::journal {
namespace {

constexpr size_t kNameDigits = 20;  // of 2^64 - 1
constexpr size_t kLowBytesMax = 128;

std::string EncodeLow(uint64_t offset) {
  const std::string text = absl::StrCat("center-journal-low 1 ", offset);
  return absl::StrFormat("%s %08x\n", text, Crc32c(text));
}

}  // namespace

std::string SegmentName(uint64_t base_offset) { return absl::StrFormat("%020u.seg", base_offset); }

absl::optional<uint64_t> ParseSegmentName(absl::string_view name) {
  uint64_t base = 0;
  if (!absl::ConsumeSuffix(&name, kSegmentSuffix) || name.size() != kNameDigits ||
      name.find_first_not_of("0123456789") != absl::string_view::npos ||
      !absl::SimpleAtoi(name, &base)) {
    return absl::nullopt;
  }
  return base;
}

std::string JoinPath(absl::string_view directory, absl::string_view name) {
  return absl::StrCat(directory, "/", name);
}

absl::StatusOr<Layout> ReadLayout(const FileSystem& fs, const std::string& directory) {
  ASSIGN_OR_RETURN(const std::vector<std::string> names, fs.List(directory));
  Layout layout;
  for (const std::string& name : names) {
    if (const auto base = ParseSegmentName(name)) {
      layout.segments.push_back({*base, name});
    } else if (absl::EndsWith(name, kCorruptSuffix)) {
      layout.corrupt.push_back(name);
    } else if (absl::EndsWith(name, kTemporarySuffix)) {
      layout.temporary.push_back(name);
    } else if (name == kLowName) {
      layout.has_low = true;
    }
  }
  std::sort(layout.segments.begin(), layout.segments.end(),
            [](const auto& a, const auto& b) { return a.base_offset < b.base_offset; });
  std::sort(layout.corrupt.begin(), layout.corrupt.end());
  return layout;
}

absl::StatusOr<uint64_t> ReadLowOffset(const FileSystem& fs, const std::string& directory) {
  auto file = fs.OpenForRead(JoinPath(directory, kLowName));
  if (absl::IsNotFound(file.status())) return 0;
  if (!file.ok()) return file.status();
  char buffer[kLowBytesMax];
  ASSIGN_OR_RETURN(const size_t size, (*file)->ReadAt(0, buffer, sizeof buffer));
  const absl::string_view text(buffer, size);
  const std::vector<absl::string_view> words = absl::StrSplit(text, ' ');
  uint64_t offset = 0;
  if (words.size() != 4 || !absl::SimpleAtoi(words[2], &offset) || EncodeLow(offset) != text) {
    return absl::DataLossError(absl::StrCat(JoinPath(directory, kLowName), " is damaged"));
  }
  return offset;
}

absl::Status WriteLowOffset(FileSystem& fs, const std::string& directory, uint64_t offset) {
  return ReplaceFile(fs, directory, kLowName, EncodeLow(offset));
}

absl::Status ReplaceFile(FileSystem& fs, const std::string& directory, absl::string_view name,
                         absl::string_view content) {
  const std::string path = JoinPath(directory, name);
  const std::string temporary = absl::StrCat(path, kTemporarySuffix);
  absl::Status removed = fs.Remove(temporary);
  if (!removed.ok() && !absl::IsNotFound(removed)) return removed;
  {
    ASSIGN_OR_RETURN(const auto file, fs.Create(temporary));
    RETURN_IF_ERROR(WriteFully(*file, 0, content));
    RETURN_IF_ERROR(file->Sync());
  }
  RETURN_IF_ERROR(fs.Rename(temporary, path));
  return fs.SyncDirectory(directory);
}

absl::Status WriteFully(File& file, uint64_t position, absl::string_view content) {
  while (!content.empty()) {
    const iovec part = {const_cast<char*>(content.data()), content.size()};
    ASSIGN_OR_RETURN(const size_t written, file.WriteAt(position, {&part, 1}));
    if (written == 0) return absl::ResourceExhaustedError("the file system wrote nothing");
    content.remove_prefix(written);
    position += written;
  }
  return absl::OkStatus();
}

}  // namespace center::journal
