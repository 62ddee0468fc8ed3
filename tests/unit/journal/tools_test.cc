#include "services/worker/journal/tools.h"

#include <utility>

#include "tests/unit/journal/fixture.h"
#include "tests/unit/journal/segments.h"

namespace center::journal {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// A journal of nine records of kRecordBytes in three segments, closed.
class ToolsTest : public JournalFixture {
 protected:
  void SetUp() override {
    options_.segment_bytes = 4 * kRecordBytes;
    Open();
    AppendSizedTimes(10);
    ASSERT_THAT(journal_->Flush(), IsOk());
    journal_ = nullptr;
  }

  VerifyReport VerifyNow() {
    const auto report = Verify(kDir, fs_);
    EXPECT_THAT(report.status(), IsOk());
    return report.value_or(VerifyReport());
  }
  RepairReport RepairNow() {
    const auto report = Repair(kDir, fs_);
    EXPECT_THAT(report.status(), IsOk());
    return report.value_or(RepairReport());
  }
  void CutTo(uint64_t base, size_t bytes) {
    fs_.SetContent(SegmentPath(base), fs_.Content(SegmentPath(base)).substr(0, bytes));
  }
  // The records and gaps that a reader of the reopened journal gets, as text.
  std::string WhatReadersGet() {
    Open();
    const Contents contents = ReadAll(*journal_, 0);
    EXPECT_THAT(contents.status, IsOk());
    std::vector<std::pair<uint64_t, std::string>> found;
    for (const auto& r : contents.records) found.emplace_back(r.base, absl::StrCat(r.base, " "));
    for (const Gap& gap : contents.gaps) {
      found.emplace_back(gap.from, absl::StrCat("[", gap.from, ",", gap.to, ") "));
    }
    std::sort(found.begin(), found.end());
    std::string text;
    for (const auto& [offset, item] : found) text += item;
    journal_ = nullptr;
    return text;
  }
  size_t CorruptFiles() const {
    const auto paths = fs_.Paths();
    return static_cast<size_t>(std::count_if(paths.begin(), paths.end(), [](const auto& path) {
      return absl::EndsWith(path, kCorruptSuffix);
    }));
  }
};

TEST_F(ToolsTest, VerifyFindsAnIntactJournalIntact) {
  const VerifyReport report = VerifyNow();
  EXPECT_TRUE(report.ok());
  EXPECT_EQ(report.segments, 3u);
  EXPECT_EQ(report.records, 10u);
  EXPECT_EQ(report.payloads, 10u);
  EXPECT_EQ(report.bytes, 10 * kRecordBytes);
  EXPECT_EQ(report.first_offset, 0u);
  EXPECT_EQ(report.end_offset, 10u);
  EXPECT_EQ(report.lost_payloads, 0u);
  EXPECT_EQ(report.corrupt_files, 0u);
  EXPECT_THAT(report.damages, IsEmpty());
}

TEST_F(ToolsTest, VerifyNamesADamagedPayload) {
  Damage(SegmentPath(4), 2 * kRecordBytes + kHeaderBytes + 1);
  const VerifyReport report = VerifyNow();
  EXPECT_FALSE(report.ok());
  EXPECT_EQ(report.records, 9u);
  EXPECT_EQ(report.lost_payloads, 1u);
  ASSERT_EQ(report.damages.size(), 1u);
  const auto& damage = report.damages[0];
  EXPECT_EQ(damage.kind, Damage::Kind::kPayload);
  EXPECT_EQ(damage.segment, SegmentName(4));
  EXPECT_EQ(damage.position, 2 * kRecordBytes);
  EXPECT_EQ(damage.bytes, kRecordBytes);
  EXPECT_EQ(damage.from_offset, 6u);
  EXPECT_EQ(damage.to_offset, 7u);
  EXPECT_THAT(damage.detail, HasSubstr("wrong checksum at byte 200"));
}

TEST_F(ToolsTest, VerifyNamesADamagedHeader) {
  Damage(SegmentPath(0), kRecordBytes);
  Damage(SegmentPath(0), 2 * kRecordBytes + 8);
  const VerifyReport report = VerifyNow();
  EXPECT_FALSE(report.ok());
  ASSERT_EQ(report.damages.size(), 1u) << "one place, up to the next record";
  EXPECT_EQ(report.damages[0].kind, Damage::Kind::kHeader);
  EXPECT_EQ(report.damages[0].position, kRecordBytes);
  EXPECT_EQ(report.damages[0].bytes, 2 * kRecordBytes);
  EXPECT_EQ(report.damages[0].from_offset, 1u);
  EXPECT_EQ(report.damages[0].to_offset, 3u);
  EXPECT_EQ(report.records, 8u);
}

TEST_F(ToolsTest, VerifyTakesATornTailForHarmless) {
  CutTo(8, kRecordBytes + 70);
  const VerifyReport report = VerifyNow();
  EXPECT_TRUE(report.ok());
  ASSERT_EQ(report.damages.size(), 1u);
  EXPECT_EQ(report.damages[0].kind, Damage::Kind::kIncompleteTail);
  EXPECT_EQ(report.damages[0].position, kRecordBytes);
  EXPECT_EQ(report.damages[0].bytes, 70u);
  EXPECT_EQ(report.lost_payloads, 0u);
  EXPECT_EQ(report.end_offset, 9u);
}

TEST_F(ToolsTest, VerifyTakesATornSegmentThatIsNotTheLastForDamage) {
  CutTo(4, 2 * kRecordBytes + 70);
  const VerifyReport report = VerifyNow();
  EXPECT_FALSE(report.ok());
  ASSERT_EQ(report.damages.size(), 1u);
  EXPECT_EQ(report.damages[0].kind, Damage::Kind::kHeader);
  EXPECT_EQ(report.damages[0].from_offset, 6u);
  EXPECT_EQ(report.damages[0].to_offset, 8u);
}

TEST_F(ToolsTest, VerifyCountsRecordsThatAreMissingAltogether) {
  CutTo(4, 2 * kRecordBytes);
  const VerifyReport report = VerifyNow();
  EXPECT_TRUE(report.ok()) << "there is nothing to repair";
  ASSERT_EQ(report.damages.size(), 1u);
  EXPECT_EQ(report.damages[0].kind, Damage::Kind::kMissing);
  EXPECT_EQ(report.lost_payloads, 2u);
}

TEST_F(ToolsTest, VerifySaysThatTheLowOffsetIsDamaged) {
  ASSERT_THAT(WriteLowOffset(fs_, kDir, 4), IsOk());
  EXPECT_EQ(VerifyNow().first_offset, 4u);
  EXPECT_EQ(VerifyNow().records, 6u) << "what stands below counts as deleted";
  Damage(PathOf(kLowName), 2);
  const VerifyReport report = VerifyNow();
  EXPECT_EQ(report.records, 10u);
  ASSERT_EQ(report.damages.size(), 1u);
  EXPECT_EQ(report.damages[0].segment, kLowName);
}

TEST_F(ToolsTest, AFolderWithoutAJournalIsNotFound) {
  EXPECT_THAT(Verify("/elsewhere", fs_).status(), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(Repair("/elsewhere", fs_).status(), StatusIs(absl::StatusCode::kNotFound));
  const auto ignore = [](const DumpRecord&) { return true; };
  EXPECT_THAT(Dump("/elsewhere", 0, ignore, nullptr, fs_), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(Verify("/nonexistent/center").status(), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(ToolsTest, VerifyAndDumpWorkBesideAWorkerAndChangeNothing) {
  Open();
  AppendSizedTimes(1);
  const uint64_t ops = fs_.ops();
  EXPECT_EQ(VerifyNow().records, 11u);
  uint64_t records = 0;
  const auto count = [&](const DumpRecord&) { return ++records > 0; };
  EXPECT_THAT(Dump(kDir, 0, count, nullptr, fs_), IsOk());
  EXPECT_EQ(records, 11u);
  EXPECT_EQ(fs_.ops(), ops);
}

TEST_F(ToolsTest, DumpGivesTheRecordsInOrderAndTheDamageInBetween) {
  Damage(SegmentPath(4), kRecordBytes + kHeaderBytes);
  std::vector<std::string> found;
  const absl::Status dumped = Dump(
      kDir, 3,
      [&](const DumpRecord& r) {
        EXPECT_TRUE(absl::StartsWith(r.bytes, absl::StrCat(r.base_offset, ":")));
        found.push_back(absl::StrCat(r.segment, "@", r.position, ": ", r.base_offset));
        return r.base_offset < 6;
      },
      [&](const journal::Damage& damage) {
        found.push_back(absl::StrCat("lost ", damage.from_offset, " to ", damage.to_offset));
      },
      fs_);
  EXPECT_THAT(dumped, IsOk());
  EXPECT_THAT(found, ElementsAre("00000000000000000000.seg@300: 3", "00000000000000000004.seg@0: 4",
                                 "lost 5 to 6", "00000000000000000004.seg@200: 6"));
}

TEST_F(ToolsTest, RepairLeavesAnIntactJournalAlone) {
  const std::vector<std::string> paths = fs_.Paths();
  const uint64_t ops = fs_.ops();
  const RepairReport report = RepairNow();
  EXPECT_TRUE(report.before.ok());
  EXPECT_EQ(report.rewritten_segments, 0u);
  EXPECT_EQ(report.truncated_bytes, 0u);
  EXPECT_THAT(report.corrupt_files, IsEmpty());
  EXPECT_EQ(fs_.Paths(), paths);
  EXPECT_EQ(fs_.ops(), ops);
}

TEST_F(ToolsTest, RepairCutsOffATornTail) {
  CutTo(8, kRecordBytes + 70);
  const RepairReport report = RepairNow();
  EXPECT_EQ(report.truncated_bytes, 70u);
  EXPECT_EQ(report.rewritten_segments, 0u);
  EXPECT_EQ(fs_.Content(SegmentPath(8)).size(), kRecordBytes);
  EXPECT_THAT(VerifyNow().damages, IsEmpty());
}

TEST_F(ToolsTest, RepairTakesDamageOutKeepsItAndChangesNothingForReaders) {
  Damage(SegmentPath(0), kRecordBytes + 3);
  Damage(SegmentPath(0), 3 * kRecordBytes + kHeaderBytes);
  Damage(SegmentPath(4), 2 * kRecordBytes + kHeaderBytes);
  const std::string damaged = fs_.Content(SegmentPath(0));
  const std::string want = "0 [1,2) 2 [3,4) 4 5 [6,7) 7 8 9 ";

  const RepairReport report = RepairNow();
  EXPECT_FALSE(report.before.ok());
  EXPECT_EQ(report.rewritten_segments, 2u);
  EXPECT_THAT(report.corrupt_files, ElementsAre("00000000000000000000.seg.100.corrupt",
                                                "00000000000000000000.seg.300.corrupt",
                                                "00000000000000000004.seg.200.corrupt"));
  EXPECT_EQ(fs_.Content(PathOf(report.corrupt_files[0])), damaged.substr(100, 100));
  EXPECT_EQ(fs_.Content(PathOf(report.corrupt_files[1])), damaged.substr(300, 100));
  EXPECT_EQ(fs_.Content(SegmentPath(0)), damaged.substr(0, 100) + damaged.substr(200, 100));
  const VerifyReport after = VerifyNow();
  EXPECT_TRUE(after.ok());
  EXPECT_EQ(after.records, 7u);
  EXPECT_EQ(after.corrupt_files, 3u);
  EXPECT_EQ(WhatReadersGet(), want);
  EXPECT_EQ(RepairNow().rewritten_segments, 0u) << "once is enough";
}

TEST_F(ToolsTest, ReadersOfTheDamagedJournalGetTheSameGaps) {
  Damage(SegmentPath(0), kRecordBytes + 3);
  Damage(SegmentPath(4), 2 * kRecordBytes + kHeaderBytes);
  const std::string before = WhatReadersGet();
  EXPECT_EQ(before, "0 [1,2) 2 3 4 5 [6,7) 7 8 9 ");
  RepairNow();
  EXPECT_EQ(WhatReadersGet(), before);
}

TEST_F(ToolsTest, OffsetsLostAtTheEndAreNotGivenOutAgain) {
  Damage(SegmentPath(8), kRecordBytes + kHeaderBytes);  // the payload of 9, the last
  EXPECT_EQ(RepairNow().rewritten_segments, 1u);
  EXPECT_TRUE(VerifyNow().ok());
  EXPECT_EQ(VerifyNow().end_offset, 10u);
  EXPECT_EQ(WhatReadersGet(), "0 1 2 3 4 5 6 7 8 [9,10) ");
  Open();
  EXPECT_EQ(journal_->next_offset(), 10u);
}

TEST_F(ToolsTest, RepairKeepsAllDamageEvenAtAPlaceThatWasDamagedBefore) {
  Damage(SegmentPath(4), kRecordBytes + kHeaderBytes);
  const std::string first = fs_.Content(SegmentPath(4)).substr(kRecordBytes, kRecordBytes);
  RepairNow();
  Damage(SegmentPath(4), kRecordBytes + kHeaderBytes);  // the next record stands there now
  const std::string second = fs_.Content(SegmentPath(4)).substr(kRecordBytes, kRecordBytes);
  const RepairReport report = RepairNow();
  ASSERT_EQ(report.corrupt_files.size(), 1u);
  EXPECT_EQ(fs_.Content(PathOf(report.corrupt_files[0])), second);
  EXPECT_EQ(fs_.Content(SegmentPath(4) + ".100.corrupt"), first);
  EXPECT_EQ(CorruptFiles(), 2u);
}

TEST_F(ToolsTest, RepairKeepsAWorkersJournalAlone) {
  Damage(SegmentPath(4), kRecordBytes + kHeaderBytes);
  Open();
  const std::string before = fs_.Content(SegmentPath(4));
  EXPECT_THAT(Repair(kDir, fs_).status(), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_EQ(fs_.Content(SegmentPath(4)), before);
}

TEST_F(ToolsTest, ANewerFormatIsNotTouched) {
  std::string newer(kHeaderBytes, 'n');
  newer.replace(0, 4, std::string(kMagic));
  newer[4] = kFormatVersion + 1;
  newer[5] = kHeaderBytes;
  const uint32_t crc = Crc32c(absl::string_view(newer).substr(0, kHeaderBytes - 4));
  std::memcpy(newer.data() + kHeaderBytes - 4, &crc, sizeof crc);
  fs_.SetContent(SegmentPath(8), fs_.Content(SegmentPath(8)) + newer);
  const uint64_t ops = fs_.ops();
  EXPECT_THAT(Verify(kDir, fs_).status(), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(Repair(kDir, fs_).status(), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(TryOpen().status(), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_EQ(fs_.ops(), ops);
}

// A power loss at every step of a repair: what was intact stays, what was lost stays a gap, and
// repairing once more finishes the work.
TEST_F(ToolsTest, ARepairThatIsCutShortCanBeRepeated) {
  Damage(SegmentPath(0), kRecordBytes + 3);
  Damage(SegmentPath(4), 2 * kRecordBytes + kHeaderBytes);
  Damage(SegmentPath(8), kRecordBytes + kHeaderBytes);
  std::vector<std::pair<std::string, std::string>> damaged;
  for (const std::string& path : fs_.Paths()) damaged.emplace_back(path, fs_.Content(path));
  int crashes = 0;
  for (bool crashed = true; crashed; ++crashes) {
    for (const std::string& path : fs_.Paths()) ASSERT_THAT(fs_.Remove(path), IsOk());
    ASSERT_THAT(fs_.SyncDirectory(kDir), IsOk());
    for (const auto& [path, content] : damaged) fs_.SetContent(path, content);

    fs_.CrashAtOp(fs_.ops() + static_cast<uint64_t>(crashes), true);
    const auto cut_short = Repair(kDir, fs_);
    crashed = fs_.crashed();
    EXPECT_EQ(cut_short.ok(), !crashed);
    fs_.Restart(journal::Crash::kPowerLoss);
    RepairNow();
    EXPECT_TRUE(VerifyNow().ok()) << "crash " << crashes;
    EXPECT_EQ(CorruptFiles(), 3u) << "crash " << crashes;
    EXPECT_EQ(WhatReadersGet(), "0 [1,2) 2 3 4 5 [6,7) 7 8 [9,10) ") << "crash " << crashes;
  }
  EXPECT_GT(crashes, 20);
}

}  // namespace
}  // namespace center::journal
