#include "services/worker/journal/scanner.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/journal/segments.h"

namespace center::journal {
namespace {

using Kind = Scanner::Kind;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kPath[] = "/s";

// An item without its payload, comparable.
struct Seen {
  Kind kind;
  uint64_t position;
  uint64_t bytes;
  uint64_t from;
  uint64_t to;
  bool operator==(const Seen&) const = default;
  friend void PrintTo(const Seen& s, std::ostream* out) {
    *out << "kind " << static_cast<int>(s.kind) << " at " << s.position << "+" << s.bytes << " ["
         << s.from << ", " << s.to << ")";
  }
};

Seen RecordAt(const PlacedRecord& r) {
  return {Kind::kRecord, r.position, r.bytes, r.base, r.end()};
}

// Walks `bytes` up to kEnd. What holds of every walk is checked here: the items follow each other
// in position and offset, and a record is what the segment holds there.
std::vector<Seen> Scan(const std::string& bytes, uint64_t expected_offset = 0,
                       absl::optional<uint64_t> end_offset = absl::nullopt, uint64_t begin = 0) {
  FaultFs fs;
  fs.SetContent(kPath, bytes);
  const auto file = fs.OpenForRead(kPath);
  EXPECT_TRUE(file.ok());
  Scanner scanner(file->get(), {begin, bytes.size(), expected_offset, end_offset});
  std::vector<Seen> seen;
  uint64_t position = begin;
  uint64_t offset = expected_offset;
  for (;;) {
    EXPECT_EQ(scanner.expected_offset(), offset);
    const auto item = scanner.Next();
    EXPECT_TRUE(item.ok()) << item.status();
    if (!item.ok()) return seen;
    EXPECT_EQ(item->position, position);
    EXPECT_EQ(item->from, offset);
    EXPECT_GE(item->to, item->from);
    position += item->bytes;
    offset = item->to;
    if (item->kind == Kind::kEnd) break;
    seen.push_back({item->kind, item->position, item->bytes, item->from, item->to});
    if (item->kind != Kind::kRecord) continue;
    EXPECT_EQ(item->payload, bytes.substr(item->position + kHeaderBytes, item->header.length));
  }
  EXPECT_EQ(position, bytes.size());
  return seen;
}

TEST(ScannerTest, WalksEveryRecordOfASegment) {
  const BuiltSegment s = BuildSegment(100, {1, 5, 2});
  EXPECT_THAT(Scan(s.bytes, 100),
              ElementsAre(RecordAt(s.records[0]), RecordAt(s.records[1]), RecordAt(s.records[2])));
}

TEST(ScannerTest, ARecordComesWithItsHeaderAndPayload) {
  const BuiltSegment s = BuildSegment(7, {3});
  FaultFs fs;
  fs.SetContent(kPath, s.bytes);
  const auto file = fs.OpenForRead(kPath);
  Scanner scanner(file->get(), {0, s.bytes.size(), 7, absl::nullopt});
  const auto item = scanner.Next();
  ASSERT_TRUE(item.ok());
  EXPECT_EQ(item->header.base_offset, 7u);
  EXPECT_EQ(item->header.count, 3u);
  EXPECT_EQ(item->header.time_ns, RecordTime(7));
  EXPECT_EQ(item->payload, RecordBytes(7, 3));
}

TEST(ScannerTest, AnEmptyRangeHasNoItems) { EXPECT_THAT(Scan("", 5), ElementsAre()); }

TEST(ScannerTest, BeginsInTheMiddleWhenTold) {
  const BuiltSegment s = BuildSegment(0, {1, 5, 2});
  EXPECT_THAT(Scan(s.bytes, 1, absl::nullopt, s.records[1].position),
              ElementsAre(RecordAt(s.records[1]), RecordAt(s.records[2])));
}

TEST(ScannerTest, ATailTornAnywhereIsIncompleteAndCostsNoOffset) {
  const BuiltSegment s = BuildSegment(0, {4, 2});
  const PlacedRecord& last = s.records[1];
  for (uint64_t size = last.position + 1; size < s.bytes.size(); ++size) {
    const Seen tail = {Kind::kIncompleteTail, last.position, size - last.position, 4, 4};
    EXPECT_THAT(Scan(s.bytes.substr(0, size)), ElementsAre(RecordAt(s.records[0]), tail)) << size;
  }
}

TEST(ScannerTest, ATornTailThatSomethingFollowsIsDamage) {
  const BuiltSegment s = BuildSegment(0, {4, 2});
  const PlacedRecord& last = s.records[1];
  for (uint64_t size = last.position + 1; size < s.bytes.size(); ++size) {
    const Seen damage = {Kind::kHeaderDamage, last.position, size - last.position, 4, 6};
    EXPECT_THAT(Scan(s.bytes.substr(0, size), 0, 6), ElementsAre(RecordAt(s.records[0]), damage))
        << size;
  }
}

TEST(ScannerTest, ZerosAtTheEndAreAnIncompleteTail) {
  const BuiltSegment s = BuildSegment(0, {4});
  for (const size_t zeros : {1u, 47u, 48u, 49u, 5000u}) {
    const Seen tail = {Kind::kIncompleteTail, s.bytes.size(), zeros, 4, 4};
    EXPECT_THAT(Scan(s.bytes + std::string(zeros, '\0')),
                ElementsAre(RecordAt(s.records[0]), tail));
  }
}

TEST(ScannerTest, ZerosBeforeARecordAreDamage) {
  const BuiltSegment s = BuildSegment(0, {4, 2, 3});
  std::string bytes = s.bytes;
  const PlacedRecord& lost = s.records[1];
  bytes.replace(lost.position, lost.bytes, lost.bytes, '\0');
  const Seen damage = {Kind::kHeaderDamage, lost.position, lost.bytes, 4, 6};
  EXPECT_THAT(Scan(bytes), ElementsAre(RecordAt(s.records[0]), damage, RecordAt(s.records[2])));
}

TEST(ScannerTest, AWrongPayloadChecksumCostsThatRecordOnly) {
  const BuiltSegment s = BuildSegment(0, {4, 2, 3});
  std::string bytes = s.bytes;
  const PlacedRecord& bad = s.records[1];
  bytes[bad.end_position() - 1] ^= 1;
  const Seen damage = {Kind::kPayloadDamage, bad.position, bad.bytes, 4, 6};
  EXPECT_THAT(Scan(bytes), ElementsAre(RecordAt(s.records[0]), damage, RecordAt(s.records[2])));
}

TEST(ScannerTest, AWrongHeaderIsSkippedToTheNextRecord) {
  const BuiltSegment s = BuildSegment(0, {4, 2, 3});
  std::string bytes = s.bytes;
  const PlacedRecord& bad = s.records[0];
  bytes[bad.position + 9] ^= 1;
  const Seen damage = {Kind::kHeaderDamage, 0, bad.bytes, 0, 4};
  EXPECT_THAT(Scan(bytes), ElementsAre(damage, RecordAt(s.records[1]), RecordAt(s.records[2])));
}

TEST(ScannerTest, ABadLastHeaderCostsAtMostAnOffsetPerByte) {
  const BuiltSegment s = BuildSegment(0, {4, 2});
  std::string bytes = s.bytes;
  const PlacedRecord& bad = s.records[1];
  bytes[bad.position] ^= 1;
  const Seen unbounded = {Kind::kHeaderDamage, bad.position, bad.bytes, 4, 4 + bad.bytes};
  EXPECT_THAT(Scan(bytes), ElementsAre(RecordAt(s.records[0]), unbounded));
  const Seen bounded = {Kind::kHeaderDamage, bad.position, bad.bytes, 4, 6};
  EXPECT_THAT(Scan(bytes, 0, 6), ElementsAre(RecordAt(s.records[0]), bounded));
}

TEST(ScannerTest, AnIntactRecordBehindGarbageIsFoundAtEveryDistance) {
  const BuiltSegment s = BuildSegment(3, {2});
  for (size_t garbage = 1; garbage < 200; ++garbage) {
    // Half a magic at the seam must not hide the real one.
    std::string bytes = std::string(garbage - 1, 'x') + "\xCE" + s.bytes;
    const PlacedRecord moved = {garbage, s.bytes.size(), 3, 2};
    const Seen damage = {Kind::kHeaderDamage, 0, garbage, 3, 3};
    EXPECT_THAT(Scan(bytes, 3), ElementsAre(damage, RecordAt(moved))) << garbage;
  }
}

TEST(ScannerTest, GarbageLargerThanTheWindowIsSkipped) {
  const BuiltSegment s = BuildSegment(3, {2});
  for (const size_t garbage : {(1u << 20) - 2, 1u << 20, (1u << 20) + 3, 3u << 20}) {
    const PlacedRecord moved = {garbage, s.bytes.size(), 3, 2};
    const Seen damage = {Kind::kHeaderDamage, 0, garbage, 3, 3};
    EXPECT_THAT(Scan(std::string(garbage, 'x') + s.bytes, 3), ElementsAre(damage, RecordAt(moved)));
  }
}

TEST(ScannerTest, ARecordLargerThanTheWindowIsReadWhole) {
  RecordHeader header;
  header.count = 1;
  std::string bytes;
  PutRecord(header, std::string(3 << 20, 'p'), &bytes);
  const Seen record = {Kind::kRecord, 0, bytes.size(), 0, 1};
  EXPECT_THAT(Scan(bytes), ElementsAre(record));
}

TEST(ScannerTest, AJumpInTheOffsetsIsMissingRecords) {
  const BuiltSegment first = BuildSegment(0, {4});
  const BuiltSegment second = BuildSegment(10, {2});
  const PlacedRecord moved = {first.bytes.size(), second.bytes.size(), 10, 2};
  const Seen missing = {Kind::kMissing, first.bytes.size(), 0, 4, 10};
  EXPECT_THAT(Scan(first.bytes + second.bytes),
              ElementsAre(RecordAt(first.records[0]), missing, RecordAt(moved)));
}

TEST(ScannerTest, AJumpToATornRecordIsNoJump) {
  const BuiltSegment first = BuildSegment(0, {4});
  const BuiltSegment second = BuildSegment(10, {2});
  const uint64_t torn_bytes = second.bytes.size() - 1;
  const Seen tail = {Kind::kIncompleteTail, first.bytes.size(), torn_bytes, 4, 4};
  EXPECT_THAT(Scan(first.bytes + second.bytes.substr(0, torn_bytes)),
              ElementsAre(RecordAt(first.records[0]), tail));
}

TEST(ScannerTest, OffsetsThatGoBackAreDamage) {
  const BuiltSegment s = BuildSegment(0, {4});
  const Seen damage = {Kind::kHeaderDamage, s.bytes.size(), s.bytes.size(), 4, 4 + s.bytes.size()};
  EXPECT_THAT(Scan(s.bytes + s.bytes), ElementsAre(RecordAt(s.records[0]), damage));
}

TEST(ScannerTest, ARecordBeyondTheKnownEndIsDamage) {
  const BuiltSegment s = BuildSegment(0, {4, 2});
  const PlacedRecord& bad = s.records[1];
  const Seen damage = {Kind::kHeaderDamage, bad.position, bad.bytes, 4, 5};
  EXPECT_THAT(Scan(s.bytes, 0, 5), ElementsAre(RecordAt(s.records[0]), damage));
}

TEST(ScannerTest, BytesThatEndBeforeTheKnownEndAreMissing) {
  const BuiltSegment s = BuildSegment(0, {4});
  const Seen missing = {Kind::kMissing, s.bytes.size(), 0, 4, 9};
  EXPECT_THAT(Scan(s.bytes, 0, 9), ElementsAre(RecordAt(s.records[0]), missing));
}

TEST(ScannerTest, ARecordStoredAsAPayloadIsNotTakenForOneOfOurs) {
  // Behind a damaged header, the payload is a record of another journal, with offsets that the
  // bytes in between cannot account for.
  std::string payload;
  RecordHeader foreign;
  foreign.count = 1;
  foreign.base_offset = 1'000'000;
  PutRecord(foreign, "foreign", &payload);
  RecordHeader header;
  header.count = 2;
  std::string bytes;
  PutRecord(header, payload, &bytes);
  const uint64_t first_bytes = bytes.size();
  header.base_offset = 2;
  header.count = 1;
  PutRecord(header, "ours", &bytes);
  bytes[0] ^= 1;
  const Seen damage = {Kind::kHeaderDamage, 0, first_bytes, 0, 2};
  const Seen ours = {Kind::kRecord, first_bytes, bytes.size() - first_bytes, 2, 3};
  EXPECT_THAT(Scan(bytes), ElementsAre(damage, ours));
}

TEST(ScannerTest, ANewerVersionIsAnErrorAndNotDamage) {
  BuiltSegment s = BuildSegment(0, {4});
  s.bytes[4] = kFormatVersion + 1;
  const uint32_t crc = Crc32c(absl::string_view(s.bytes).substr(0, kHeaderBytes - 4));
  s.bytes.replace(kHeaderBytes - 4, 4, reinterpret_cast<const char*>(&crc), 4);
  FaultFs fs;
  fs.SetContent(kPath, s.bytes);
  const auto file = fs.OpenForRead(kPath);
  Scanner scanner(file->get(), {0, s.bytes.size(), 0, absl::nullopt});
  const auto item = scanner.Next();
  EXPECT_EQ(item.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(item.status().message()), HasSubstr("newer version"));
}

TEST(ScannerTest, AFileThatHasBecomeShorterEndsEarly) {
  const BuiltSegment s = BuildSegment(0, {4, 2});
  FaultFs fs;
  fs.SetContent(kPath, s.bytes.substr(0, s.bytes.size() - 3));
  const auto file = fs.OpenForRead(kPath);
  Scanner scanner(file->get(), {0, s.bytes.size(), 0, absl::nullopt});
  EXPECT_EQ(scanner.Next()->kind, Kind::kRecord);
  EXPECT_EQ(scanner.Next()->kind, Kind::kIncompleteTail);
  EXPECT_EQ(scanner.Next()->kind, Kind::kEnd);
}

}  // namespace
}  // namespace center::journal
