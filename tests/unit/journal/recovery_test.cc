// Damage at every byte: what Open and the readers make of it.
#include "services/worker/journal/recovery.h"

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/worker/journal/layout.h"
#include "tests/unit/journal/segments.h"

namespace center::journal {
namespace {

using Type = JournalEvent::Type;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

std::string PathOf(uint64_t base) { return JoinPath(kDir, SegmentName(base)); }

// A folder with segments, opened like a worker opens it. Each reopening has an event log of its
// own.
class Bench {
 public:
  explicit Bench(const std::vector<std::pair<uint64_t, std::string>>& segments) {
    for (const auto& [base, bytes] : segments) fs_.SetContent(PathOf(base), bytes);
  }

  absl::Status Open() {
    journal_.reset();
    events_ = std::make_unique<EventLog>();
    Options options;
    options.dir = kDir;
    auto opened = Journal::Open(options, {&fs_, &clock_, nullptr, events_->Sink()});
    if (!opened.ok()) return opened.status();
    journal_ = std::move(*opened);
    return absl::OkStatus();
  }
  void Close() { journal_.reset(); }

  FaultFs& fs() { return fs_; }
  Journal& journal() { return *journal_; }
  const EventLog& events() const { return *events_; }

 private:
  FaultFs fs_;
  FakeClock clock_;
  std::unique_ptr<EventLog> events_;
  std::unique_ptr<Journal> journal_;
};

// Everything in `contents` is a record of `s` as it was written, in order, and the records without
// number `lost` are all there.
void ExpectAllBut(const BuiltSegment& s, size_t lost, const Contents& contents) {
  std::vector<uint64_t> expected;
  for (size_t i = 0; i < s.records.size(); ++i) {
    if (i != lost) expected.push_back(s.records[i].base);
  }
  std::vector<uint64_t> found;
  for (const auto& item : contents.records) {
    found.push_back(item.base);
    EXPECT_EQ(item.bytes, RecordBytes(item.base, item.count));
    EXPECT_EQ(item.time_ns, RecordTime(item.base));
  }
  EXPECT_EQ(found, expected);
  EXPECT_TRUE(contents.status.ok()) << contents.status;
}

// Appends to a recovered journal, opens it once more, and wants everything from `from` to the end.
void ExpectAppendsGoOn(Bench& bench) {
  const uint64_t from = bench.journal().next_offset();
  ASSERT_TRUE(AppendGroup(bench.journal(), {2, 3}).ok());
  ASSERT_EQ(CheckConserved(bench.journal(), from, from + 5), "");
  ASSERT_TRUE(bench.Open().ok());
  EXPECT_EQ(bench.journal().next_offset(), from + 5);
  EXPECT_THAT(bench.events().all(), IsEmpty()) << "what was dealt with is not met again";
  EXPECT_EQ(CheckConserved(bench.journal(), from, from + 5), "");
}

const std::vector<uint32_t> kCounts = {1, 4, 2, 7};

TEST(RecoveryTest, TheWriterWritesWhatTheFormatSays) {
  const BuiltSegment s = BuildSegment(0, kCounts);
  Bench bench({});
  ASSERT_TRUE(bench.Open().ok());
  ASSERT_TRUE(AppendGroup(bench.journal(), {kCounts[0], kCounts[1]}).ok());
  ASSERT_TRUE(AppendGroup(bench.journal(), {kCounts[2], kCounts[3]}).ok());
  EXPECT_EQ(bench.fs().Content(PathOf(0)), s.bytes);
}

TEST(RecoveryTest, AnIntactSegmentIsOpenedWithoutAWord) {
  const BuiltSegment s = BuildSegment(9, kCounts);
  Bench bench({{9, s.bytes}});
  ASSERT_TRUE(bench.Open().ok());
  EXPECT_EQ(bench.journal().first_offset(), 9u);
  EXPECT_EQ(bench.journal().next_offset(), s.end_offset);
  EXPECT_EQ(bench.journal().visible_end(), s.end_offset);
  EXPECT_THAT(bench.events().all(), IsEmpty());
  const Contents contents = ReadAll(bench.journal(), 9);
  ExpectAllBut(s, s.records.size(), contents);
  EXPECT_THAT(contents.gaps, IsEmpty());
  ExpectAppendsGoOn(bench);
}

TEST(RecoveryTest, TruncationAtEveryByteKeepsTheIntactRecordsAndCutsTheRest) {
  const BuiltSegment s = BuildSegment(9, kCounts);
  for (size_t size = 0; size <= s.bytes.size(); ++size) {
    SCOPED_TRACE(size);
    size_t whole = 0;
    while (whole < s.records.size() && s.records[whole].end_position() <= size) ++whole;
    const uint64_t end_position = whole == 0 ? 0 : s.records[whole - 1].end_position();
    const uint64_t end_offset = whole == 0 ? 9 : s.records[whole - 1].end();
    const std::vector<uint32_t> counts(kCounts.begin(),
                                       kCounts.begin() + static_cast<std::ptrdiff_t>(whole));

    Bench bench({{9, s.bytes.substr(0, size)}});
    ASSERT_TRUE(bench.Open().ok());
    EXPECT_EQ(bench.journal().next_offset(), end_offset);
    EXPECT_EQ(bench.fs().Content(PathOf(9)), s.bytes.substr(0, end_position));
    EXPECT_THAT(bench.events().all(), SizeIs(size == end_position ? 0 : 1));
    EXPECT_EQ(bench.events().Count(Type::kTailTruncated), size == end_position ? 0u : 1u);
    EXPECT_EQ(bench.journal().corrupt_records(), 0u);
    const Contents contents = ReadAll(bench.journal(), 9);
    ExpectAllBut(BuildSegment(9, counts), whole, contents);
    EXPECT_THAT(contents.gaps, IsEmpty());
    ExpectAppendsGoOn(bench);
    if (HasFailure()) return;
  }
}

// Number of the record that holds the byte.
size_t RecordOfByte(const BuiltSegment& s, size_t at) {
  size_t i = 0;
  while (s.records[i].end_position() <= at) ++i;
  return i;
}

// One bit of the last segment flipped: the record it is in is lost, said to be lost, and kept.
void CheckFlipInLastSegment(const BuiltSegment& s, size_t at, int bit) {
  std::string bytes = s.bytes;
  bytes[at] = static_cast<char>(bytes[at] ^ (1 << bit));
  const size_t lost = RecordOfByte(s, at);
  const PlacedRecord& record = s.records[lost];
  const bool in_header = at < record.position + kHeaderBytes;
  // Without a header and without a successor nobody knows how many offsets it took.
  const bool unbounded = in_header && lost + 1 == s.records.size();
  const uint64_t lost_end = unbounded ? record.base + record.bytes : record.end();

  Bench bench({{9, bytes}});
  ASSERT_TRUE(bench.Open().ok());
  ASSERT_THAT(bench.events().all(), SizeIs(1));
  const JournalEvent event = bench.events().all()[0];
  EXPECT_EQ(event.type, Type::kCorruption);
  EXPECT_EQ(event.from, record.base);
  EXPECT_EQ(event.to, lost_end);
  const std::string kept = absl::StrCat(SegmentName(9), ".", record.position, ".corrupt");
  EXPECT_THAT(event.detail, HasSubstr(kept));
  EXPECT_EQ(bench.fs().Content(JoinPath(kDir, kept)), bytes.substr(record.position, record.bytes));
  EXPECT_EQ(bench.fs().Content(PathOf(9)), bytes) << "damage is left as it is";

  const Contents contents = ReadAll(bench.journal(), 9);
  ExpectAllBut(s, lost, contents);
  ASSERT_THAT(contents.gaps, SizeIs(1));
  EXPECT_EQ(contents.gaps[0].reason, Gap::Reason::kCorruption);
  EXPECT_EQ(contents.gaps[0].from, record.base);
  EXPECT_EQ(contents.gaps[0].to, lost_end);
  EXPECT_EQ(bench.journal().corrupt_records(), 1u);
  EXPECT_EQ(bench.events().Count(Type::kCorruption), 1u) << "the reader does not report it again";
  ExpectAppendsGoOn(bench);
}

TEST(RecoveryTest, ABitFlipAtEveryByteCostsOneRecordAndSaysSo) {
  const BuiltSegment s = BuildSegment(9, kCounts);
  for (size_t at = 0; at < s.bytes.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      SCOPED_TRACE(absl::StrCat("byte ", at, " bit ", bit));
      CheckFlipInLastSegment(s, at, bit);
      if (HasFatalFailure() || HasNonfatalFailure()) return;
    }
  }
}

TEST(RecoveryTest, ABitFlipInAnOlderSegmentIsFoundByTheReader) {
  const BuiltSegment s = BuildSegment(9, kCounts);
  const BuiltSegment next = BuildSegment(s.end_offset, {3});
  for (size_t at = 0; at < s.bytes.size(); ++at) {
    SCOPED_TRACE(at);
    std::string bytes = s.bytes;
    bytes[at] ^= 0x10;
    const size_t lost = RecordOfByte(s, at);
    const PlacedRecord& record = s.records[lost];
    Bench bench({{9, bytes}, {s.end_offset, next.bytes}});
    ASSERT_TRUE(bench.Open().ok());
    EXPECT_THAT(bench.events().all(), IsEmpty()) << "older segments are not read by Open";

    Contents contents = ReadAll(bench.journal(), 9);
    ASSERT_THAT(contents.records, SizeIs(kCounts.size()));
    EXPECT_EQ(contents.records.back().base, s.end_offset);
    contents.records.pop_back();
    ExpectAllBut(s, lost, contents);
    ASSERT_THAT(contents.gaps, SizeIs(1));
    EXPECT_EQ(contents.gaps[0].reason, Gap::Reason::kCorruption);
    EXPECT_EQ(contents.gaps[0].from, record.base);
    EXPECT_EQ(contents.gaps[0].to, record.end());
    EXPECT_EQ(bench.events().Count(Type::kCorruption), 1u);
    const std::string kept = absl::StrCat(PathOf(9), ".", record.position, ".corrupt");
    EXPECT_EQ(bench.fs().Content(kept), bytes.substr(record.position, record.bytes));
    // A second reader meets the same gap, and nobody is told twice.
    EXPECT_THAT(ReadAll(bench.journal(), 9).gaps, SizeIs(1));
    EXPECT_EQ(bench.events().Count(Type::kCorruption), 1u);
    if (HasFailure()) return;
  }
}

TEST(RecoveryTest, TruncationOfAnOlderSegmentIsAGapUpToTheNextOne) {
  const BuiltSegment s = BuildSegment(9, kCounts);
  const BuiltSegment next = BuildSegment(s.end_offset, {3});
  for (size_t size = 0; size < s.bytes.size(); ++size) {
    SCOPED_TRACE(size);
    size_t whole = 0;
    while (s.records[whole].end_position() <= size) ++whole;
    Bench bench({{9, s.bytes.substr(0, size)}, {s.end_offset, next.bytes}});
    ASSERT_TRUE(bench.Open().ok());
    const Contents contents = ReadAll(bench.journal(), 9);
    EXPECT_THAT(contents.records, SizeIs(whole + 1));
    ASSERT_THAT(contents.gaps, SizeIs(1));
    EXPECT_EQ(contents.gaps[0].from, s.records[whole].base);
    EXPECT_EQ(contents.gaps[0].to, s.end_offset);
    EXPECT_EQ(CheckConserved(bench.journal(), s.end_offset, s.end_offset + 3), "");
    EXPECT_EQ(bench.fs().Content(PathOf(9)), s.bytes.substr(0, size)) << "nothing is cut off there";
    if (HasFailure()) return;
  }
}

TEST(RecoveryTest, ARecordThatReachesIntoTheNextSegmentIsNotReadTwice) {
  const BuiltSegment s = BuildSegment(0, {4, 6});
  Bench bench({{0, s.bytes}, {8, BuildSegment(8, {3}).bytes}});
  ASSERT_TRUE(bench.Open().ok());
  const Contents contents = ReadAll(bench.journal(), 0);
  ASSERT_THAT(contents.records, SizeIs(2));
  EXPECT_EQ(contents.records[1].base, 8u);
  ASSERT_THAT(contents.gaps, SizeIs(1));
  EXPECT_EQ(contents.gaps[0].from, 4u);
  EXPECT_EQ(contents.gaps[0].to, 8u);
}

TEST(RecoveryTest, DamageAndATornTailAreToldApart) {
  const BuiltSegment s = BuildSegment(0, {4, 2, 3});
  std::string bytes = s.bytes;
  bytes[s.records[0].position + kHeaderBytes] ^= 1;
  bytes.resize(bytes.size() - 1);
  Bench bench({{0, bytes}});
  ASSERT_TRUE(bench.Open().ok());
  EXPECT_EQ(bench.events().Count(Type::kCorruption), 1u);
  EXPECT_EQ(bench.events().Count(Type::kTailTruncated), 1u);
  EXPECT_EQ(bench.journal().next_offset(), 6u);
  EXPECT_EQ(CheckConserved(bench.journal(), 4, 6), "");
  ExpectAppendsGoOn(bench);
}

TEST(RecoveryTest, RecordsBehindDamageGoIntoANewSegment) {
  BuiltSegment s = BuildSegment(0, {4});
  s.bytes.back() ^= 1;
  Bench bench({{0, s.bytes}});
  ASSERT_TRUE(bench.Open().ok());
  ASSERT_TRUE(AppendGroup(bench.journal(), {2}).ok());
  EXPECT_EQ(bench.fs().Content(PathOf(0)), s.bytes);
  const std::string next = bench.fs().Content(PathOf(4));
  ASSERT_GT(next.size(), kHeaderBytes);
  EXPECT_EQ(DecodeHeader(next)->base_offset, 4u);
}

TEST(RecoveryTest, DamageBeforeATornFirstRecordKeepsNobodyFromOpening) {
  // No offset is lost here, so the next segment would have this one's name.
  const std::string torn = BuildSegment(9, {4}).bytes.substr(0, kHeaderBytes + 1);
  Bench bench({{9, "garbage" + torn}});
  ASSERT_TRUE(bench.Open().ok());
  EXPECT_EQ(bench.events().Count(Type::kCorruption), 1u);
  EXPECT_EQ(bench.events().Count(Type::kTailTruncated), 1u);
  EXPECT_EQ(bench.fs().Content(PathOf(9)), "garbage");
  EXPECT_EQ(bench.journal().next_offset(), 10u);
  const Contents contents = ReadAll(bench.journal(), 9);
  EXPECT_THAT(contents.records, IsEmpty());
  ExpectAppendsGoOn(bench);
}

TEST(RecoveryTest, ANewerFormatIsRefusedAndLeftAlone) {
  BuiltSegment s = BuildSegment(0, {4});
  s.bytes[4] = kFormatVersion + 1;
  const uint32_t crc = Crc32c(absl::string_view(s.bytes).substr(0, kHeaderBytes - 4));
  s.bytes.replace(kHeaderBytes - 4, 4, reinterpret_cast<const char*>(&crc), 4);
  Bench bench({{0, s.bytes}});
  const absl::Status status = bench.Open();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
  EXPECT_THAT(bench.fs().Paths(), ElementsAre(PathOf(0)));
  EXPECT_EQ(bench.fs().Content(PathOf(0)), s.bytes);
}

TEST(RecoveryTest, TemporaryFilesOfACrashAreRemoved) {
  Bench bench({{0, BuildSegment(0, {4}).bytes}});
  bench.fs().SetContent(JoinPath(kDir, "low.tmp"), "half a li");
  ASSERT_TRUE(bench.Open().ok());
  EXPECT_THAT(bench.fs().Paths(), ElementsAre(PathOf(0)));
}

TEST(RecoveryTest, SegmentsBelowTheLowOffsetAreDeleted) {
  const BuiltSegment first = BuildSegment(0, {4});
  const BuiltSegment second = BuildSegment(4, {3});
  Bench bench({{0, first.bytes}, {4, second.bytes}});
  ASSERT_TRUE(WriteLowOffset(bench.fs(), kDir, 4).ok());
  ASSERT_TRUE(bench.Open().ok());
  EXPECT_EQ(bench.journal().first_offset(), 4u);
  EXPECT_EQ(bench.fs().Content(PathOf(0)), "");
  EXPECT_EQ(CheckConserved(bench.journal(), 4, 7), "");
}

TEST(RecoveryTest, RetentionThatRunsFirstKnowsWhatIsCommitted) {
  FaultFs fs;
  FakeClock clock;
  uint64_t base = 0;
  for (int i = 0; i < 5; ++i, base += 4) fs.SetContent(PathOf(base), BuildSegment(base, {4}).bytes);
  Options options;
  options.dir = kDir;
  options.retain_bytes = 1;  // was more in the process before
  options.committed_offset = 10;
  options.sync_interval = absl::Milliseconds(1);
  const auto journal = Journal::Open(options, {&fs, &clock});
  ASSERT_TRUE(journal.ok()) << journal.status();
  EXPECT_TRUE(Eventually([&] { return (*journal)->first_offset() > 0; }));
  EXPECT_EQ((*journal)->first_offset(), 8u);
  EXPECT_EQ(CheckConserved(**journal, 10, 20), "");
}

TEST(RecoveryTest, TheLastSegmentStaysEvenBelowTheLowOffset) {
  Bench bench({{0, BuildSegment(0, {4}).bytes}});
  ASSERT_TRUE(WriteLowOffset(bench.fs(), kDir, 3).ok());
  ASSERT_TRUE(bench.Open().ok());
  EXPECT_EQ(bench.journal().first_offset(), 3u);
  EXPECT_EQ(bench.journal().next_offset(), 4u);
}

TEST(RecoveryTest, AFolderWithoutSegmentsGoesOnAtTheLowOffset) {
  Bench bench({});
  ASSERT_TRUE(WriteLowOffset(bench.fs(), kDir, 77).ok());
  ASSERT_TRUE(bench.Open().ok());
  EXPECT_EQ(bench.journal().first_offset(), 77u);
  EXPECT_EQ(bench.journal().next_offset(), 77u);
  ExpectAppendsGoOn(bench);
}

TEST(RecoveryTest, ALowFileDamagedAnywhereLosesNothing) {
  FaultFs written;
  ASSERT_TRUE(WriteLowOffset(written, kDir, 4).ok());
  const std::string intact = written.Content(JoinPath(kDir, kLowName));
  for (size_t at = 0; at < intact.size(); ++at) {
    SCOPED_TRACE(at);
    std::string bytes = intact;
    bytes[at] ^= 1;
    Bench bench({{4, BuildSegment(4, {3}).bytes}});
    bench.fs().SetContent(JoinPath(kDir, kLowName), bytes);
    ASSERT_TRUE(bench.Open().ok());
    EXPECT_EQ(bench.events().Count(Type::kCorruption), 1u);
    EXPECT_EQ(bench.journal().first_offset(), 4u);
    EXPECT_EQ(CheckConserved(bench.journal(), 4, 7), "");
  }
}

TEST(RecoveryTest, AFullDiskKeepsNobodyFromReadingPastDamage) {
  BuiltSegment s = BuildSegment(0, {4, 2});
  s.bytes[kHeaderBytes] ^= 1;
  Bench bench({{0, s.bytes}, {6, BuildSegment(6, {1}).bytes}});
  ASSERT_TRUE(bench.Open().ok());
  bench.fs().SetCapacity(1);
  const Contents contents = ReadAll(bench.journal(), 0);
  EXPECT_THAT(contents.gaps, SizeIs(1));
  EXPECT_THAT(contents.records, SizeIs(2));
  ASSERT_THAT(bench.events().all(), SizeIs(1));
  EXPECT_THAT(bench.events().all()[0].detail, HasSubstr("not copied"));
  for (const std::string& path : bench.fs().Paths()) {
    EXPECT_FALSE(absl::StrContains(path, ".corrupt")) << path;
  }
}

}  // namespace
}  // namespace center::journal
