// A real journal in a folder of its own, which wakes a TailSignal as a worker's does.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "services/worker/api/tail_signal.h"
#include "services/worker/journal/journal.h"
#include "tests/unit/common/scratch_dir.h"
#include "tests/unit/journal/testing.h"
#include "tests/unit/worker_api/batches.h"

namespace center::worker {

inline constexpr int64_t kSecond = 1'000'000'000;

class TestJournal {
 public:
  explicit TestJournal(journal::Options options = {}) : signal_(*TailSignal::Create()) {
    options.dir = dir();
    journal::Dependencies dependencies;
    dependencies.fs = &journal::PosixFileSystem();
    dependencies.clock = &clock_;
    dependencies.on_visible = [this](uint64_t) { signal_->Published(); };
    auto journal = journal::Journal::Open(options, std::move(dependencies));
    EXPECT_TRUE(journal.ok()) << journal.status();
    journal_ = *std::move(journal);
  }

  // Stores one batch, received at `time_ns`; returns its first offset.
  uint64_t Append(const std::vector<std::string>& payloads, int64_t time_ns = kSecond) {
    const uint64_t offset = journal_->next_offset();
    const EncodedPayloads encoded = Encode(offset, time_ns, payloads);
    const absl::Status status = journal_->Append(
        {{static_cast<uint32_t>(payloads.size()), time_ns, encoded.prefix, encoded.data}});
    EXPECT_TRUE(status.ok()) << status;
    return offset;
  }
  // Batches of `per_batch` payloads that begin with "#<offset>." and have `bytes` each.
  void Fill(size_t batches, size_t per_batch, size_t bytes) {
    for (size_t i = 0; i < batches; ++i) {
      std::vector<std::string> payloads;
      for (size_t k = 0; k < per_batch; ++k) {
        payloads.push_back(FillPayload(journal_->next_offset() + k, bytes));
      }
      Append(payloads);
    }
  }
  static std::string FillPayload(uint64_t offset, size_t bytes) {
    std::string payload = absl::StrCat("#", offset, ".");
    payload.resize(std::max(bytes, payload.size()), 'x');
    return payload;
  }

  std::string dir() const { return scratch_.path() + "/journal"; }
  const std::string& folder() const { return scratch_.path(); }
  journal::Journal& operator*() { return *journal_; }
  journal::Journal* operator->() { return journal_.get(); }
  TailSignal& signal() { return *signal_; }
  journal::FakeClock& clock() { return clock_; }
  // Moves the clock on.
  void Advance(absl::Duration duration) {
    clock_.Set(clock_.WallNanos() + absl::ToInt64Nanoseconds(duration));
  }

 private:
  ScratchDir scratch_;
  journal::FakeClock clock_;
  std::unique_ptr<TailSignal> signal_;
  std::unique_ptr<journal::Journal> journal_;
};

}  // namespace center::worker
