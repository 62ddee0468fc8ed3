#include "cli/cursor.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "cli/output.h"
#include "cli/writer.h"
#include "google/protobuf/util/json_util.h"
#include "services/common/fd.h"
#include "services/common/status_macros.h"

namespace center::cli {

uint64_t CursorTracker::Next(absl::string_view worker) const {
  const auto found = cursor_.next_offsets().find(std::string(worker));
  return found == cursor_.next_offsets().end() ? 0 : found->second;
}

void CursorTracker::Advance(absl::string_view worker, uint64_t next_offset) {
  uint64_t& next = (*cursor_.mutable_next_offsets())[std::string(worker)];
  if (next_offset > next) next = next_offset;
}

void CursorTracker::Pass(const StreamMessage& message) {
  if (message.gap.has_value()) Advance(message.gap->worker(), message.gap->to_offset());
  if (message.progress.has_value()) {
    Advance(message.progress->worker(), message.progress->next_offset());
  }
}

absl::StatusOr<v1::Cursor> LoadCursor(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string json, ReadSmallFile(path));
  v1::Cursor cursor;
  const auto status = google::protobuf::util::JsonStringToMessage(json, &cursor);
  if (!status.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, " holds no cursor: ", status.message().ToString()));
  }
  return cursor;
}

absl::Status SaveCursor(const std::string& path, const v1::Cursor& cursor) {
  ASSIGN_OR_RETURN(const std::string json, ToJson(cursor, JsonLayout::kOneLine));
  const std::string next = absl::StrCat(path, ".new");
  ScopedFd fd(::open(next.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!fd.valid()) return ErrnoStatus(errno, absl::StrCat("write ", next));
  Writer writer(fd.get());
  writer.Append(json);
  RETURN_IF_ERROR(writer.Flush());
  if (::fdatasync(fd.get()) != 0) return ErrnoStatus(errno, absl::StrCat("sync ", next));
  RETURN_IF_ERROR(fd.Close(next));
  if (::rename(next.c_str(), path.c_str()) != 0) {
    return ErrnoStatus(errno, absl::StrCat("replace ", path));
  }
  return absl::OkStatus();
}

}  // namespace center::cli
