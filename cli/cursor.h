// How far a reader is, in memory and in a file.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "center/v1/payload.pb.h"
#include "cli/payload_stream.h"

namespace center::cli {

// The next offset of each worker that was heard of. One thread.
class CursorTracker {
 public:
  // Offsets before this one were processed already; 0 for a worker not heard of.
  uint64_t Next(absl::string_view worker) const;
  // Moves a worker's next offset on; never back.
  void Advance(absl::string_view worker, uint64_t next_offset);
  // Takes over what gap and progress of a message say. REQUIRES: its batches are processed.
  void Pass(const StreamMessage& message);

  void Set(v1::Cursor cursor) { cursor_ = std::move(cursor); }
  bool empty() const { return cursor_.next_offsets().empty(); }
  const v1::Cursor& cursor() const { return cursor_; }

 private:
  v1::Cursor cursor_;
};

// Proto3 JSON of a Cursor: {"nextOffsets": {"default/0": "42"}}. NotFound when there is no file.
absl::StatusOr<v1::Cursor> LoadCursor(const std::string& path);
// Replaces the file in one step, so that it is never half-written.
absl::Status SaveCursor(const std::string& path, const v1::Cursor& cursor);

}  // namespace center::cli
