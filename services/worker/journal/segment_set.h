// The journal's segments as its writer, its readers and its maintenance share them.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/optional.h"
#include "services/worker/journal/fs.h"
#include "services/worker/journal/journal.h"
#include "services/worker/journal/scanner.h"

namespace center::journal {

// One segment file. Thread-safe; grown by the writer, read by everyone.
class Segment {
 public:
  // What may be read: `bytes` of the file, all of them complete records, and the offset that they
  // end with. Once sealed, it does not change any more.
  struct Extent {
    uint64_t bytes = 0;
    uint64_t end_offset = 0;
    bool sealed = false;
  };
  struct Times {
    int64_t time_ns = 0;
    int64_t max_time_ns = 0;
  };
  struct Place {
    uint64_t position = 0;
    uint64_t offset = 0;  // of the record at `position`
  };

  Segment(std::string name, uint64_t base_offset, Extent extent)
      : name_(std::move(name)), base_offset_(base_offset), extent_(extent) {}

  const std::string& name() const { return name_; }
  uint64_t base_offset() const { return base_offset_; }

  Extent extent() const ABSL_LOCKS_EXCLUDED(mutex_);
  // Adds what was written behind extent().bytes.
  void Grow(uint64_t bytes, uint64_t end_offset) ABSL_LOCKS_EXCLUDED(mutex_);
  // Remembers where a record is, so that readers find it without scanning.
  void NotePlace(Place place) ABSL_LOCKS_EXCLUDED(mutex_);
  void Seal() ABSL_LOCKS_EXCLUDED(mutex_);

  // A place at or before `offset`: the last one that is known.
  Place Locate(uint64_t offset) const ABSL_LOCKS_EXCLUDED(mutex_);

  // The times in the first record's header; nullopt when there is none or it is damaged. Read from
  // the file once.
  absl::optional<Times> FirstTimes(const FileSystem& fs, const std::string& directory)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // When the last record was received, where this process has seen it.
  absl::optional<int64_t> LastTime() const ABSL_LOCKS_EXCLUDED(mutex_);
  // Notes the times of a record; the first call counts as the first record.
  void NoteTimes(Times times) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  const std::string name_;
  const uint64_t base_offset_;
  mutable absl::Mutex mutex_;
  Extent extent_ ABSL_GUARDED_BY(mutex_);
  std::vector<Place> places_ ABSL_GUARDED_BY(mutex_);  // ascending, kPlaceDistanceBytes apart
  absl::optional<Times> first_times_ ABSL_GUARDED_BY(mutex_);
  absl::optional<int64_t> last_time_ ABSL_GUARDED_BY(mutex_);
};

// Ordered segments, the offsets that others may ask for, and the reporting of damage. Thread-safe.
// Invariant: once recovered it holds at least one segment, and all but the last are sealed.
class SegmentSet {
 public:
  SegmentSet(FileSystem* fs, std::string directory,
             std::function<void(const JournalEvent&)> on_event)
      : fs_(fs), directory_(std::move(directory)), on_event_(std::move(on_event)) {}

  const std::string& directory() const { return directory_; }
  std::string PathOf(const Segment& segment) const;

  // At the end. REQUIRES: the one before is sealed.
  void Add(std::shared_ptr<Segment> segment) ABSL_LOCKS_EXCLUDED(mutex_);
  // Takes out the oldest `count`; the files are the caller's business.
  void DropOldest(size_t count) ABSL_LOCKS_EXCLUDED(mutex_);
  // The one that would hold `offset`; null when it is below all.
  std::shared_ptr<Segment> Find(uint64_t offset) const ABSL_LOCKS_EXCLUDED(mutex_);
  std::vector<std::shared_ptr<Segment>> All() const ABSL_LOCKS_EXCLUDED(mutex_);
  std::shared_ptr<Segment> Oldest() const ABSL_LOCKS_EXCLUDED(mutex_);
  size_t size() const ABSL_LOCKS_EXCLUDED(mutex_);

  uint64_t first_offset() const { return first_offset_.load(std::memory_order_acquire); }
  uint64_t visible_end() const { return visible_end_.load(std::memory_order_acquire); }
  uint64_t synced_end() const { return synced_end_.load(std::memory_order_acquire); }
  uint64_t disk_bytes() const { return disk_bytes_.load(std::memory_order_relaxed); }
  uint64_t corrupt_records() const { return corrupt_records_.load(std::memory_order_relaxed); }
  void set_first_offset(uint64_t offset) { first_offset_.store(offset, std::memory_order_release); }
  void set_visible_end(uint64_t offset) { visible_end_.store(offset, std::memory_order_release); }
  void set_synced_end(uint64_t offset) { synced_end_.store(offset, std::memory_order_release); }
  void AddDiskBytes(uint64_t bytes) { disk_bytes_.fetch_add(bytes, std::memory_order_relaxed); }
  void SubtractDiskBytes(uint64_t bytes) {
    disk_bytes_.fetch_sub(bytes, std::memory_order_relaxed);
  }

  // Tells the operator. Not to be called with a lock held that on_event could need.
  void Emit(const JournalEvent& event) ABSL_LOCKS_EXCLUDED(event_mutex_);
  // Keeps the damaged bytes aside, counts them and emits kCorruption: once for each place.
  // Returns what to say about it.
  std::string ReportDamage(const Segment& segment, const File& file, const Scanner::Item& item)
      ABSL_LOCKS_EXCLUDED(damage_mutex_, event_mutex_);

 private:
  FileSystem* const fs_;
  const std::string directory_;
  const std::function<void(const JournalEvent&)> on_event_;

  mutable absl::Mutex mutex_;
  std::deque<std::shared_ptr<Segment>> segments_ ABSL_GUARDED_BY(mutex_);

  absl::Mutex event_mutex_;

  absl::Mutex damage_mutex_ ABSL_ACQUIRED_BEFORE(event_mutex_);
  // (segment's base offset, position) of what was reported.
  std::set<std::pair<uint64_t, uint64_t>> reported_ ABSL_GUARDED_BY(damage_mutex_);

  std::atomic<uint64_t> first_offset_{0};
  std::atomic<uint64_t> visible_end_{0};
  std::atomic<uint64_t> synced_end_{0};
  std::atomic<uint64_t> disk_bytes_{0};
  std::atomic<uint64_t> corrupt_records_{0};
};

}  // namespace center::journal
