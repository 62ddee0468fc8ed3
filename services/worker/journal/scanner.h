// Walking through the bytes of one segment, good and bad. Used by recovery, by readers that meet
// damage, and by the tools.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "services/worker/journal/fs.h"
#include "services/worker/journal/record.h"

namespace center::journal {

// A buffered view of a file that is read forward.
class FileWindow {
 public:
  // Reads at least `window_bytes` at a time.
  FileWindow(const File* file, size_t window_bytes) : file_(file), window_bytes_(window_bytes) {}

  // The bytes at `position`: at least `size` of them, all that are buffered; fewer only at the end
  // of the file. Valid until the next call.
  absl::StatusOr<absl::string_view> At(uint64_t position, size_t size);

 private:
  const File* const file_;
  const size_t window_bytes_;
  std::vector<char> buffer_;
  uint64_t begin_ = 0;  // where buffer_ begins in the file
  size_t filled_ = 0;
};

// Yields a segment's records, and what stands where records should be.
class Scanner {
 public:
  struct Range {
    uint64_t begin = 0;            // position of the first byte
    uint64_t end = 0;              // position after the last byte
    uint64_t expected_offset = 0;  // the base offset that a record at `begin` should have
    // Where the offsets of this range end; known for all but the last segment. With it, an
    // incomplete tail is damage, because something follows it.
    absl::optional<uint64_t> end_offset;
  };
  enum class Kind {
    kRecord,
    kPayloadDamage,   // intact header, wrong payload checksum
    kHeaderDamage,    // no header; skipped to the next one, or to the end
    kMissing,         // no bytes at all for these offsets
    kIncompleteTail,  // the bytes end inside a record (or are all zeros); `from` == `to`
    kEnd,
  };
  struct Item {
    Kind kind = Kind::kEnd;
    uint64_t position = 0;
    uint64_t bytes = 0;
    uint64_t from = 0;    // offsets of the record, or those that are lost. Without an end_offset,
    uint64_t to = 0;      // damage up to the end of the range has an upper bound here.
    RecordHeader header;  // kRecord
    absl::string_view payload;  // kRecord; until the next call
  };

  // REQUIRES: `file` outlives the scanner.
  Scanner(const File* file, const Range& range);

  // Errors: the file cannot be read; FailedPrecondition: records of a newer version.
  absl::StatusOr<Item> Next();

  // What the next item begins with.
  uint64_t expected_offset() const { return expected_; }

 private:
  Item Advance(Kind kind, uint64_t bytes, uint64_t to);
  Item Tail();
  absl::StatusOr<Item> Resync();
  absl::StatusOr<bool> OnlyZerosLeft();
  bool Plausible(const RecordHeader& header, uint64_t position) const;

  FileWindow window_;
  uint64_t position_;
  uint64_t end_;
  uint64_t expected_;
  const absl::optional<uint64_t> end_offset_;
};

}  // namespace center::journal
