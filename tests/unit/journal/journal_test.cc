#include "services/worker/journal/journal.h"

#include <unistd.h>

#include <limits>
#include <utility>

#include "absl/strings/escaping.h"
#include "tests/unit/common/scratch_dir.h"
#include "tests/unit/journal/fixture.h"

namespace center::journal {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

using JournalTest = JournalFixture;

TEST_F(JournalTest, ANewJournalIsEmpty) {
  Open();
  EXPECT_EQ(journal_->first_offset(), 0u);
  EXPECT_EQ(journal_->next_offset(), 0u);
  EXPECT_EQ(journal_->visible_end(), 0u);
  EXPECT_EQ(journal_->disk_bytes(), 0u);
  EXPECT_EQ(journal_->BlockedReason(), "");
  EXPECT_THAT(ReadAll(*journal_, 0).records, IsEmpty());
  EXPECT_THAT(events_.all(), IsEmpty());
}

TEST_F(JournalTest, RecordsComeBackInOrderAsTheyWereAppended) {
  Open();
  Append({1, 3});
  Append({2});
  const Contents contents = ReadAll(*journal_, 0);
  ASSERT_EQ(contents.records.size(), 3u);
  EXPECT_THAT(contents.gaps, IsEmpty());
  const std::vector<std::pair<uint64_t, uint32_t>> want = {{0, 1}, {1, 3}, {4, 2}};
  for (size_t i = 0; i < want.size(); ++i) {
    const auto& record = contents.records[i];
    EXPECT_EQ(record.base, want[i].first);
    EXPECT_EQ(record.count, want[i].second);
    EXPECT_EQ(record.time_ns, RecordTime(record.base));
    EXPECT_EQ(record.bytes, RecordBytes(record.base, record.count));
  }
  EXPECT_EQ(journal_->next_offset(), 6u);
}

TEST_F(JournalTest, HeadAndBodyAreStoredBackToBack) {
  Open();
  const std::vector<Record> records = {
      {1, 7, "head", "body"}, {1, 7, "", "body"}, {1, 7, "head", ""}};
  ASSERT_THAT(journal_->Append(records), IsOk());
  const Contents contents = ReadAll(*journal_, 0);
  ASSERT_EQ(contents.records.size(), 3u);
  EXPECT_EQ(contents.records[0].bytes, "headbody");
  EXPECT_EQ(contents.records[1].bytes, "body");
  EXPECT_EQ(contents.records[2].bytes, "head");
}

TEST_F(JournalTest, TheExampleInFormatMdIsWhatIsWritten) {
  Open();
  const std::string head = absl::HexStringToBytes(
      "0a0964656661756c742f301a0b0880f2d6ca0610959aef3a220f3132372e302e302e313a34303030302a02050532"
      "0a");
  const Record record = {2, 1767225600123456789, head, "helloworld"};
  ASSERT_THAT(journal_->Append({&record, 1}), IsOk());
  EXPECT_EQ(absl::BytesToHexString(fs_.Content(SegmentPath(0))),
            "ce4af1a7013000003900000002000000"
            "000000000000000015cd55f551728618"
            "15cd55f551728618cbca0b4234ab536c"
            "0a0964656661756c742f301a0b0880f2"
            "d6ca0610959aef3a220f3132372e302e"
            "302e313a34303030302a020505320a68"
            "656c6c6f776f726c64");
}

TEST_F(JournalTest, AGroupIsOneWrite) {
  Open();
  const uint64_t before = fs_.CountOf(Op::kWrite);
  Append(std::vector<uint32_t>(341, 1));
  EXPECT_EQ(fs_.CountOf(Op::kWrite), before + 1);
  Append(std::vector<uint32_t>(342, 1));
  EXPECT_EQ(fs_.CountOf(Op::kWrite), before + 3);
  EXPECT_EQ(CheckConserved(*journal_, 0, 683), "");
}

TEST_F(JournalTest, ShortWritesAreGoneOnWith) {
  Open();
  fs_.SetWriteMax(7);
  Append({1, 5, 2});
  Append({3});
  EXPECT_EQ(CheckConserved(*journal_, 0, 11), "");
}

TEST_F(JournalTest, AnEmptyGroupStoresNothing) {
  Open();
  EXPECT_THAT(journal_->Append({}), IsOk());
  EXPECT_EQ(journal_->next_offset(), 0u);
  EXPECT_EQ(fs_.Content(SegmentPath(0)), "");
}

TEST_F(JournalTest, RecordsAgainstTheRulesAreRefusedAndNothingIsStored) {
  Open();
  Append({2});
  const std::string stored = fs_.Content(SegmentPath(0));
  // Only its size is looked at.
  const absl::string_view huge(stored.data(), uint64_t{1} << 32);
  const Record good = {1, 0, "", "x"};
  for (const Record& bad : {Record{0, 0, "", "x"}, Record{0, 0, "", ""}, Record{1, 0, "", ""},
                            Record{3, 0, "a", "b"}, Record{1, 0, "", huge}}) {
    EXPECT_THAT(journal_->Append(std::vector<Record>{good, bad}),
                StatusIs(absl::StatusCode::kInvalidArgument));
  }
  EXPECT_EQ(fs_.Content(SegmentPath(0)), stored);
  EXPECT_EQ(journal_->next_offset(), 2u);
  Append({4});
  EXPECT_EQ(CheckConserved(*journal_, 0, 6), "");
  EXPECT_THAT(events_.all(), IsEmpty());
}

TEST_F(JournalTest, ASegmentIsClosedBeforeItOutgrowsItsSize) {
  options_.segment_bytes = 3 * kRecordBytes;
  Open();
  AppendSizedTimes(7);
  EXPECT_THAT(SegmentBases(), ElementsAre(0, 3, 6));
  EXPECT_EQ(fs_.Content(SegmentPath(0)).size(), 3 * kRecordBytes);
  EXPECT_EQ(journal_->disk_bytes(), 7 * kRecordBytes);
  EXPECT_THAT(BasesFrom(0), ElementsAre(0, 1, 2, 3, 4, 5, 6));
}

TEST_F(JournalTest, AGroupIsNotDividedBetweenSegments) {
  options_.segment_bytes = 200;
  Open();
  Append({1});
  Append({1, 1, 1, 1, 1});  // larger than a segment
  Append({1});
  EXPECT_THAT(SegmentBases(), ElementsAre(0, 1, 6));
  EXPECT_EQ(CheckConserved(*journal_, 0, 7), "");
}

TEST_F(JournalTest, SegmentsAreNoLargerThanAQuarterOfWhatIsRetained) {
  options_.segment_bytes = 1 << 20;
  options_.retain_bytes = 8 * kRecordBytes;
  Open();
  AppendSizedTimes(3);
  EXPECT_THAT(SegmentBases(), ElementsAre(0, 2));
}

TEST_F(JournalTest, AReopenedJournalGoesOnWhereItEnded) {
  options_.segment_bytes = 300;
  Open();
  for (int i = 0; i < 20; ++i) Append({1, 2});
  const uint64_t disk_bytes = journal_->disk_bytes();
  Open();
  EXPECT_EQ(journal_->next_offset(), 60u);
  EXPECT_EQ(journal_->visible_end(), 60u);
  EXPECT_EQ(journal_->disk_bytes(), disk_bytes);
  Append({3});
  EXPECT_EQ(CheckConserved(*journal_, 0, 63), "");
}

TEST_F(JournalTest, ALockedFolderIsNotOpened) {
  Open();
  EXPECT_THAT(TryOpen().status(), StatusIs(absl::StatusCode::kFailedPrecondition));
  Append({1});
  journal_ = nullptr;
  EXPECT_THAT(TryOpen().status(), IsOk());
}

TEST(JournalOnDiskTest, ASecondOpenSaysWhoHasTheFolder) {
  const ScratchDir folder;
  FakeClock clock;
  Options options;
  options.dir = folder.path() + "/servers/default/0";
  Dependencies dependencies;
  dependencies.fs = &PosixFileSystem();
  dependencies.clock = &clock;
  auto first = Journal::Open(options, dependencies);
  ASSERT_THAT(first.status(), IsOk());
  ASSERT_THAT(AppendGroup(**first, {1, 2}), IsOk());

  const auto second = Journal::Open(options, dependencies);
  EXPECT_THAT(second.status(), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(second.status().ToString(), HasSubstr(absl::StrCat("(pid ", ::getpid(), ")")));

  first->reset();
  const auto third = Journal::Open(options, dependencies);
  ASSERT_THAT(third.status(), IsOk());
  EXPECT_EQ(CheckConserved(**third, 0, 3), "");
}

TEST_F(JournalTest, OptionsWithoutSenseAreRefused) {
  const Options sensible = options_;
  const auto refused = [&](const std::function<void(Options&)>& change) {
    options_ = sensible;
    change(options_);
    return TryOpen().status().code() == absl::StatusCode::kInvalidArgument;
  };
  EXPECT_TRUE(refused([](Options& o) { o.dir = ""; }));
  EXPECT_TRUE(refused([](Options& o) { o.segment_bytes = 0; }));
  EXPECT_TRUE(refused([](Options& o) { o.sync_interval = absl::ZeroDuration(); }));
  EXPECT_TRUE(refused([](Options& o) { o.retain_age = absl::Seconds(-1); }));
  EXPECT_FALSE(refused([](Options&) {}));
  EXPECT_THAT(Journal::Open(sensible, {&fs_, nullptr}).status(),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(Journal::Open(sensible, {nullptr, &clock_}).status(),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

class OffsetAtTimeTest : public JournalFixture {
 protected:
  uint64_t At(int64_t time_ns) const {
    const auto offset = journal_->OffsetAtTime(time_ns);
    EXPECT_THAT(offset.status(), IsOk());
    return offset.value_or(std::numeric_limits<uint64_t>::max());
  }
  void AppendAt(const std::vector<int64_t>& times) {
    for (const int64_t time : times) ASSERT_THAT(AppendSized(time), IsOk());
  }
};

TEST_F(OffsetAtTimeTest, IsTheFirstRecordReceivedThenOrLater) {
  options_.segment_bytes = 2 * kRecordBytes;
  Open();
  EXPECT_EQ(At(0), 0u);
  AppendAt({100, 200, 300, 300, 400});
  for (int opened = 0; opened < 2; ++opened) {
    EXPECT_EQ(At(std::numeric_limits<int64_t>::min()), 0u);
    EXPECT_EQ(At(100), 0u);
    EXPECT_EQ(At(101), 1u);
    EXPECT_EQ(At(200), 1u);
    EXPECT_EQ(At(201), 2u);
    EXPECT_EQ(At(300), 2u);
    EXPECT_EQ(At(301), 4u);
    EXPECT_EQ(At(400), 4u);
    EXPECT_EQ(At(401), 5u) << "none: the end";
    Open();
  }
}

TEST_F(OffsetAtTimeTest, RecordsFromWhenTheClockWentBackAreNotSkipped) {
  options_.segment_bytes = 2 * kRecordBytes;
  Open();
  AppendAt({100, 500, 200, 300, 600});
  for (int opened = 0; opened < 2; ++opened) {
    EXPECT_EQ(At(150), 1u);
    EXPECT_EQ(At(300), 1u);
    EXPECT_EQ(At(501), 4u);
    Open();
  }
}

TEST_F(OffsetAtTimeTest, IsNeverBelowTheFirstOffset) {
  options_.segment_bytes = 2 * kRecordBytes;
  options_.retain_bytes = 8 * kRecordBytes;
  Open();
  for (int i = 0; i < 20; ++i) AppendAt({100 * i});
  ASSERT_TRUE(Eventually([&] { return journal_->disk_bytes() <= options_.retain_bytes; }));
  EXPECT_EQ(At(0), journal_->first_offset());
  EXPECT_EQ(At(1900), 19u);
}

TEST_F(OffsetAtTimeTest, IsTheDamagedPlaceWhereItCannotBeKnown) {
  options_.segment_bytes = 4 * kRecordBytes;
  Open();
  AppendAt({100, 200, 300, 400, 500});
  Damage(SegmentPath(0), 2 * kRecordBytes + 9);  // in the third record's header
  EXPECT_EQ(At(200), 1u);
  EXPECT_EQ(At(400), 2u);
  EXPECT_EQ(At(500), 2u);
  EXPECT_EQ(At(501), 5u);
}

}  // namespace
}  // namespace center::journal
