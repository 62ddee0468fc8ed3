// A disk, or a journal, without room: Append refuses, everything else goes on, and nothing has to
// be restarted when there is room again.
#include "services/worker/journal/journal.h"
#include "tests/unit/journal/fixture.h"

namespace center::journal {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr auto kFull = absl::StatusCode::kResourceExhausted;

class FullDiskTest : public JournalFixture {
 protected:
  uint64_t Used() const {
    uint64_t used = 0;
    for (const std::string& path : fs_.Paths()) used += fs_.Content(path).size();
    return used;
  }
  void SetFree(uint64_t bytes) { fs_.SetCapacity(Used() + bytes); }
  size_t Count(JournalEvent::Type type) const { return events_.Count(type); }
};

TEST_F(FullDiskTest, AppendRefusesAndStoresNothing) {
  Open();
  AppendSizedTimes(3);
  const std::string stored = fs_.Content(SegmentPath(0));
  SetFree(0);
  EXPECT_THAT(AppendSized(), StatusIs(kFull));
  EXPECT_EQ(fs_.Content(SegmentPath(0)), stored);
  EXPECT_EQ(journal_->next_offset(), 3u);
  EXPECT_EQ(journal_->visible_end(), 3u);
  EXPECT_EQ(journal_->disk_bytes(), 3 * kRecordBytes);
}

TEST_F(FullDiskTest, AGroupThatFitsByHalfIsUndone) {
  Open();
  AppendSizedTimes(3);
  const std::string stored = fs_.Content(SegmentPath(0));
  for (const uint64_t free : {1u, 47u, 48u, 99u}) {
    SetFree(free);
    EXPECT_THAT(AppendSized(), StatusIs(kFull)) << free;
    EXPECT_EQ(fs_.Content(SegmentPath(0)), stored) << free;
  }
  SetFree(kRecordBytes);
  EXPECT_THAT(AppendSized(), IsOk());
  EXPECT_THAT(BasesFrom(0), ElementsAre(0, 1, 2, 3));
}

TEST_F(FullDiskTest, ItIsSaidOnceWhenItFillsUpAndOnceWhenThereIsRoom) {
  Open();
  AppendSizedTimes(1);
  EXPECT_EQ(journal_->BlockedReason(), "");
  SetFree(0);
  for (int i = 0; i < 5; ++i) EXPECT_THAT(AppendSized(), StatusIs(kFull));
  EXPECT_EQ(Count(JournalEvent::Type::kBlocked), 1u);
  EXPECT_THAT(journal_->BlockedReason(), testing::Not(IsEmpty()));

  SetFree(1000);
  AppendSizedTimes(5);
  EXPECT_EQ(Count(JournalEvent::Type::kResumed), 1u);
  EXPECT_EQ(Count(JournalEvent::Type::kBlocked), 1u);
  EXPECT_EQ(journal_->BlockedReason(), "");
  EXPECT_THAT(BasesFrom(0), ElementsAre(0, 1, 2, 3, 4, 5));
}

TEST_F(FullDiskTest, ReadingGoesOn) {
  Open();
  AppendSizedTimes(3);
  const auto reader = journal_->NewReader(1);
  SetFree(0);
  EXPECT_THAT(AppendSized(), StatusIs(kFull));
  EXPECT_THAT(BasesFrom(0), ElementsAre(0, 1, 2));
  const auto result = reader->Read(1 << 20);
  ASSERT_THAT(result.status(), IsOk());
  EXPECT_EQ(result->records.size(), 2u);
  EXPECT_THAT(journal_->Flush(), IsOk());
}

TEST_F(FullDiskTest, AJournalThatIsFullCanBeOpenedAndRead) {
  Open();
  AppendSizedTimes(3);
  SetFree(0);
  Crash(Crash::kProcess);
  EXPECT_THAT(BasesFrom(0), ElementsAre(0, 1, 2));
  EXPECT_THAT(AppendSized(), StatusIs(kFull));
  SetFree(kRecordBytes);
  EXPECT_THAT(AppendSized(), IsOk());
}

TEST_F(FullDiskTest, WithoutRoomForANewSegmentTheOldOneStaysOpen) {
  options_.segment_bytes = 2 * kRecordBytes;
  Open();
  AppendSizedTimes(2);
  SetFree(0);
  EXPECT_THAT(AppendSized(), StatusIs(kFull));
  EXPECT_THAT(SegmentBases(), ElementsAre(0));
  SetFree(3 * kRecordBytes);
  AppendSizedTimes(2);
  EXPECT_THAT(SegmentBases(), ElementsAre(0, 2));
  EXPECT_THAT(BasesFrom(0), ElementsAre(0, 1, 2, 3));
}

TEST_F(FullDiskTest, ASegmentThatWasBegunAndFoundNoRoomIsUsedLater) {
  options_.segment_bytes = 2 * kRecordBytes;
  Open();
  AppendSizedTimes(2);
  SetFree(10);  // enough for the file, not for what goes into it
  for (int i = 0; i < 3; ++i) EXPECT_THAT(AppendSized(), StatusIs(kFull));
  SetFree(1000);
  AppendSizedTimes(2);
  EXPECT_THAT(SegmentBases(), ElementsAre(0, 2));
  EXPECT_THAT(BasesFrom(0), ElementsAre(0, 1, 2, 3));
}

TEST_F(FullDiskTest, TheLowWaterMarkIsLeftAlone) {
  options_.min_free_bytes = 1000;
  SetFree(1000 + kRecordBytes - 1);
  Open();
  const uint64_t writes = fs_.CountOf(Op::kWrite);
  const absl::Status refused = AppendSized();
  EXPECT_THAT(refused, StatusIs(kFull));
  EXPECT_THAT(refused.ToString(), HasSubstr("disk almost full"));
  EXPECT_EQ(fs_.CountOf(Op::kWrite), writes);
  EXPECT_EQ(Count(JournalEvent::Type::kBlocked), 1u);
}

TEST_F(FullDiskTest, TheLowWaterMarkIsNoticedWhileThereIsStillRoomToWrite) {
  options_.min_free_bytes = 4 << 20;
  SetFree(6 << 20);
  Open();
  const std::string body(100'000, 'x');
  const Record record = {1, 0, "", body};
  absl::Status status;
  for (int i = 0; i < 100 && status.ok(); ++i) status = journal_->Append({&record, 1});
  EXPECT_THAT(status, StatusIs(kFull));
  // It looks at the free space once per MiB.
  EXPECT_LE(journal_->disk_bytes(), uint64_t{3} << 20);
  EXPECT_GE(journal_->disk_bytes(), uint64_t{1} << 20);
}

TEST_F(FullDiskTest, RoomIsNoticedWithoutAnAppend) {
  options_.min_free_bytes = 1000;
  SetFree(500);
  Open();
  EXPECT_THAT(AppendSized(), StatusIs(kFull));
  EXPECT_THAT(journal_->BlockedReason(), HasSubstr("disk almost full"));
  SetFree(2000);
  EXPECT_EQ(journal_->BlockedReason(), "");
  EXPECT_EQ(Count(JournalEvent::Type::kResumed), 1u);
  EXPECT_THAT(AppendSized(), IsOk());
  EXPECT_EQ(Count(JournalEvent::Type::kResumed), 1u);
}

TEST_F(FullDiskTest, ItTakesMoreThanTheLowWaterMarkToResume) {
  options_.min_free_bytes = 8000;
  SetFree(8000);
  Open();
  EXPECT_THAT(AppendSized(), StatusIs(kFull));
  SetFree(8000 + kRecordBytes);
  EXPECT_THAT(AppendSized(), StatusIs(kFull)) << "an eighth of the mark has to be free beyond it";
  SetFree(8000 + 1000 + kRecordBytes);
  EXPECT_THAT(AppendSized(), IsOk());
}

TEST_F(FullDiskTest, RetentionMakesRoomWhereNotEvenTheLowOffsetCanBeWritten) {
  options_.segment_bytes = 2 * kRecordBytes;
  options_.retain_bytes = 8 * kRecordBytes;
  options_.overflow = Overflow::kBlock;
  Open();
  journal_->SetCommittedOffset(0);
  AppendSizedTimes(8);
  // Full by our own limit first, and then the disk is too.
  EXPECT_THAT(AppendSized(), StatusIs(kFull));
  SetFree(0);
  options_.retain_bytes = 4 * kRecordBytes;
  Open();
  EXPECT_THAT(AppendSized(), StatusIs(kFull)) << "by the disk";
  journal_->SetCommittedOffset(6);
  ASSERT_TRUE(Eventually([&] { return SegmentBases().front() == 4; }));
  EXPECT_EQ(journal_->first_offset(), 4u);
  EXPECT_EQ(fs_.Content(PathOf(kLowName)), "");
  EXPECT_THAT(AppendSized(), IsOk());
  EXPECT_THAT(BasesFrom(6), ElementsAre(6, 7, 8));
  EXPECT_EQ(Count(JournalEvent::Type::kFailed), 0u);
}

TEST_F(FullDiskTest, OtherErrorsOfAFullSystemAreRetriedTheSameWay) {
  Open();
  AppendSizedTimes(1);
  fs_.SetFault([](Op op, absl::string_view) {
    return op == Op::kWrite ? absl::ResourceExhaustedError("quota") : absl::OkStatus();
  });
  EXPECT_THAT(AppendSized(), StatusIs(kFull));
  EXPECT_THAT(journal_->BlockedReason(), HasSubstr("quota"));
  fs_.SetFault(nullptr);
  EXPECT_THAT(journal_->BlockedReason(), HasSubstr("quota")) << "only a write can take it back";
  EXPECT_THAT(AppendSized(), IsOk());
  EXPECT_EQ(journal_->BlockedReason(), "");
}

}  // namespace
}  // namespace center::journal
