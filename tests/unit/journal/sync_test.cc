// When records count as stored: what durability, Flush and a failed fdatasync mean.
#include <thread>

#include "services/worker/journal/journal.h"
#include "tests/unit/journal/fixture.h"

namespace center::journal {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class SyncTest : public JournalFixture {
 protected:
  void Open(Durability durability) {
    options_.durability = durability;
    JournalFixture::Open();
  }
  // From now on, this operation on this kind of path fails with `status`; each try is counted.
  void FailFrom(Op op, const std::string& suffix, const absl::Status& status) {
    fs_.SetFault([this, op, suffix, status](Op tried, absl::string_view path) {
      if (tried != op || !absl::EndsWith(path, suffix)) return absl::OkStatus();
      failures_.Add(std::string(path));
      return status;
    });
  }
  bool VisibleSoon(uint64_t end) {
    return Eventually([&] { return journal_->visible_end() >= end; });
  }

  Recorder<std::string> failures_;
};

TEST_F(SyncTest, WrittenRecordsAreVisibleWhenAppendReturns) {
  Open(Durability::kWritten);
  const uint64_t syncs = fs_.CountOf(Op::kSync);
  Append({1, 2});
  EXPECT_EQ(journal_->visible_end(), 3u);
  Append({4});
  EXPECT_EQ(journal_->visible_end(), 7u);
  EXPECT_THAT(visible_.all(), ElementsAre(3, 7));
  EXPECT_EQ(journal_->synced_end(), 0u);
  EXPECT_EQ(fs_.CountOf(Op::kSync), syncs);
}

TEST_F(SyncTest, WrittenRecordsSurviveTheProcess) {
  Open(Durability::kWritten);
  Append({1, 2});
  Crash(Crash::kProcess);
  EXPECT_EQ(CheckConserved(*journal_, 0, 3), "");
}

TEST_F(SyncTest, WrittenRecordsAreSyncedInTheBackground) {
  options_.sync_interval = absl::Milliseconds(1);
  Open(Durability::kWritten);
  Append({1, 2});
  ASSERT_TRUE(Eventually([&] { return journal_->synced_end() == 3; }));
  Crash(Crash::kPowerLoss);
  EXPECT_EQ(CheckConserved(*journal_, 0, 3), "");
}

TEST_F(SyncTest, SyncedRecordsAreVisibleOnlyAfterFdatasync) {
  Open(Durability::kSynced);
  fs_.HoldSyncs(true);
  Append({1, 2});
  ASSERT_TRUE(Eventually([&] { return fs_.syncs_held() == 1; }));
  EXPECT_EQ(journal_->next_offset(), 3u);
  EXPECT_EQ(journal_->visible_end(), 0u);
  EXPECT_THAT(visible_.all(), IsEmpty());
  EXPECT_THAT(ReadAll(*journal_, 0).records, IsEmpty());

  fs_.HoldSyncs(false);
  ASSERT_TRUE(VisibleSoon(3));
  ASSERT_TRUE(Eventually([&] { return visible_.size() == 1; }));
  EXPECT_THAT(visible_.all(), ElementsAre(3));
  EXPECT_EQ(journal_->synced_end(), 3u);
  EXPECT_THAT(BasesFrom(0), ElementsAre(0, 1));
}

TEST_F(SyncTest, WhatIsAppendedDuringASyncSharesTheNextOne) {
  Open(Durability::kSynced);
  fs_.HoldSyncs(true);
  Append({1});
  ASSERT_TRUE(Eventually([&] { return fs_.syncs_held() == 1; }));
  const uint64_t syncs = fs_.CountOf(Op::kSync);
  for (int i = 0; i < 10; ++i) Append({1});
  fs_.HoldSyncs(false);
  ASSERT_TRUE(Eventually([&] { return visible_.size() == 2; }));
  EXPECT_THAT(visible_.all(), ElementsAre(1, 11));
  EXPECT_EQ(fs_.CountOf(Op::kSync), syncs + 2);
}

TEST_F(SyncTest, SyncedRecordsSurviveAPowerLoss) {
  options_.segment_bytes = 300;
  Open(Durability::kSynced);
  for (int i = 0; i < 30; ++i) Append({1, 2});
  ASSERT_TRUE(VisibleSoon(90));
  Crash(Crash::kPowerLoss);
  EXPECT_EQ(CheckConserved(*journal_, 0, 90), "");
}

TEST_F(SyncTest, WhatAnEarlierProcessLeftUnsyncedIsSyncedBeforeItIsVisible) {
  options_.segment_bytes = 300;
  Open(Durability::kWritten);
  for (int i = 0; i < 10; ++i) Append({1, 2});
  Crash(Crash::kProcess);
  Open(Durability::kSynced);
  EXPECT_EQ(journal_->visible_end(), 30u);
  EXPECT_EQ(journal_->synced_end(), 30u);
  Crash(Crash::kPowerLoss);
  EXPECT_EQ(CheckConserved(*journal_, 0, 30), "");
}

TEST_F(SyncTest, FlushReturnsWhenEverythingIsSynced) {
  options_.segment_bytes = 300;
  Open(Durability::kWritten);
  EXPECT_THAT(journal_->Flush(), IsOk());
  for (int i = 0; i < 10; ++i) Append({1, 2});
  fs_.HoldSyncs(true);
  std::atomic<bool> flushed{false};
  std::thread flush([&] {
    EXPECT_THAT(journal_->Flush(), IsOk());
    flushed = true;
  });
  EXPECT_TRUE(Eventually([&] { return fs_.syncs_held() == 1; }));
  EXPECT_FALSE(flushed);
  fs_.HoldSyncs(false);
  flush.join();
  EXPECT_EQ(journal_->synced_end(), 30u);
  Crash(Crash::kPowerLoss);
  EXPECT_EQ(CheckConserved(*journal_, 0, 30), "");
}

TEST_F(SyncTest, FlushCoversWhatAnEarlierProcessLeftUnsynced) {
  options_.segment_bytes = 300;
  Open(Durability::kWritten);
  for (int i = 0; i < 10; ++i) Append({1, 2});
  Crash(Crash::kProcess);
  Append({1});
  ASSERT_THAT(journal_->Flush(), IsOk());
  Crash(Crash::kPowerLoss);
  EXPECT_EQ(CheckConserved(*journal_, 0, 31), "");
}

TEST_F(SyncTest, AFailedSyncIsNotRetriedAndFailsTheJournal) {
  Open(Durability::kSynced);
  Append({1, 2});
  ASSERT_TRUE(VisibleSoon(3));
  FailFrom(Op::kSync, ".seg", absl::DataLossError("bad block"));
  Append({1});
  ASSERT_TRUE(Eventually([&] { return events_.Count(JournalEvent::Type::kFailed) == 1; }));

  fs_.SetFault(nullptr);  // the kernel would say Ok now
  const uint64_t syncs = fs_.CountOf(Op::kSync);
  const absl::Status refused = AppendGroup(*journal_, {1});
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(refused.ToString(), HasSubstr("bad block"));
  EXPECT_EQ(journal_->Flush(), refused);
  EXPECT_THAT(journal_->BlockedReason(), HasSubstr("bad block"));
  EXPECT_EQ(fs_.CountOf(Op::kSync), syncs);
  EXPECT_EQ(failures_.size(), 1u);
}

TEST_F(SyncTest, RecordsOfAFailedSyncAreNeverAcknowledged) {
  Open(Durability::kSynced);
  Append({1, 2});
  ASSERT_TRUE(VisibleSoon(3));
  FailFrom(Op::kSync, ".seg", absl::DataLossError("bad block"));
  Append({1});
  EXPECT_THAT(journal_->Flush(), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_EQ(journal_->visible_end(), 3u);
  EXPECT_EQ(journal_->synced_end(), 3u);
  EXPECT_THAT(visible_.all(), ElementsAre(3));
  EXPECT_EQ(CheckConserved(*journal_, 0, 3), "") << "what was acknowledged stays readable";
}

TEST_F(SyncTest, AFailedBackgroundSyncFailsTheJournal) {
  options_.sync_interval = absl::Milliseconds(1);
  Open(Durability::kWritten);
  ASSERT_TRUE(Eventually([&] { return fs_.CountOf(Op::kSync) > 0; }));
  FailFrom(Op::kSync, ".seg", absl::DataLossError("bad block"));
  Append({1, 2});
  ASSERT_TRUE(Eventually([&] { return events_.Count(JournalEvent::Type::kFailed) == 1; }));
  EXPECT_THAT(AppendGroup(*journal_, {1}), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(journal_->Flush(), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_EQ(journal_->synced_end(), 0u);
  EXPECT_EQ(CheckConserved(*journal_, 0, 3), "");
  EXPECT_EQ(failures_.size(), 1u);
}

TEST_F(SyncTest, AFullDiskInFdatasyncIsAFailureToo) {
  // The kernel has accepted the bytes and then had no place for them: they may be gone.
  Open(Durability::kSynced);
  FailFrom(Op::kSync, ".seg", absl::ResourceExhaustedError("no space"));
  Append({1});
  EXPECT_THAT(journal_->Flush(), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(AppendGroup(*journal_, {1}), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_EQ(events_.Count(JournalEvent::Type::kBlocked), 0u);
}

TEST_F(SyncTest, AFailedSyncOfTheFolderFailsTheJournal) {
  options_.segment_bytes = kRecordBytes;
  Open(Durability::kSynced);
  ASSERT_THAT(AppendSized(), IsOk());
  ASSERT_TRUE(VisibleSoon(1));
  FailFrom(Op::kSyncDirectory, kDir, absl::DataLossError("bad block"));
  ASSERT_THAT(AppendSized(), IsOk());
  EXPECT_THAT(journal_->Flush(), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_EQ(journal_->visible_end(), 1u);
}

TEST_F(SyncTest, NoLaterProcessAppendsToTheSegmentOfAFailedSync) {
  Open(Durability::kSynced);
  Append({1, 2});
  ASSERT_TRUE(VisibleSoon(3));
  FailFrom(Op::kSync, ".seg", absl::DataLossError("bad block"));
  Append({1});
  ASSERT_TRUE(Eventually([&] { return events_.Count(JournalEvent::Type::kFailed) == 1; }));
  journal_ = nullptr;
  fs_.SetFault(nullptr);
  const std::string failed_segment = fs_.Content(SegmentPath(0));

  Crash(Crash::kProcess);
  Append({2});
  ASSERT_TRUE(VisibleSoon(6));
  EXPECT_EQ(fs_.Content(SegmentPath(0)), failed_segment);
  EXPECT_THAT(SegmentBases(), ElementsAre(0, 4));
  EXPECT_EQ(CheckConserved(*journal_, 0, 6), "");
}

TEST_F(SyncTest, AFailedWriteFailsTheJournalAndStoresNothing) {
  Open(Durability::kWritten);
  Append({1, 2});
  const std::string stored = fs_.Content(SegmentPath(0));
  FailFrom(Op::kWrite, ".seg", absl::DataLossError("bad block"));
  EXPECT_THAT(AppendGroup(*journal_, {1}), StatusIs(absl::StatusCode::kDataLoss));
  fs_.SetFault(nullptr);
  EXPECT_THAT(AppendGroup(*journal_, {1}), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_EQ(failures_.size(), 1u);
  EXPECT_EQ(fs_.Content(SegmentPath(0)), stored);
  EXPECT_EQ(events_.Count(JournalEvent::Type::kFailed), 1u);
  EXPECT_THAT(visible_.all(), ElementsAre(3));
  EXPECT_EQ(CheckConserved(*journal_, 0, 3), "");

  Crash(Crash::kProcess);
  Append({4});
  EXPECT_EQ(CheckConserved(*journal_, 0, 7), "");
}

TEST_F(SyncTest, AGroupThatCannotBeUndoneFailsTheJournal) {
  Open(Durability::kWritten);
  Append({1, 2});
  // Half the group fits; taking the half back fails.
  FailFrom(Op::kTruncate, ".seg", absl::DataLossError("bad block"));
  fs_.SetCapacity(fs_.Content(SegmentPath(0)).size() + 30);
  EXPECT_THAT(AppendGroup(*journal_, {1}), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_EQ(events_.Count(JournalEvent::Type::kFailed), 1u);
  EXPECT_EQ(CheckConserved(*journal_, 0, 3), "");
  EXPECT_EQ(journal_->visible_end(), 3u);

  journal_ = nullptr;
  fs_.SetFault(nullptr);
  fs_.SetCapacity(1 << 20);
  Crash(Crash::kProcess);
  Append({4});
  EXPECT_EQ(CheckConserved(*journal_, 0, 7), "");
}

}  // namespace
}  // namespace center::journal
