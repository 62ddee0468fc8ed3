// Reading the journal, in order, from any offset, beside its writer.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "services/worker/journal/fs.h"

namespace center::journal {

class Segment;
class SegmentSet;

// Bytes on the heap, not initialised. Whoever holds the shared_ptr may write to them: a relay
// frames a record in place.
class Buffer {
 public:
  explicit Buffer(size_t size) : data_(new char[size]), size_(size) {}
  char* data() { return data_.get(); }
  const char* data() const { return data_.get(); }
  size_t size() const { return size_; }

 private:
  std::unique_ptr<char[]> data_;
  size_t size_;
};

// One record inside a Buffer.
struct RecordView {
  uint64_t base_offset = 0;  // of its first payload
  uint32_t count = 0;        // payloads in it
  int64_t time_ns = 0;       // when they were received
  absl::string_view bytes;   // what was appended: head and body
  size_t slack_before = 0;   // bytes of the Buffer directly before `bytes` that are free to
                             // overwrite: the record's header, so 48
};

// Offsets that cannot be read, now or ever.
struct Gap {
  enum class Reason { kRetention, kCorruption };
  uint64_t from = 0;  // first missing offset
  uint64_t to = 0;    // the one after the last missing offset
  Reason reason = Reason::kRetention;
  std::string detail;  // for people
};

// One reader's position. Made by Journal::NewReader on any thread, used by one thread at a time.
// It keeps its own file open, so it goes on across rotation and retention: a segment that is
// deleted under it is read to its end. It may outlive the Journal, and then sees no more records.
class Reader {
 public:
  struct Result {
    std::shared_ptr<Buffer> buffer;   // null when there are no records
    std::vector<RecordView> records;  // ascending, without a gap between them
    absl::optional<Gap> gap;          // never together with records
  };

  Reader(std::shared_ptr<SegmentSet> segments, FileSystem* fs, uint64_t offset);
  ~Reader();
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  // The next records, about `max_bytes` of them and at least one; or a gap, behind which the next
  // call goes on; or neither: everything visible has been read. A record that holds the start
  // offset in its middle is returned whole. Errors: the file cannot be read (EIO): the same call
  // may be repeated.
  absl::StatusOr<Result> Read(size_t max_bytes);

  // The offset that the next record or gap begins with.
  uint64_t next_offset() const { return next_; }

 private:
  enum class Step { kRecords, kGap, kAgain, kCaughtUp };

  absl::StatusOr<Step> OpenSegment(Result* result);
  void SkipToTarget(uint64_t segment_bytes);
  absl::StatusOr<Step> ReadRecords(size_t max_bytes, uint64_t visible_end, Result* result);
  Step ParseBuffer(size_t filled, uint64_t visible_end, size_t* wanted, Result* result);
  absl::StatusOr<Step> PassDamage(Result* result);
  Step ReportGap(uint64_t from, uint64_t to, Gap::Reason reason, std::string detail,
                 Result* result);

  const std::shared_ptr<SegmentSet> segments_;
  FileSystem* const fs_;
  uint64_t next_;          // the offset wanted next
  uint64_t expected_ = 0;  // the offset that a record at position_ should begin with
  uint64_t position_ = 0;  // in the open segment
  std::shared_ptr<Segment> segment_;
  std::shared_ptr<File> file_;
  int missing_file_retries_ = 0;
};

}  // namespace center::journal
