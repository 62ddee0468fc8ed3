#include "services/worker/journal/retention.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "tests/unit/journal/fixture.h"

namespace center::journal {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr int64_t kSecond = 1'000'000'000;

class RetentionTest : public JournalFixture {
 protected:
  RetentionTest() {
    options_.segment_bytes = 2 * kRecordBytes;
    options_.retain_bytes = 8 * kRecordBytes;
  }
  // Notes which of the operations on the folder's names happened, in order.
  void NoteOps() {
    fs_.SetFault([this](Op op, absl::string_view path) {
      const absl::string_view name = path.substr(path.rfind('/') + 1);
      if (op == Op::kRemove) ops_.Add(absl::StrCat("remove ", name));
      if (op == Op::kRename) ops_.Add(absl::StrCat("rename ", name));
      if (op == Op::kSyncDirectory) ops_.Add("sync folder");
      if (op == Op::kSync) ops_.Add(absl::StrCat("sync ", name));
      return absl::OkStatus();
    });
  }
  bool FirstOffsetSoon(uint64_t offset) {
    return Eventually([&] { return journal_->first_offset() >= offset; }) &&
           Eventually([&] { return SegmentBases().front() >= offset; });
  }
  // Everything that retention would do now is done when this returns. Needs kSynced: its thread
  // deletes after it has synced, and syncs again only after it has deleted.
  void SettleRetention() {
    for (int i = 0; i < 2; ++i) {
      ASSERT_THAT(AppendSized(clock_.WallNanos()), IsOk());
      ASSERT_THAT(journal_->Flush(), IsOk());
    }
  }

