#include "services/worker/journal/reader.h"

#include <thread>

#include "tests/unit/journal/fixture.h"

namespace center::journal {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class ReaderTest : public JournalFixture {
 protected:
  static std::vector<uint64_t> BasesOf(const absl::StatusOr<Reader::Result>& result) {
    EXPECT_THAT(result.status(), IsOk());
    std::vector<uint64_t> bases;
    if (!result.ok()) return bases;
    for (const RecordView& record : result->records) bases.push_back(record.base_offset);
    return bases;
  }
};

TEST_F(ReaderTest, StartsAtTheBeginningOrInTheMiddle) {
  Open();
  Append({1, 1, 1});
  Append({1, 1});
  EXPECT_THAT(BasesFrom(0), ElementsAre(0, 1, 2, 3, 4));
  EXPECT_THAT(BasesFrom(3), ElementsAre(3, 4));
  EXPECT_THAT(BasesFrom(5), IsEmpty());
}

TEST_F(ReaderTest, ARecordThatHoldsTheStartInItsMiddleIsReturnedWhole) {
  Open();
  Append({3, 5, 2});
  for (const uint64_t start : {3u, 4u, 7u}) {
    EXPECT_THAT(BasesFrom(start), ElementsAre(3, 8)) << start;
  }
  EXPECT_THAT(BasesFrom(9), ElementsAre(8));
}

TEST_F(ReaderTest, EveryStartWorksInEverySegment) {
  options_.segment_bytes = 400;
  options_.retain_bytes = 0;
  Open();
  for (int i = 0; i < 40; ++i) Append({1, 2});
  ASSERT_GT(SegmentBases().size(), 5u);
  for (int opened = 0; opened < 2; ++opened) {
    for (uint64_t start = 0; start < 120; ++start) {
      const Contents contents = ReadAll(*journal_, start);
      ASSERT_THAT(contents.gaps, IsEmpty());
      ASSERT_FALSE(contents.records.empty()) << start;
      EXPECT_LE(contents.records.front().base, start);
      EXPECT_GT(contents.records.front().base + contents.records.front().count, start);
      EXPECT_EQ(contents.records.back().base, 118u);
    }
    Open();
  }
}

TEST_F(ReaderTest, ReadsAcrossSegmentsInOrder) {
  options_.segment_bytes = 400;
  options_.retain_bytes = 0;
  Open();
  for (int i = 0; i < 40; ++i) Append({1, 2});
  for (const size_t max_bytes : {1u, 50u, 300u, 1u << 20}) {
    const Contents contents = ReadAll(*journal_, 0, max_bytes);
    EXPECT_EQ(contents.records.size(), 80u) << max_bytes;
    EXPECT_THAT(contents.gaps, IsEmpty());
  }
  EXPECT_EQ(CheckConserved(*journal_, 0, 120), "");
}

TEST_F(ReaderTest, ReturnsAboutAsMuchAsAskedForButAtLeastOneRecord) {
  Open();
  AppendSizedTimes(10);
  const auto reader = journal_->NewReader(0);
  EXPECT_THAT(BasesOf(reader->Read(1)), ElementsAre(0));
  EXPECT_THAT(BasesOf(reader->Read(2 * kRecordBytes)), ElementsAre(1, 2));
  EXPECT_THAT(BasesOf(reader->Read(3 * kRecordBytes + 50)), ElementsAre(3, 4, 5));
  EXPECT_EQ(reader->next_offset(), 6u);
  EXPECT_THAT(BasesOf(reader->Read(1 << 20)), ElementsAre(6, 7, 8, 9));
  EXPECT_THAT(BasesOf(reader->Read(1 << 20)), IsEmpty());
}

TEST_F(ReaderTest, TheBytesBeforeARecordAreFreeToOverwrite) {
  Open();
  Append({1, 2, 3});
  const auto result = journal_->NewReader(0)->Read(1 << 20);
  ASSERT_THAT(result.status(), IsOk());
  ASSERT_EQ(result->records.size(), 3u);
  for (const RecordView& record : result->records) {
    EXPECT_EQ(record.slack_before, 48u);
    const size_t at = static_cast<size_t>(record.bytes.data() - result->buffer->data());
    ASSERT_GE(at, record.slack_before);
    std::fill_n(result->buffer->data() + at - record.slack_before, record.slack_before, '!');
  }
  for (const RecordView& record : result->records) {
    EXPECT_EQ(std::string(record.bytes), RecordBytes(record.base_offset, record.count));
  }
  EXPECT_EQ(CheckConserved(*journal_, 0, 6), "") << "the buffer is a copy";
}

TEST_F(ReaderTest, GoesOnAtTheTailWhenMoreIsWritten) {
  options_.segment_bytes = 3 * kRecordBytes;
  Open();
  const auto reader = journal_->NewReader(0);
  EXPECT_THAT(BasesOf(reader->Read(1 << 20)), IsEmpty());
  for (uint64_t i = 0; i < 10; ++i) {
    AppendSizedTimes(1);
    EXPECT_THAT(BasesOf(reader->Read(1 << 20)), ElementsAre(i));
    EXPECT_THAT(BasesOf(reader->Read(1 << 20)), IsEmpty());
  }
}

TEST_F(ReaderTest, AReaderAheadOfTheEndWaitsForItsOffset) {
  Open();
  const auto reader = journal_->NewReader(2);
  AppendSizedTimes(2);
  EXPECT_THAT(BasesOf(reader->Read(1 << 20)), IsEmpty());
  AppendSizedTimes(2);
  EXPECT_THAT(BasesOf(reader->Read(1 << 20)), ElementsAre(2, 3));
}

TEST_F(ReaderTest, ReadersBesideTheWriterMissNothing) {
  constexpr uint64_t kGroups = 2000;
  options_.segment_bytes = 4000;
  options_.retain_bytes = 0;
  Open();
  const auto follow = [&](uint64_t* next, size_t max_bytes) {
    const auto reader = journal_->NewReader(0);
    EXPECT_TRUE(Eventually([&] {
      for (;;) {
        const auto result = reader->Read(max_bytes);
        if (!result.ok() || result->gap || result->records.empty()) break;
        for (const RecordView& record : result->records) {
          if (record.base_offset != *next ||
              record.bytes != absl::string_view(RecordBytes(*next, record.count))) {
            return false;  // and so for ever: the deadline says it
          }
          *next += record.count;
        }
      }
      return *next == 3 * kGroups;
    }));
  };
  uint64_t next[3] = {};
  std::vector<std::thread> readers;
  for (size_t i = 0; i < 3; ++i) readers.emplace_back(follow, &next[i], 100 + i * 1000);
  for (uint64_t i = 0; i < kGroups; ++i) EXPECT_THAT(AppendGroup(*journal_, {1, 2}), IsOk());
  for (auto& reader : readers) reader.join();
  EXPECT_THAT(next, ElementsAre(3 * kGroups, 3 * kGroups, 3 * kGroups));
}

TEST_F(ReaderTest, BelowTheFirstOffsetTheFirstReadIsAGap) {
  options_.segment_bytes = 2 * kRecordBytes;
  options_.retain_bytes = 8 * kRecordBytes;
  Open();
  AppendSizedTimes(20);
  ASSERT_TRUE(Eventually([&] { return journal_->first_offset() == 12; }));
  const Contents contents = ReadAll(*journal_, 3);
  ASSERT_EQ(contents.gaps.size(), 1u);
  EXPECT_THAT(contents.gaps[0], IsGap(3, 12));
  EXPECT_EQ(contents.gaps[0].reason, Gap::Reason::kRetention);
  ASSERT_EQ(contents.records.size(), 8u);
  EXPECT_EQ(contents.records[0].base, 12u);
}

TEST_F(ReaderTest, ASegmentThatIsDeletedUnderAReaderIsReadToItsEnd) {
  options_.segment_bytes = 4 * kRecordBytes;
  options_.retain_bytes = 16 * kRecordBytes;
  Open();
  AppendSizedTimes(8);
  const auto reader = journal_->NewReader(0);
  EXPECT_THAT(BasesOf(reader->Read(kRecordBytes)), ElementsAre(0));
  AppendSizedTimes(24);
  ASSERT_TRUE(Eventually([&] { return journal_->first_offset() == 16; }));

  EXPECT_THAT(BasesOf(reader->Read(1 << 20)), ElementsAre(1, 2, 3));
  const auto gap = reader->Read(1 << 20);
  ASSERT_THAT(gap.status(), IsOk());
  ASSERT_TRUE(gap->gap.has_value());
  EXPECT_THAT(*gap->gap, IsGap(4, 16));
  EXPECT_THAT(BasesOf(reader->Read(1 << 20)), ElementsAre(16, 17, 18, 19));
}

TEST_F(ReaderTest, DamageIsAGapOfExactlyTheRecordsThatAreLost) {
  options_.segment_bytes = 4 * kRecordBytes;
  Open();
  AppendSizedTimes(10);
  Damage(SegmentPath(4), kRecordBytes + kHeaderBytes + 5);  // the payload of 5
  const Contents contents = ReadAll(*journal_, 0);
  ASSERT_EQ(contents.gaps.size(), 1u);
  EXPECT_THAT(contents.gaps[0], IsGap(5, 6));
  EXPECT_EQ(contents.gaps[0].reason, Gap::Reason::kCorruption);
  EXPECT_THAT(contents.gaps[0].detail, HasSubstr("wrong checksum"));
  EXPECT_THAT(BasesFrom(0), ElementsAre(0, 1, 2, 3, 4, 6, 7, 8, 9));
}

TEST_F(ReaderTest, DamageIsKeptAsideCountedAndReportedOnce) {
  options_.segment_bytes = 4 * kRecordBytes;
  Open();
  AppendSizedTimes(10);
  Damage(SegmentPath(4), kRecordBytes + 20);  // the header of 5
  for (int i = 0; i < 3; ++i) EXPECT_EQ(ReadAll(*journal_, 0).gaps.size(), 1u);
  EXPECT_EQ(journal_->corrupt_records(), 1u);
  ASSERT_EQ(events_.all().size(), 1u);
  const JournalEvent event = events_.all()[0];
  EXPECT_EQ(event.type, JournalEvent::Type::kCorruption);
  EXPECT_EQ(event.from, 5u);
  EXPECT_EQ(event.to, 6u);
  EXPECT_EQ(fs_.Content(SegmentPath(4) + ".100.corrupt"),
            fs_.Content(SegmentPath(4)).substr(100, 100));
}

TEST_F(ReaderTest, AMissingSegmentIsAGap) {
  options_.segment_bytes = 4 * kRecordBytes;
  Open();
  AppendSizedTimes(10);
  ASSERT_THAT(fs_.Remove(SegmentPath(4)), IsOk());
  const Contents contents = ReadAll(*journal_, 0);
  ASSERT_EQ(contents.gaps.size(), 1u);
  EXPECT_THAT(contents.gaps[0], IsGap(4, 8));
  EXPECT_EQ(contents.gaps[0].reason, Gap::Reason::kCorruption);
  EXPECT_THAT(BasesFrom(0), ElementsAre(0, 1, 2, 3, 8, 9));
}

TEST_F(ReaderTest, AReadErrorIsNoDamageAndTheSameCallMayBeRepeated) {
  Open();
  AppendSizedTimes(4);
  const auto reader = journal_->NewReader(0);
  EXPECT_THAT(BasesOf(reader->Read(kRecordBytes)), ElementsAre(0));
  fs_.SetReadStatus(absl::UnknownError("EIO"));
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(reader->Read(1 << 20).status(), StatusIs(absl::StatusCode::kUnknown));
  }
  EXPECT_THAT(journal_->NewReader(1)->Read(1 << 20).status(), StatusIs(absl::StatusCode::kUnknown));
  fs_.SetReadStatus(absl::OkStatus());
  EXPECT_THAT(BasesOf(reader->Read(1 << 20)), ElementsAre(1, 2, 3));
  EXPECT_EQ(journal_->corrupt_records(), 0u);
}

TEST_F(ReaderTest, MayOutliveItsJournal) {
  options_.segment_bytes = 2 * kRecordBytes;
  Open();
  AppendSizedTimes(5);
  const auto reader = journal_->NewReader(0);
  EXPECT_THAT(BasesOf(reader->Read(1)), ElementsAre(0));
  journal_ = nullptr;
  EXPECT_THAT(BasesOf(reader->Read(1 << 20)), ElementsAre(1));
  EXPECT_THAT(BasesOf(reader->Read(1 << 20)), ElementsAre(2, 3));
  EXPECT_THAT(BasesOf(reader->Read(1 << 20)), ElementsAre(4));
  EXPECT_THAT(BasesOf(reader->Read(1 << 20)), IsEmpty());
}

}  // namespace
}  // namespace center::journal
