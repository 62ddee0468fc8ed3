// A stream in blocks of whole lines.
#include "cli/block_reader.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "absl/strings/str_cat.h"
#include "tests/unit/cli/testing.h"

namespace center::cli {
namespace {

using ::testing::IsEmpty;

// All blocks until the end.
std::vector<std::string> Blocks(BlockReader& reader, uint64_t* lines = nullptr) {
  std::vector<std::string> blocks;
  std::string block;
  for (;;) {
    const auto count = reader.Next(&block);
    EXPECT_TRUE(count.ok()) << count.status();
    if (!count.ok() || block.empty()) return blocks;
    if (lines != nullptr) *lines += *count;
    blocks.push_back(block);
  }
}

std::string Joined(const std::vector<std::string>& blocks) {
  std::string all;
  for (const std::string& block : blocks) all += block;
  return all;
}

TEST(BlockReaderTest, BlocksEndWithALineAndNothingIsLost) {
  std::string text;
  for (int i = 0; i < 100'000; ++i) absl::StrAppend(&text, "some line ", i, "\n");
  const MemoryFile file(text);
  BlockReader reader(file.fd(), /*lines=*/true);
  uint64_t lines = 0;
  const auto blocks = Blocks(reader, &lines);
  EXPECT_GT(blocks.size(), 4u);
  for (const std::string& block : blocks) EXPECT_EQ(block.back(), '\n');
  EXPECT_TRUE(Joined(blocks) == text);
  EXPECT_EQ(lines, 100'000u);
}

TEST(BlockReaderTest, AnUnfinishedLastLineGetsItsLineFeed) {
  const MemoryFile file("one\ntwo");
  BlockReader reader(file.fd(), true);
  uint64_t lines = 0;
  EXPECT_EQ(Joined(Blocks(reader, &lines)), "one\ntwo\n");
  EXPECT_EQ(lines, 2u);
}

TEST(BlockReaderTest, ALineLongerThanABlockStaysWhole) {
  const std::string text =
      absl::StrCat("a\n", std::string(3 * BlockReader::kBlockBytes, 'x'), "\nb\n");
  const MemoryFile file(text);
  BlockReader reader(file.fd(), true);
  const auto blocks = Blocks(reader);
  for (const std::string& block : blocks) EXPECT_EQ(block.back(), '\n');
  EXPECT_TRUE(Joined(blocks) == text);
}

TEST(BlockReaderTest, ALineWithoutEndIsRefusedBeforeItFillsTheMemory) {
  const ScopedFd zeros(::open("/dev/zero", O_RDONLY | O_CLOEXEC));
  BlockReader reader(zeros.get(), true);
  std::string block;
  EXPECT_TRUE(absl::IsResourceExhausted(reader.Next(&block).status()));
}

TEST(BlockReaderTest, WithoutLinesBytesGoAsTheyAre) {
  const MemoryFile file("one\ntwo");
  BlockReader reader(file.fd(), false);
  uint64_t lines = 0;
  EXPECT_EQ(Joined(Blocks(reader, &lines)), "one\ntwo");
  EXPECT_EQ(lines, 0u);
}

TEST(BlockReaderTest, NothingIsTheEnd) {
  for (const bool lines : {true, false}) {
    const MemoryFile file;
    BlockReader reader(file.fd(), lines);
    EXPECT_THAT(Blocks(reader), IsEmpty());
    EXPECT_THAT(Blocks(reader), IsEmpty()) << "and stays it";
  }
}

TEST(BlockReaderTest, ALineGoesOnAtOnceThoughTheProducerIsSlow) {
  Pipe pipe;
  BlockReader reader(pipe.read_end.get(), true);
  std::string block;
  ASSERT_EQ(::write(pipe.write_end.get(), "one\ntw", 6), 6);
  ASSERT_TRUE(reader.Next(&block).ok());
  EXPECT_EQ(block, "one\n") << "the pipe is still open";
  ASSERT_EQ(::write(pipe.write_end.get(), "o\n", 2), 2);
  ASSERT_TRUE(reader.Next(&block).ok());
  EXPECT_EQ(block, "two\n");
}

TEST(BlockReaderTest, AfterStopThereIsNothing) {
  const MemoryFile file("one\ntwo\n");
  BlockReader reader(file.fd(), true);
  reader.Stop();
  EXPECT_THAT(Blocks(reader), IsEmpty());
}

TEST(BlockReaderTest, AFailedReadIsSaid) {
  const ScopedFd folder(::open("/", O_RDONLY | O_CLOEXEC));
  BlockReader reader(folder.get(), true);
  std::string block;
  EXPECT_FALSE(reader.Next(&block).ok());
}

TEST(BlockReaderTest, ThreadsShareTheLines) {
  std::string text;
  for (int i = 0; i < 200'000; ++i) absl::StrAppend(&text, "line ", i, "\n");
  const MemoryFile file(text);
  BlockReader reader(file.fd(), true);
  std::vector<std::string> got(4);
  std::vector<std::thread> threads;
  for (std::string& part : got) {
    threads.emplace_back([&reader, &part] { part = Joined(Blocks(reader)); });
  }
  for (std::thread& thread : threads) thread.join();
  std::vector<std::string> lines = SplitLines(Joined(got)), wanted = SplitLines(text);
  std::sort(lines.begin(), lines.end());
  std::sort(wanted.begin(), wanted.end());
  EXPECT_TRUE(lines == wanted);
}

}  // namespace
}  // namespace center::cli
