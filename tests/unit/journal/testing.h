// What the journal's tests share: records that say where they belong, and reading everything.
#pragma once

#include <poll.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "services/common/clock.h"
#include "services/worker/journal/journal.h"
#include "tests/unit/journal/fault_fs.h"

namespace center::journal {

inline constexpr char kDir[] = "/j";

class FakeClock final : public Clock {
 public:
  int64_t WallNanos() const override { return now_ns_.load(); }
  SteadyTime Steady() const override {
    return SteadyTime(std::chrono::nanoseconds(now_ns_.load()));
  }
  void Set(int64_t now_ns) { now_ns_.store(now_ns); }

 private:
  std::atomic<int64_t> now_ns_{1'000'000'000};
};

class EventLog {
 public:
  std::function<void(const JournalEvent&)> Sink() {
    return [this](const JournalEvent& event) {
      absl::MutexLock lock(&mutex_);
      events_.push_back(event);
    };
  }
  std::vector<JournalEvent> all() const {
    absl::MutexLock lock(&mutex_);
    return events_;
  }
  size_t Count(JournalEvent::Type type) const {
    absl::MutexLock lock(&mutex_);
    return static_cast<size_t>(std::count_if(events_.begin(), events_.end(),
                                             [&](const auto& e) { return e.type == type; }));
  }

 private:
  mutable absl::Mutex mutex_;
  std::vector<JournalEvent> events_ ABSL_GUARDED_BY(mutex_);
};

// The bytes of the record that begins at `base`: told apart from every other record's, and of
// different lengths.
inline std::string RecordBytes(uint64_t base, uint32_t count) {
  std::string bytes = absl::StrCat("<", base, "+", count, ">");
  for (uint64_t i = 0; i < base * 7 % 90 + count; ++i) {
    bytes.push_back(static_cast<char>('a' + (base + i) % 26));
  }
  return bytes;
}

inline int64_t RecordTime(uint64_t base) { return 1'000 + static_cast<int64_t>(base) * 10; }

// Appends one group of records with these counts to a Journal, or a Writer.
template <typename Appender>
absl::Status AppendGroup(Appender& journal, const std::vector<uint32_t>& counts) {
  std::vector<std::string> bytes;
  uint64_t base = journal.next_offset();
  for (const uint32_t count : counts) {
    bytes.push_back(RecordBytes(base, count));
    base += count;
  }
  std::vector<Record> records;
  base = journal.next_offset();
  for (size_t i = 0; i < counts.size(); ++i) {
    const absl::string_view all = bytes[i];
    records.push_back({counts[i], RecordTime(base), all.substr(0, 3), all.substr(3)});
    base += counts[i];
  }
  return journal.Append(records);
}

struct Contents {
  struct Item {
    uint64_t base = 0;
    uint32_t count = 0;
    int64_t time_ns = 0;
    std::string bytes;
  };
  std::vector<Item> records;
  std::vector<Gap> gaps;
  absl::Status status;
};

inline Contents ReadAll(const Journal& journal, uint64_t from, size_t max_bytes = 1 << 20) {
  Contents contents;
  const auto reader = journal.NewReader(from);
  for (;;) {
    auto result = reader->Read(max_bytes);
    if (!result.ok()) {
      contents.status = result.status();
      return contents;
    }
    if (result->gap) contents.gaps.push_back(*result->gap);
    for (const RecordView& r : result->records) {
      contents.records.push_back({r.base_offset, r.count, r.time_ns, std::string(r.bytes)});
    }
    if (!result->gap && result->records.empty()) return contents;
  }
}

// The conservation oracle: says what is wrong with a journal of RecordBytes records, "" when
// nothing is. Every offset in [must_from, must_to) is there, once, in order, as it was written;
// everything else that is there is as it was written, too, and what is not is covered by a gap.
inline std::string CheckConserved(const Journal& journal, uint64_t must_from, uint64_t must_to) {
  const uint64_t end = journal.visible_end();  // at least: its own thread may go on syncing
  if (end < must_to) {
    return absl::StrCat("lost: acknowledged up to ", must_to, ", the journal ends at ", end);
  }
  if (journal.first_offset() > must_from) {
    return absl::StrCat("lost: must begin at ", must_from, ", begins at ", journal.first_offset());
  }
  uint64_t next = journal.first_offset();
  const auto reader = journal.NewReader(next);
  for (;;) {
    const auto result = reader->Read(300);
    if (!result.ok()) return absl::StrCat("unreadable: ", result.status().ToString());
    if (result->gap) {
      const Gap& gap = *result->gap;
      if (gap.from != next || gap.to <= gap.from) {
        return absl::StrCat("gap [", gap.from, ", ", gap.to, ") does not follow ", next);
      }
      if (gap.from < must_to && gap.to > must_from) {
        return absl::StrCat("lost: [", gap.from, ", ", gap.to, ") ", gap.detail);
      }
      next = gap.to;
      continue;
    }
    if (result->records.empty()) break;
    for (const RecordView& record : result->records) {
      if (record.base_offset != next) {
        return absl::StrCat("record ", record.base_offset, " does not follow ", next);
      }
      if (record.bytes != absl::string_view(RecordBytes(record.base_offset, record.count))) {
        return absl::StrCat("record ", record.base_offset, " is not what was written");
      }
      next += record.count;
    }
  }
  if (next < end) return absl::StrCat("read up to ", next, " of ", end);
  return "";
}

// Waits for another thread to have done something.
template <typename Condition>
bool Eventually(Condition&& condition) {
  constexpr int kPollMs = 1;
  const absl::Time deadline = absl::Now() + absl::Seconds(20);
  while (!condition()) {
    if (absl::Now() > deadline) return false;
    poll(nullptr, 0, kPollMs);
  }
  return true;
}

}  // namespace center::journal
