// A journal in a FaultFs, with everything that it tells the outside written down.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/worker/journal/layout.h"
#include "services/worker/journal/record.h"
#include "tests/unit/journal/testing.h"

namespace center::journal {

// Values in the order in which threads brought them.
template <typename T>
class Recorder {
 public:
  void Add(T value) {
    absl::MutexLock lock(&mutex_);
    values_.push_back(std::move(value));
  }
  std::vector<T> all() const {
    absl::MutexLock lock(&mutex_);
    return values_;
  }
  size_t size() const { return all().size(); }

 private:
  mutable absl::Mutex mutex_;
  std::vector<T> values_ ABSL_GUARDED_BY(mutex_);
};

class JournalFixture : public testing::Test {
 protected:
  // Every record that AppendSized makes takes this much of its segment.
  static constexpr uint64_t kRecordBytes = 100;

  JournalFixture() {
    options_.dir = kDir;
    options_.sync_interval = absl::Hours(1);  // nothing happens in the background
    options_.min_free_bytes = 0;
  }

  absl::StatusOr<std::unique_ptr<Journal>> TryOpen() {
    Dependencies dependencies;
    dependencies.fs = &fs_;
    dependencies.clock = &clock_;
    dependencies.on_visible = [this](uint64_t end) { visible_.Add(end); };
    dependencies.on_event = events_.Sink();
    return Journal::Open(options_, dependencies);
  }
  // Closes what is open and opens the journal (again).
  void Open() {
    journal_ = nullptr;
    auto journal = TryOpen();
    ASSERT_TRUE(journal.ok()) << journal.status();
    journal_ = std::move(*journal);
  }
  // The process or the machine dies and comes back.
  void Crash(journal::Crash crash) {
    journal_ = nullptr;
    fs_.Restart(crash);
    Open();
  }

  // One record of kRecordBytes, received at `time_ns`, in a group of its own.
  absl::Status AppendSized(int64_t time_ns = 0) {
    std::string body = absl::StrCat(journal_->next_offset(), ":");
    body.resize(kRecordBytes - kHeaderBytes, '.');
    const Record record = {1, time_ns, "", body};
    return journal_->Append({&record, 1});
  }
  void AppendSizedTimes(int times) {
    for (int i = 0; i < times; ++i) ASSERT_EQ(AppendSized(), absl::OkStatus());
  }
  void Append(const std::vector<uint32_t>& counts) {
    ASSERT_EQ(AppendGroup(*journal_, counts), absl::OkStatus());
  }

  static std::string PathOf(absl::string_view name) { return JoinPath(kDir, name); }
  static std::string SegmentPath(uint64_t base) { return PathOf(SegmentName(base)); }
  // The first offsets of the segments on disk.
  std::vector<uint64_t> SegmentBases() const {
    std::vector<uint64_t> bases;
    const auto layout = ReadLayout(fs_, kDir);
    if (!layout.ok()) return bases;
    for (const auto& file : layout->segments) bases.push_back(file.base_offset);
    return bases;
  }
  // Turns one bit of a file, on the medium, too.
  void Damage(const std::string& path, size_t position) {
    std::string content = fs_.Content(path);
    ASSERT_LT(position, content.size()) << path;
    content[position] = static_cast<char>(content[position] ^ 0x10);
    fs_.SetContent(path, content);
  }
  std::vector<uint64_t> BasesFrom(uint64_t offset) const {
    std::vector<uint64_t> bases;
    for (const auto& record : ReadAll(*journal_, offset).records) bases.push_back(record.base);
    return bases;
  }

  FaultFs fs_;
  FakeClock clock_;
  EventLog events_;
  Recorder<uint64_t> visible_;  // what on_visible said
  Options options_;
  std::unique_ptr<Journal> journal_;  // uses the above: destroyed first
};

MATCHER_P2(IsGap, from, to, "") {
  return arg.from == static_cast<uint64_t>(from) && arg.to == static_cast<uint64_t>(to);
}

MATCHER_P(StatusIs, code, "") {
  *result_listener << arg;
  return arg.code() == code;
}

MATCHER(IsOk, "") {
  *result_listener << arg;
  return arg.ok();
}

}  // namespace center::journal
