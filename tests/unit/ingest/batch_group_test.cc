#include "services/worker/ingest/batch_group.h"

#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/ingest/fake_journal.h"

namespace center::ingest {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

class BatchGroupTest : public ::testing::Test {
 protected:
  // Puts payloads into the tail as a reader would.
  void Receive(absl::string_view peer, const std::vector<std::string>& payloads) {
    char* const begin = group_.tail();
    char* at = begin;
    std::vector<uint32_t> sizes;
    for (const std::string& payload : payloads) {
      std::memcpy(at, payload.data(), payload.size());
      at += payload.size();
      sizes.push_back(static_cast<uint32_t>(payload.size()));
    }
    group_.Add({.peer = peer, .receive_time_ns = 1'700'000'000'123'456'789},
               {begin, static_cast<size_t>(at - begin)}, sizes);
    group_.AdvanceTail(at);
  }

  FakeJournal journal_;
  JournalPort port_ = journal_.Port();
  BatchGroup group_{"default/0", 1 << 16, &port_};
};

TEST_F(BatchGroupTest, BatchesOfSeveralConnectionsGoOutWithOneAppend) {
  Receive("10.0.0.1:1", {"a", "bb"});
  Receive("10.0.0.2:2", {"", "ccc"});
  EXPECT_EQ(journal_.attempts(), 0);
  ASSERT_TRUE(group_.Flush().ok());
  EXPECT_EQ(journal_.appends(), 1);
  ASSERT_THAT(journal_.batches(), SizeIs(2));
  EXPECT_EQ(journal_.batches()[1].worker, "default/0");
  EXPECT_EQ(journal_.batches()[1].peer, "10.0.0.2:2");
  EXPECT_EQ(journal_.batches()[1].first_offset, 2u);
  EXPECT_THAT(journal_.Payloads(), ElementsAre("a", "bb", "", "ccc"));
}

TEST_F(BatchGroupTest, NothingIsAppendedWhenThereIsNothing) {
  ASSERT_TRUE(group_.Flush().ok());
  EXPECT_EQ(journal_.attempts(), 0);
}

TEST_F(BatchGroupTest, AFullJournalChangesNothingAndTheAppendMayBeRepeated) {
  Receive("p", {"a", "b"});
  journal_.SetFull(true);
  EXPECT_TRUE(absl::IsResourceExhausted(group_.Flush()));
  EXPECT_TRUE(absl::IsResourceExhausted(group_.Flush()));
  EXPECT_EQ(group_.payloads(), 2u);
  Receive("q", {"c"});
  journal_.SetFull(false);
  ASSERT_TRUE(group_.Flush().ok());
  EXPECT_THAT(journal_.Payloads(), ElementsAre("a", "b", "c"));
  EXPECT_EQ(group_.payloads(), 0u);
  EXPECT_TRUE(group_.empty());
}

TEST_F(BatchGroupTest, IsFullAtItsLimitAndStartsAgainAfterAFlush) {
  char* const start = group_.tail();
  const std::string payload(1 << 16, 'x');
  while (!group_.full()) Receive("p", {payload});
  EXPECT_EQ(group_.bytes(), kGroupBytes);
  ASSERT_TRUE(group_.Flush().ok());
  EXPECT_EQ(group_.tail(), start);
  EXPECT_THAT(journal_.Payloads(), SizeIs(16));
}

TEST_F(BatchGroupTest, KeepsForeignBuffersUntilTheyAreAppended) {
  BufferBudget budget(1 << 30);
  Carry large(&budget);
  const std::string content(kGroupBytes, 'y');
  large.Assign(content.data(), content.size());
  const uint32_t size = kGroupBytes;
  group_.Add({.peer = "p"}, {large.data(), large.size()}, {&size, 1});
  group_.Keep(std::move(large));
  EXPECT_TRUE(group_.full());
  EXPECT_GE(budget.used_bytes(), kGroupBytes);
  journal_.SetFull(true);
  EXPECT_FALSE(group_.Flush().ok());
  journal_.SetFull(false);
  ASSERT_TRUE(group_.Flush().ok());
  EXPECT_EQ(budget.used_bytes(), 0u);
  EXPECT_THAT(journal_.Payloads(), ElementsAre(content));
}

}  // namespace
}  // namespace center::ingest
