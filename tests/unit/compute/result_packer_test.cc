#include "services/worker/compute/result_packer.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace center::compute {
namespace {

using ::testing::ElementsAre;

PackedRecords Pack(const std::vector<std::string>& records) {
  ResultPacker packer;
  for (const std::string& record : records) {
    packer.Append(record);
    packer.End();
  }
  return packer.Take();
}

TEST(ResultPackerTest, RecordsOfOneSizeNeedNoSizes) {
  const PackedRecords packed = Pack({"ab", "cd", "ef"});
  EXPECT_TRUE(packed.uniform());
  EXPECT_EQ(packed.uniform_size, 2u);
  EXPECT_EQ(packed.count, 3u);
  EXPECT_EQ(packed.data, "abcdef");
  EXPECT_EQ(Pack({"", "", ""}).count, 3u);
  EXPECT_TRUE(Pack({"", "", ""}).uniform());
}

TEST(ResultPackerTest, TheFirstOtherSizeBringsAllSizes) {
  const PackedRecords packed = Pack({"ab", "cd", "e", "fg", ""});
  EXPECT_FALSE(packed.uniform());
  EXPECT_THAT(packed.sizes, ElementsAre(2, 2, 1, 2, 0));
  EXPECT_EQ(packed.uniform_size, 0u);
  EXPECT_EQ(packed.count, 5u);
  EXPECT_EQ(packed.data, "abcdefg");
  EXPECT_THAT(Pack({"", "x"}).sizes, ElementsAre(0, 1));
}

TEST(ResultPackerTest, WhatWasNotEndedIsNoRecord) {
  ResultPacker packer;
  packer.Append("whole");
  packer.End();
  packer.Append("ha");
  packer.Append("lf");
  EXPECT_EQ(packer.open_bytes(), 4u);
  packer.Discard();
  EXPECT_EQ(packer.open_bytes(), 0u);
  packer.Append("again");
  const PackedRecords packed = packer.Take();
  EXPECT_EQ(packed.count, 1u);
  EXPECT_EQ(packed.data, "whole");
}

TEST(ResultPackerTest, NothingIsNothing) {
  const PackedRecords packed = Pack({});
  EXPECT_EQ(packed.count, 0u);
  EXPECT_TRUE(packed.uniform());
  EXPECT_EQ(packed.data, "");
}

}  // namespace
}  // namespace center::compute
