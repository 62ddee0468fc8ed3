// How jobs are kept: records in a table, and in files of their own those of larger jobs.
//
//     <data-dir>/jobs/jobs.db        every job and its end; the first results and inputs
//     <data-dir>/jobs/j7.job         further results, as they were finished
//     <data-dir>/jobs/j7.in.0        further inputs that the client sent, from index 0 on
//     <data-dir>/jobs/j7.in.51200    the next segment of them, from that index on
//
// Making a file costs more than running a small job: most jobs have none. The files are sequences
// of records: a header of 40 bytes, little-endian, and a body.
//
//     0  magic       "CJR1"
//     4  type        see RecordType
//     8  first       index of the first input
//     16 count       inputs
//     24 failed      inputs of these without a result
//     28 body_bytes
//     32 body_crc    CRC32C of the body
//     36 header_crc  CRC32C of the 36 bytes before
//
// Records are only appended, in one write(2) each, and never synced: they survive the death of any
// process, not the loss of power. A record that is not complete, or damaged, ends the file for the
// next reader, who cuts it off there. A segment of inputs goes when all of them are finished, all
// segments when the job has ended; the whole job when its time is over.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "services/common/fd.h"
#include "services/coordinator/jobs/record_block.h"

namespace center::jobs {

enum class RecordType : uint32_t {
  kJob = 1,       // body: the job, opaque here
  kResults = 2,   // body: the results of `count` inputs, opaque here
  kEnd = 3,       // body: how it ended, opaque here
  kInputs = 4,    // body: see EncodeBlock
  kComplete = 5,  // all inputs have arrived: `first` of them
  kCursor = 6,    // body: where the source of the inputs is after those before, opaque here
};

struct RecordHeader {
  static constexpr size_t kBytes = 40;
  static constexpr uint64_t kBodyBytesMax = 1u << 31;

  RecordType type = RecordType::kJob;
  uint64_t first = 0;
  uint64_t count = 0;
  uint32_t failed = 0;
  uint32_t body_bytes = 0;
  uint32_t body_crc = 0;
};

// REQUIRES: `bytes` has RecordHeader::kBytes. DataLoss when it is no header.
absl::StatusOr<RecordHeader> DecodeHeader(absl::string_view bytes);

// An open file to which records are appended.
class JobFile {
 public:
  // Opens or creates it; appending goes on at `size` (what stands behind is cut off).
  static absl::StatusOr<JobFile> Open(const std::string& path, uint64_t size);

  // Appends a record whose body is `body`, piece after piece. After an error the file is as before,
  // or refuses every further record.
  absl::Status Append(RecordHeader header, std::span<const absl::string_view> body);
  uint64_t size() const { return size_; }

 private:
  JobFile(ScopedFd fd, std::string path, uint64_t size)
      : fd_(std::move(fd)), path_(std::move(path)), size_(size) {}

  ScopedFd fd_;
  std::string path_;
  uint64_t size_;
  bool broken_ = false;
};

// A record of a file, and where it stands.
struct FoundRecord {
  RecordHeader header;
  uint64_t offset = 0;  // of the header
};

// The complete records of a file, headers only, and its size up to the end of the last of them. The
// last body is checked, as it alone can be incomplete. Errors: those of reading.
struct ScannedFile {
  std::vector<FoundRecord> records;
  uint64_t size = 0;
};
absl::StatusOr<ScannedFile> ScanJobFile(const std::string& path);

// A record's body. DataLoss when it is not there or damaged.
absl::StatusOr<std::string> ReadRecord(const std::string& path, uint64_t offset,
                                       RecordHeader* header);

// A block as the body of a kInputs record: the size of each record (uint32 uniform_size when all
// have the same and the body says so), then the data. `front` is what stands before the data.
std::string EncodeBlockFront(const RecordBlock& block);
absl::StatusOr<std::shared_ptr<const RecordBlock>> DecodeBlock(const RecordHeader& header,
                                                               std::string body);

}  // namespace center::jobs
