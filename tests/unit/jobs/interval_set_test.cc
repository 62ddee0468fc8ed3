#include "services/coordinator/jobs/interval_set.h"

#include <random>
#include <set>

#include "gtest/gtest.h"

namespace center::jobs {
namespace {

TEST(IntervalSetTest, NeighboursMerge) {
  IntervalSet set;
  EXPECT_EQ(set.Add(10, 10), 10u);
  EXPECT_EQ(set.Add(30, 10), 10u);
  EXPECT_EQ(set.intervals(), 2u);
  EXPECT_EQ(set.Add(20, 10), 10u);
  EXPECT_EQ(set.intervals(), 1u);
  EXPECT_EQ(set.size(), 30u);
}

TEST(IntervalSetTest, WhatIsInItAlreadyIsNotNew) {
  IntervalSet set;
  set.Add(10, 10);
  EXPECT_EQ(set.Add(10, 10), 0u);
  EXPECT_EQ(set.Add(5, 20), 10u);
  EXPECT_EQ(set.Add(0, 0), 0u);
  EXPECT_EQ(set.size(), 20u);
}

TEST(IntervalSetTest, GapsAndMembersAreFound) {
  IntervalSet set;
  EXPECT_EQ(set.NextGap(7), 7u);
  EXPECT_EQ(set.NextMember(7), UINT64_MAX);
  set.Add(0, 5);
  set.Add(8, 2);
  EXPECT_EQ(set.NextGap(0), 5u);
  EXPECT_EQ(set.NextGap(6), 6u);
  EXPECT_EQ(set.NextMember(5), 8u);
  EXPECT_EQ(set.NextMember(9), 9u);
  EXPECT_EQ(set.NextMember(10), UINT64_MAX);
}

TEST(IntervalSetTest, AgreesWithAPlainSet) {
  std::mt19937 random(1);
  IntervalSet set;
  std::set<uint64_t> plain;
  for (int i = 0; i < 2000; ++i) {
    const uint64_t first = random() % 500;
    const uint64_t count = random() % 8;
    uint64_t added = 0;
    for (uint64_t value = first; value < first + count; ++value)
      added += plain.insert(value).second;
    ASSERT_EQ(set.Add(first, count), added);
    ASSERT_EQ(set.size(), plain.size());
    const uint64_t probe = random() % 520;
    ASSERT_EQ(set.Contains(probe), plain.count(probe) == 1);
  }
}

}  // namespace
}  // namespace center::jobs
