// A worker's journal: what it received, kept in order on disk, and readable while it is written.
//
// The journal stores opaque records (serialised PayloadBatches); each takes `count` consecutive
// offsets. Records live in segment files that are only ever appended to; FORMAT.md describes them
// byte by byte.
//
//   Append ──▶ pwritev ──▶ [kSynced: fdatasync by the maintenance thread] ──▶ visible, acknowledged
//
// Lifecycle: Open recovers, locks the folder and starts one maintenance thread (syncs, retention);
// the destructor stops it without syncing: call Flush first to drain. After a write or fdatasync
// has failed for another reason than a full disk, the journal is failed for good: every Append
// returns that error, what is stored stays readable, and the process is to end and open it anew.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "absl/types/span.h"
#include "services/common/clock.h"
#include "services/worker/journal/fs.h"
#include "services/worker/journal/reader.h"

namespace center::journal {

class Maintenance;
class Retention;
class SegmentSet;
class Writer;

enum class Durability {
  kWritten,  // visible after the write: survives any crash of the process
  kSynced,   // visible after fdatasync: survives a power loss
};

enum class Overflow {
  kBlock,       // Append refuses rather than delete what SetCommittedOffset protects
  kDropOldest,  // the oldest segment goes, committed or not
};

struct Options {
  std::string dir;
  uint64_t segment_bytes = 64 << 20;  // a segment is closed before it grows beyond this
  uint64_t retain_bytes = 1 << 30;    // 0: no limit by size
  absl::Duration retain_age = absl::ZeroDuration();  // 0: no limit by age
  Durability durability = Durability::kWritten;
  Overflow overflow = Overflow::kBlock;
  absl::Duration sync_interval = absl::Seconds(1);
  uint64_t min_free_bytes = 16 << 20;  // Append refuses when the file system has less than this
  // What SetCommittedOffset says until it is called: retention may run before the caller gets to
  // it.
  absl::optional<uint64_t> committed_offset;
};

// Something to tell the operator.
struct JournalEvent {
  enum class Type {
    kTailTruncated,  // recovery cut off an incomplete record: never acknowledged, or lost to a
                     // power failure before it was synced
    kCorruption,     // [from, to) is damaged; the bytes are kept aside
    kDropped,        // [from, to) was deleted although no subscription had committed it
    kBlocked,        // Append answers ResourceExhausted from now on
    kResumed,        // and no longer
    kFailed,         // the journal takes no more records in this process
  };
  Type type;
  uint64_t from = 0;
  uint64_t to = 0;
  std::string detail;  // for people, one line
};

struct Dependencies {
  FileSystem* fs = nullptr;
  Clock* clock = nullptr;
  // Called after visible_end has grown; cheap, on any thread, not while the journal holds a lock.
  std::function<void(uint64_t visible_end)> on_visible = nullptr;
  // Called on any thread, one call at a time; from Open already. Must not call the journal.
  std::function<void(const JournalEvent&)> on_event = nullptr;
};

// What Append stores: the bytes of `head` and `body` back to back, under the next `count` offsets.
// REQUIRES: 1 <= count <= bytes (a payload takes at least a byte of its batch); fewer than 2^32
// bytes.
struct Record {
  uint32_t count = 0;
  int64_t time_ns = 0;
  absl::string_view head;
  absl::string_view body;
};

// Rounds of fdatasync that had something to sync and succeeded, and what they took together.
struct SyncStats {
  uint64_t rounds = 0;
  absl::Duration time;
};

class Journal {
 public:
  // Opens the journal in options.dir, which is created when missing. Only the last segment is
  // read: an incomplete record at its end is cut off; a damaged one is copied aside, reported and
  // left behind. FailedPrecondition when another process has it open.
  static absl::StatusOr<std::unique_ptr<Journal>> Open(Options options, Dependencies dependencies);
  ~Journal();

  // The offset that the next record will begin with. Writer thread.
  uint64_t next_offset() const;
  // Stores the group with one pwritev (per 341 records), all or nothing. ResourceExhausted: the
  // disk or the journal is full, nothing was stored, and the same call may be repeated. Any other
  // error: nothing of the group is acknowledged and the journal has failed. InvalidArgument: a
  // record against its REQUIRES; nothing was stored. Writer thread.
  absl::Status Append(absl::Span<const Record> records);
  // Why Append would refuse now; "" when it would not. Any thread.
  std::string BlockedReason() const;
  // Everything below was committed by every durable subscription; nullopt: there is none, and
  // retention is free. Any thread.
  void SetCommittedOffset(absl::optional<uint64_t> offset);

  // Any thread.
  uint64_t first_offset() const;     // the oldest that is kept
  uint64_t visible_end() const;      // readers get everything below
  uint64_t synced_end() const;       // survives a power loss (since Open, grows from first_offset)
  uint64_t disk_bytes() const;       // of the segments
  uint64_t corrupt_records() const;  // damaged places found since Open
  SyncStats sync_stats() const;

  // The base offset of the first record received at or after that time; visible_end when there is
  // none. Any thread.
  absl::StatusOr<uint64_t> OffsetAtTime(int64_t time_ns) const;
  // A reader from `offset` (below first_offset: its first Read is a gap). Any thread.
  std::unique_ptr<Reader> NewReader(uint64_t offset) const;
  // Waits until everything appended so far is synced. Any thread.
  absl::Status Flush();

 private:
  Journal(Options options, Dependencies dependencies);
  absl::Status Start();

  const Options options_;
  const Dependencies dependencies_;
  std::unique_ptr<FileLock> lock_;
  std::shared_ptr<SegmentSet> segments_;
  std::unique_ptr<Retention> retention_;
  std::unique_ptr<Writer> writer_;
  std::unique_ptr<Maintenance> maintenance_;  // uses the above: destroyed first
};

}  // namespace center::journal
