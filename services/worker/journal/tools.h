// What `centerctl journal verify|dump|repair DIR` does: looking at a journal's folder without the
// worker that writes it. Verify and Dump change nothing and take no lock, so they also work beside
// a running worker, of which they see what was written when they came by.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "services/worker/journal/fs.h"

namespace center::journal {

// A place where bytes are not what the journal wrote.
struct Damage {
  enum class Kind {
    kIncompleteTail,  // the last segment ends inside a record: what a crash leaves, harmless
    kPayload,         // a record whose payload checksum is wrong
    kHeader,          // bytes that are no record
    kMissing,         // no bytes for these offsets: never synced before a power loss, or repaired
  };
  Kind kind = Kind::kHeader;
  std::string segment;       // file name
  uint64_t position = 0;     // first bad byte in the file
  uint64_t bytes = 0;        // how many
  uint64_t from_offset = 0;  // the payloads that are lost: [from_offset, to_offset)
  uint64_t to_offset = 0;
  std::string detail;  // for people
};

struct VerifyReport {
  uint64_t segments = 0;
  uint64_t records = 0;   // intact
  uint64_t payloads = 0;  // in intact records
  uint64_t bytes = 0;     // of the segment files
  uint64_t first_offset = 0;
  uint64_t end_offset = 0;
  std::vector<Damage> damages;
  uint64_t lost_payloads = 0;  // at most, in all damages
  uint64_t corrupt_files = 0;  // copies of earlier damage in the folder
  // Whether Repair has nothing to do but cut off an incomplete tail, which opening the journal does
  // too. Missing records are a loss, but there are no bytes to repair.
  bool ok() const;
};

// Reads every byte of the journal. NotFound when `dir` is none.
absl::StatusOr<VerifyReport> Verify(const std::string& dir, FileSystem& fs = PosixFileSystem());

struct DumpRecord {
  std::string segment;  // file name
  uint64_t position = 0;
  uint64_t base_offset = 0;
  uint32_t count = 0;
  int64_t time_ns = 0;
  absl::string_view bytes;  // a serialised PayloadBatch, until the callback returns
};

// Calls on_record for each intact record that ends after `from`, in order, until it returns false;
// on_damage (may be null) for what is damaged in between.
absl::Status Dump(const std::string& dir, uint64_t from,
                  const std::function<bool(const DumpRecord&)>& on_record,
                  const std::function<void(const Damage&)>& on_damage = nullptr,
                  FileSystem& fs = PosixFileSystem());

struct RepairReport {
  VerifyReport before;
  uint64_t rewritten_segments = 0;         // now without their damaged bytes
  uint64_t truncated_bytes = 0;            // of an incomplete tail
  std::vector<std::string> corrupt_files;  // names of the copies of what was taken out
};

// Copies damaged bytes aside (`<segment>.<position>.corrupt`) and takes them out of their segments,
// each of which is replaced atomically; cuts off an incomplete tail. Readers then see the same gaps
// without meeting damage. FailedPrecondition when a worker has the journal open.
absl::StatusOr<RepairReport> Repair(const std::string& dir, FileSystem& fs = PosixFileSystem());

}  // namespace center::journal
