#include "services/coordinator/jobs/input_queue.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace center::jobs {
namespace {

std::shared_ptr<const RecordBlock> Block(const std::vector<std::string>& records) {
  std::vector<uint32_t> sizes;
  std::string data;
  for (const std::string& record : records) {
    sizes.push_back(static_cast<uint32_t>(record.size()));
    data += record;
  }
  auto block = RecordBlock::Make({.sizes = sizes, .data = data});
  EXPECT_TRUE(block.ok()) << block.status();
  return *block;
}

std::vector<std::string> Texts(const ChunkInputs& inputs) {
  std::vector<std::string> texts;
  for (const InputSlice& slice : inputs.slices) {
    for (uint64_t i = 0; i < slice.count; ++i) {
      texts.emplace_back(slice.block->Get(slice.first + i));
    }
  }
  return texts;
}

using testing::ElementsAre;

TEST(RecordBlockTest, SizesMustAddUp) {
  const std::vector<uint32_t> sizes = {2, 3};
  EXPECT_TRUE(RecordBlock::Make({.sizes = sizes, .data = "abcde"}).ok());
  EXPECT_FALSE(RecordBlock::Make({.sizes = sizes, .data = "abcd"}).ok());
  EXPECT_FALSE(RecordBlock::Make({.sizes = sizes, .count = 2, .data = "abcde"}).ok());
  EXPECT_FALSE(RecordBlock::Make({.uniform_size = 2, .count = 3, .data = "abcde"}).ok());
  EXPECT_FALSE(RecordBlock::Make({.uniform_size = 4096, .count = 1ull << 60, .data = ""}).ok());
  EXPECT_FALSE(RecordBlock::Make({.data = "x"}).ok());
}

TEST(RecordBlockTest, UniformRecordsNeedNoSizes) {
  const auto block = RecordBlock::Make({.uniform_size = 2, .count = 3, .data = "aabbcc"});
  ASSERT_TRUE(block.ok());
  EXPECT_EQ((*block)->Get(1), "bb");
  EXPECT_EQ((*block)->Bytes(1, 2), "bbcc");
  const auto empty = RecordBlock::Make({.uniform_size = 0, .count = 1ull << 60, .data = ""});
  ASSERT_TRUE(empty.ok());
  EXPECT_EQ((*empty)->Get(1ull << 59), "");
}

TEST(InputQueueTest, ARangeIsNotExpanded) {
  const InputQueue queue = InputQueue::Range(-5, 1ull << 62);
  uint64_t count = 1ull << 40;
  const ChunkInputs inputs = queue.Take(1000, 1, &count);
  EXPECT_TRUE(inputs.is_range);
  EXPECT_EQ(inputs.range_first, 995);
  EXPECT_EQ(count, 1ull << 40);
  EXPECT_EQ(queue.Preview(7, 10), "2");
}

TEST(InputQueueTest, AChunkSpansBlocks) {
  InputQueue queue;
  queue.Append(Block({"a", "bb"}));
  queue.Append(Block({}));
  queue.Append(Block({"ccc", "dddd"}));
  EXPECT_EQ(queue.arrived(), 4u);
  uint64_t count = 3;
  EXPECT_THAT(Texts(queue.Take(1, 1000, &count)), ElementsAre("bb", "ccc", "dddd"));
  count = 10;
  EXPECT_THAT(Texts(queue.Take(3, 1000, &count)), ElementsAre("dddd"));
  EXPECT_EQ(count, 1u);
}

TEST(InputQueueTest, AChunkIsCutByBytesButHasOneInput) {
  InputQueue queue;
  queue.Append(Block({"aaaa", "bb", "cc", "dddddddd"}));
  uint64_t count = 4;
  EXPECT_THAT(Texts(queue.Take(0, 7, &count)), ElementsAre("aaaa", "bb"));
  EXPECT_EQ(count, 2u);
  count = 4;
  EXPECT_THAT(Texts(queue.Take(0, 1, &count)), ElementsAre("aaaa"));
  count = 2;
  EXPECT_THAT(Texts(queue.Take(1, 4, &count)), ElementsAre("bb", "cc"));
}

TEST(InputQueueTest, FinishedBlocksGoWhereverTheyStand) {
  InputQueue queue;
  queue.Append(Block({"a", "b"}));
  queue.Append(Block({"c", "d"}));
  const uint64_t all = queue.buffered_bytes();
  queue.Finish(2, 1);
  EXPECT_EQ(queue.buffered_bytes(), all);
  EXPECT_EQ(queue.buffered_count(), 3u);
  queue.Finish(3, 1);
  EXPECT_EQ(queue.buffered_bytes(), all / 2);
  uint64_t count = 2;
  EXPECT_THAT(Texts(queue.Take(0, 100, &count)), ElementsAre("a", "b"));
  queue.Finish(0, 2);
  EXPECT_EQ(queue.buffered_bytes(), 0u);
  EXPECT_EQ(queue.Preview(0, 10), "");
}

TEST(InputQueueTest, SkippedInputsKeepTheirIndexes) {
  InputQueue queue;
  queue.Append(Block({"a"}));
  queue.Skip(5);
  queue.Append(Block({"g"}));
  EXPECT_EQ(queue.arrived(), 7u);
  EXPECT_EQ(queue.Preview(6, 10), "g");
  EXPECT_EQ(queue.Preview(3, 10), "");
}

}  // namespace
}  // namespace center::jobs