  Recorder<std::string> ops_;
};

TEST_F(RetentionTest, TheOldestSegmentsGoWhenTheJournalOutgrowsItsSize) {
  Open();
  AppendSizedTimes(8);
  EXPECT_THAT(SegmentBases(), ElementsAre(0, 2, 4, 6));
  AppendSizedTimes(1);
  ASSERT_TRUE(FirstOffsetSoon(2));
  EXPECT_THAT(SegmentBases(), ElementsAre(2, 4, 6, 8));
  EXPECT_EQ(journal_->first_offset(), 2u);
  EXPECT_TRUE(Eventually([&] { return journal_->disk_bytes() == 7 * kRecordBytes; }));
  EXPECT_THAT(BasesFrom(2), ElementsAre(2, 3, 4, 5, 6, 7, 8));
}

TEST_F(RetentionTest, WithoutALimitEverythingStays) {
  options_.retain_bytes = 0;
  options_.durability = Durability::kSynced;
  Open();
  AppendSizedTimes(50);
  SettleRetention();
  EXPECT_EQ(journal_->first_offset(), 0u);
  EXPECT_EQ(SegmentBases().size(), 26u);
}

TEST_F(RetentionTest, TheLowOffsetIsDurableBeforeAFileGoes) {
  Open();
  AppendSizedTimes(8);
  NoteOps();
  AppendSizedTimes(1);
  ASSERT_TRUE(Eventually([&] { return ops_.size() >= 4; }));
  EXPECT_THAT(ops_.all(), ElementsAre("sync low.tmp", "rename low.tmp", "sync folder",
                                      "remove 00000000000000000000.seg"));
}

TEST_F(RetentionTest, AfterAPowerLossTheFirstOffsetIsWhatItWas) {
  Open();
  AppendSizedTimes(8);
  ASSERT_THAT(journal_->Flush(), IsOk());
  AppendSizedTimes(1);
  ASSERT_TRUE(FirstOffsetSoon(2));
  Crash(Crash::kPowerLoss);
  EXPECT_EQ(journal_->first_offset(), 2u);
  EXPECT_THAT(SegmentBases(), ElementsAre(2, 4, 6, 8)) << "the removal is made up for";
}

TEST_F(RetentionTest, ADamagedLowOffsetLosesNothing) {
  Open();
  AppendSizedTimes(9);
  ASSERT_TRUE(FirstOffsetSoon(2));
  Damage(PathOf(kLowName), 3);
  Open();
  EXPECT_EQ(journal_->first_offset(), 2u);
  EXPECT_EQ(events_.Count(JournalEvent::Type::kCorruption), 1u);
  EXPECT_THAT(BasesFrom(2), ElementsAre(2, 3, 4, 5, 6, 7, 8));
}

TEST_F(RetentionTest, WhatIsOlderThanTheAgeGoes) {
  options_.retain_bytes = 0;
  options_.retain_age = absl::Seconds(60);
  options_.sync_interval = absl::Milliseconds(1);
  clock_.Set(1000 * kSecond);
  Open();
  for (int64_t i = 0; i < 6; ++i) ASSERT_THAT(AppendSized((1000 + i) * kSecond), IsOk());
  clock_.Set(1063 * kSecond);  // [0, 2) is too old; of [2, 4) the second is not
  ASSERT_TRUE(FirstOffsetSoon(2));
  EXPECT_THAT(BasesFrom(2), ElementsAre(2, 3, 4, 5));
  EXPECT_THAT(SegmentBases(), ElementsAre(2, 4));
}

TEST_F(RetentionTest, TheSegmentBeingWrittenIsClosedWhenItIsTooOld) {
  options_.retain_bytes = 0;
  options_.retain_age = absl::Seconds(60);
  options_.sync_interval = absl::Milliseconds(1);
  clock_.Set(1000 * kSecond);
  Open();
  ASSERT_THAT(AppendSized(1000 * kSecond), IsOk());
  clock_.Set(1061 * kSecond);
  ASSERT_TRUE(FirstOffsetSoon(1));
  EXPECT_TRUE(Eventually([&] { return journal_->disk_bytes() == 0; }));
  EXPECT_THAT(ReadAll(*journal_, 1).records, IsEmpty());
  ASSERT_THAT(AppendSized(1061 * kSecond), IsOk());
  EXPECT_THAT(BasesFrom(1), ElementsAre(1));
}

TEST_F(RetentionTest, AgeIsKnownOfWhatAnEarlierProcessWrote) {
  options_.retain_bytes = 0;
  clock_.Set(1000 * kSecond);
  Open();
  for (int64_t i = 0; i < 6; ++i) ASSERT_THAT(AppendSized((1000 + i) * kSecond), IsOk());
  options_.retain_age = absl::Seconds(60);
  options_.sync_interval = absl::Milliseconds(1);
  clock_.Set(1063 * kSecond);
  Open();
  ASSERT_TRUE(FirstOffsetSoon(2));
  EXPECT_THAT(BasesFrom(2), ElementsAre(2, 3, 4, 5));
}

TEST_F(RetentionTest, BlockKeepsWhatIsNotCommitted) {
  Open();
  journal_->SetCommittedOffset(0);
  AppendSizedTimes(8);
  const absl::Status refused = AppendSized();
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(refused.ToString(), AllOf(HasSubstr("journal full"), HasSubstr("not committed")));
  EXPECT_EQ(journal_->BlockedReason(), refused.message());
  EXPECT_EQ(events_.Count(JournalEvent::Type::kBlocked), 1u);
  EXPECT_THAT(BasesFrom(0), ElementsAre(0, 1, 2, 3, 4, 5, 6, 7));

  journal_->SetCommittedOffset(1);
  EXPECT_THAT(AppendSized(), StatusIs(absl::StatusCode::kResourceExhausted))
      << "the oldest segment still holds something";
  journal_->SetCommittedOffset(2);
  EXPECT_EQ(journal_->BlockedReason(), "");
  EXPECT_THAT(AppendSized(), IsOk());
  ASSERT_TRUE(FirstOffsetSoon(2));
  EXPECT_EQ(events_.Count(JournalEvent::Type::kResumed), 1u);
  EXPECT_EQ(events_.Count(JournalEvent::Type::kDropped), 0u);
}

TEST_F(RetentionTest, CommittingMakesRoomByItself) {
  Open();
  journal_->SetCommittedOffset(0);
  AppendSizedTimes(8);
  options_.retain_bytes = 4 * kRecordBytes;
  Open();
  journal_->SetCommittedOffset(0);
  EXPECT_THAT(AppendSized(), StatusIs(absl::StatusCode::kResourceExhausted));
  journal_->SetCommittedOffset(4);
  ASSERT_TRUE(FirstOffsetSoon(4));
  EXPECT_THAT(SegmentBases(), ElementsAre(4, 6));
}

TEST_F(RetentionTest, WithoutASubscriptionNothingIsProtected) {
  Open();
  journal_->SetCommittedOffset(0);
  AppendSizedTimes(8);
  EXPECT_THAT(AppendSized(), StatusIs(absl::StatusCode::kResourceExhausted));
  journal_->SetCommittedOffset(absl::nullopt);
  AppendSizedTimes(1);
  ASSERT_TRUE(FirstOffsetSoon(2));
  EXPECT_EQ(events_.Count(JournalEvent::Type::kDropped), 0u);
}

TEST_F(RetentionTest, BlockKeepsWhatIsNotCommittedHoweverOldItIs) {
  options_.retain_bytes = 0;
  options_.retain_age = absl::Seconds(60);
  options_.sync_interval = absl::Milliseconds(1);
  options_.durability = Durability::kSynced;
  clock_.Set(1000 * kSecond);
  Open();
  journal_->SetCommittedOffset(2);
  for (int64_t i = 0; i < 6; ++i) ASSERT_THAT(AppendSized((1000 + i) * kSecond), IsOk());
  clock_.Set(2000 * kSecond);
  ASSERT_TRUE(FirstOffsetSoon(2));
  SettleRetention();
  EXPECT_EQ(journal_->first_offset(), 2u);
  journal_->SetCommittedOffset(6);
  ASSERT_TRUE(FirstOffsetSoon(6));
}

TEST_F(RetentionTest, DropOldestDeletesWhatIsNotCommittedAndSaysSo) {
  options_.overflow = Overflow::kDropOldest;
  Open();
  journal_->SetCommittedOffset(1);
  AppendSizedTimes(9);
  ASSERT_TRUE(Eventually([&] { return events_.Count(JournalEvent::Type::kDropped) == 1; }));
  const JournalEvent dropped = events_.all()[0];
  EXPECT_EQ(dropped.from, 1u) << "0 was committed";
  EXPECT_EQ(dropped.to, 2u);
  EXPECT_EQ(journal_->first_offset(), 2u);
  EXPECT_EQ(journal_->BlockedReason(), "");
}

TEST_F(RetentionTest, DropOldestDeletesWhatIsCommittedInSilence) {
  options_.overflow = Overflow::kDropOldest;
  Open();
  journal_->SetCommittedOffset(8);
  AppendSizedTimes(9);
  ASSERT_TRUE(FirstOffsetSoon(2));
  EXPECT_TRUE(Eventually([&] { return journal_->disk_bytes() <= options_.retain_bytes; }));
  EXPECT_THAT(events_.all(), IsEmpty());
}

TEST_F(RetentionTest, AFileThatCannotBeDeletedKeepsNoOtherFromIt) {
  options_.overflow = Overflow::kDropOldest;
  Open();
  journal_->SetCommittedOffset(0);
  AppendSizedTimes(8);
  options_.retain_bytes = 4 * kRecordBytes;
  fs_.SetFault([](Op op, absl::string_view path) {
    const bool oldest = op == Op::kRemove && absl::EndsWith(path, SegmentName(0));
    return oldest ? absl::PermissionDeniedError("immutable") : absl::OkStatus();
  });
  Open();
  journal_->SetCommittedOffset(0);  // one round of deleting, or the beginning of it
  AppendSizedTimes(1);
  ASSERT_TRUE(Eventually([&] {
    const auto events = events_.all();
    return !events.empty() && events.back().to == 6;
  }));
  uint64_t dropped_to = 0;
  for (const JournalEvent& event : events_.all()) {
    EXPECT_EQ(event.type, JournalEvent::Type::kDropped);
    EXPECT_EQ(event.from, dropped_to);
    dropped_to = event.to;
  }
  EXPECT_THAT(SegmentBases(), ElementsAre(0, 6, 8));
  EXPECT_EQ(journal_->first_offset(), 6u);
  EXPECT_EQ(journal_->disk_bytes(), 3 * kRecordBytes);

  fs_.SetFault(nullptr);
  Open();
  EXPECT_THAT(SegmentBases(), ElementsAre(6, 8)) << "opening finishes what was begun";
}

TEST_F(RetentionTest, WithoutTheLowOffsetNothingIsDeleted) {
  Open();
  AppendSizedTimes(8);
  fs_.SetFault([this](Op op, absl::string_view path) {
    if (op != Op::kCreate || !absl::EndsWith(path, "low.tmp")) return absl::OkStatus();
    ops_.Add("low.tmp");
    return absl::PermissionDeniedError("read-only");
  });
  const uint64_t removals = fs_.CountOf(Op::kRemove);
  AppendSizedTimes(1);
  for (int round = 0; round < 2; ++round) {
    const size_t tried = ops_.size();
    AppendSizedTimes(1);
    ASSERT_TRUE(Eventually([&] { return ops_.size() > tried; }));
  }
  EXPECT_EQ(fs_.CountOf(Op::kRemove), removals);
  EXPECT_EQ(journal_->first_offset(), 0u);
  EXPECT_EQ(BasesFrom(0).size(), 11u);

  fs_.SetFault(nullptr);
  AppendSizedTimes(1);
  ASSERT_TRUE(FirstOffsetSoon(4));
}

class LateRetentionTest : public RetentionTest {
 protected:
  // Deleting fails until the first segment is synced.
  void DeleteOnlyAfterASync() {
    fs_.SetFault([this, synced = false](Op op, absl::string_view path) mutable {
      const bool segment = absl::EndsWith(path, kSegmentSuffix);
      synced |= segment && op == Op::kSync;
      if (op == Op::kRename && !synced) return absl::UnavailableError("not now");
      if (segment && op == Op::kSync) ops_.Add("sync");
      if (segment && op == Op::kRemove) ops_.Add("remove");
      return absl::OkStatus();
    });
  }
};

TEST_F(LateRetentionTest, WhatIsTooMuchGoesDuringALongRoundOfSyncs) {
  Open();
  DeleteOnlyAfterASync();
  AppendSizedTimes(40);
  EXPECT_EQ(journal_->first_offset(), 0u);
  ASSERT_THAT(journal_->Flush(), IsOk());
  const std::vector<std::string> ops = ops_.all();
  const auto second_sync = std::find(ops.begin() + 1, ops.end(), "sync");
  EXPECT_NE(std::find(ops.begin(), second_sync, "remove"), second_sync);
  EXPECT_LE(journal_->disk_bytes(), options_.retain_bytes);
}

TEST_F(LateRetentionTest, TheJournalDoesNotGrowWithoutEndWhileNothingCanBeDeleted) {
  constexpr uint64_t kOvershootBytes = 1 << 20;
  options_.segment_bytes = 16 << 10;
  options_.retain_bytes = 64 << 10;
  Open();
  DeleteOnlyAfterASync();
  const uint64_t limit = options_.retain_bytes + kOvershootBytes;
  absl::Status status;
  while (status.ok() && journal_->disk_bytes() < 2 * limit) status = AppendSized();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
  EXPECT_GT(journal_->disk_bytes(), limit);
  EXPECT_LE(journal_->disk_bytes(), limit + kRecordBytes);
  EXPECT_THAT(journal_->BlockedReason(), HasSubstr("slow to sync and to delete"));

  ASSERT_THAT(journal_->Flush(), IsOk());
  EXPECT_TRUE(Eventually([&] { return journal_->BlockedReason().empty(); }));
  EXPECT_THAT(AppendSized(), IsOk());
  EXPECT_EQ(events_.Count(JournalEvent::Type::kBlocked), 1u);
  EXPECT_EQ(events_.Count(JournalEvent::Type::kResumed), 1u);
}

}  // namespace
}  // namespace center::journal
