// Inputs from files and pipes: whole records, bounded pieces.
#include "cli/record_reader.h"

#include <fcntl.h>
#include <unistd.h>

#include <thread>

#include "absl/strings/str_cat.h"
#include "tests/unit/cli/testing.h"

namespace center::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// All records, and how large the largest piece was.
struct ReadAll {
  std::vector<std::string> records;
  size_t largest_piece = 0;
  absl::Status status;
};

ReadAll Read(absl::string_view content, char delimiter = '\n') {
  const MemoryFile file(content);
  RecordReader reader(file.fd(), delimiter, "file");
  ReadAll all;
  v1::Records records;
  for (;;) {
    const auto more = reader.Next(&records);
    all.status = more.status();
    if (!more.ok() || !*more) return all;
    EXPECT_TRUE(RecordsAreSound(records));
    all.largest_piece = std::max(all.largest_piece, records.ByteSizeLong());
    ForEachRecord(records, [&](uint64_t, absl::string_view r) { all.records.emplace_back(r); });
  }
}

TEST(RecordReaderTest, EachLineIsARecordAlsoAnUnfinishedLastOne) {
  EXPECT_THAT(Read("").records, IsEmpty());
  EXPECT_THAT(Read("a\nbc\n").records, ElementsAre("a", "bc"));
  EXPECT_THAT(Read("a\nbc").records, ElementsAre("a", "bc"));
  EXPECT_THAT(Read("\n\nx\n\n").records, ElementsAre("", "", "x", ""));
  EXPECT_THAT(Read("a\r\n").records, ElementsAre("a\r")) << "bytes are kept as they are";
}

TEST(RecordReaderTest, RecordsMayEndWithNulAndHoldLineFeeds) {
  EXPECT_THAT(Read(absl::string_view("a\nb\0c\0", 6), '\0').records, ElementsAre("a\nb", "c"));
}

TEST(RecordReaderTest, ALongFileComesInBoundedPieces) {
  std::string content;
  for (int i = 0; i < 300'000; ++i) absl::StrAppend(&content, "line ", i, "\n");
  const ReadAll all = Read(content);
  ASSERT_EQ(all.records.size(), 300'000u);
  EXPECT_EQ(all.records.front(), "line 0");
  EXPECT_EQ(all.records.back(), "line 299999");
  EXPECT_LT(all.largest_piece, 2u << 20);
}

TEST(RecordReaderTest, ARecordOfTheLargestSizePassesAndALongerOneIsRefusedByItsNumber) {
  const std::string largest(RecordReader::kRecordBytesMax, 'x');
  const ReadAll fits = Read(absl::StrCat("a\n", largest, "\nb\n"));
  EXPECT_TRUE(fits.status.ok()) << fits.status;
  EXPECT_THAT(fits.records, ElementsAre("a", largest, "b"));
  for (const char* end : {"", "\n", "yyyy\n"}) {
    const ReadAll late = Read(absl::StrCat("a\n", largest, "x", end));
    EXPECT_EQ(late.status.code(), absl::StatusCode::kResourceExhausted);
    EXPECT_THAT(std::string(late.status.message()), HasSubstr("input 1 of file"));
  }
}

TEST(RecordReaderTest, ASlowProducersRecordsGoOnAtOnce) {
  const Pipe pipe;
  RecordReader reader(pipe.read_end.get(), '\n', "pipe");
  ASSERT_EQ(::write(pipe.write_end.get(), "one\ntwo\nthr", 11), 11);
  v1::Records records;
  ASSERT_TRUE(*reader.Next(&records));
  EXPECT_EQ(records.data(), "onetwo");
  ASSERT_EQ(::write(pipe.write_end.get(), "ee\n", 3), 3);
  ASSERT_TRUE(*reader.Next(&records));
  EXPECT_EQ(records.data(), "three");
}

TEST(RecordReaderTest, StopEndsAWait) {
  const Pipe pipe;
  RecordReader reader(pipe.read_end.get(), '\n', "pipe");
  std::thread stopper([&] { reader.Stop(); });
  v1::Records records;
  const auto more = reader.Next(&records);
  stopper.join();
  EXPECT_TRUE(more.ok() && !*more);
}

TEST(RecordReaderTest, WhatCannotBeReadIsAnErrorThatNamesIt) {
  const ScratchDir dir;
  const ScopedFd folder(::open(dir.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  RecordReader reader(folder.get(), '\n', "the folder");
  v1::Records records;
  const auto more = reader.Next(&records);
  EXPECT_THAT(std::string(more.status().message()), HasSubstr("read the folder"));
}

}  // namespace
}  // namespace center::cli
