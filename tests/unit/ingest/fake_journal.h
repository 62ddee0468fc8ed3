// A journal in memory behind the port of ingest: it can be made full or broken, and remembers what
// it was given, parsed.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "services/common/payload_batch.h"
#include "services/worker/ingest/journal_port.h"

namespace center::ingest {

struct StoredBatch {
  std::string worker;
  std::string peer;
  uint64_t first_offset = 0;
  int64_t time_ns = 0;
  std::vector<std::string> payloads;
};

class FakeJournal {
 public:
  JournalPort Port() {
    return {.next_offset = [this] { return next_offset_; },
            .append = [this](absl::Span<const EncodedBatch> batches) { return Append(batches); },
            .safe_end = [this] { return std::min(held_at_, next_offset_); },
            .blocked_reason = [this] { return full_ ? "disk full" : ""; },
            .on_failure = [this](const absl::Status& status) { failure_ = status; }};
  }

  void SetFull(bool full) { full_ = full; }
  void SetBroken() { broken_ = true; }
  // What is appended from now on is not safe, until it is let go.
  void HoldSafeEnd() { held_at_ = next_offset_; }
  void LetSafeEndGo(uint64_t up_to = UINT64_MAX) { held_at_ = up_to; }

  uint64_t next_offset() const { return next_offset_; }
  int appends() const { return appends_; }
  int attempts() const { return attempts_; }
  const absl::Status& failure() const { return failure_; }
  const std::vector<StoredBatch>& batches() const { return batches_; }

  std::vector<std::string> Payloads() const {
    std::vector<std::string> all;
    for (const StoredBatch& batch : batches_) {
      all.insert(all.end(), batch.payloads.begin(), batch.payloads.end());
    }
    return all;
  }

 private:
  absl::Status Append(absl::Span<const EncodedBatch> batches) {
    ++attempts_;
    if (broken_) return absl::DataLossError("fsync failed");
    if (full_) return absl::ResourceExhaustedError("no space left");
    ++appends_;
    for (const EncodedBatch& batch : batches) Store(batch);
    return absl::OkStatus();
  }

  void Store(const EncodedBatch& batch) {
    const std::string bytes = absl::StrCat(batch.head, batch.body);
    const auto view = BatchView::Parse(bytes);
    ASSERT_TRUE(view.ok()) << view.status();
    ASSERT_EQ(view->count(), batch.count);
    ASSERT_GT(view->count(), 0u);
    // Dense offsets: this is the conservation law that everything behind relies on.
    ASSERT_EQ(view->header().first_offset, next_offset_);
    ASSERT_EQ(view->header().receive_time_ns, batch.time_ns);
    StoredBatch stored{.worker = std::string(view->header().worker),
                       .peer = std::string(view->header().peer),
                       .first_offset = next_offset_,
                       .time_ns = batch.time_ns};
    view->ForEach([&](uint32_t, absl::string_view payload) {
      stored.payloads.emplace_back(payload.data(), payload.size());
    });
    next_offset_ += batch.count;
    batches_.push_back(std::move(stored));
  }

  uint64_t next_offset_ = 0;
  uint64_t held_at_ = UINT64_MAX;
  bool full_ = false;
  bool broken_ = false;
  int appends_ = 0;
  int attempts_ = 0;
  absl::Status failure_;
  std::vector<StoredBatch> batches_;
};

}  // namespace center::ingest
