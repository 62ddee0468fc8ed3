// Packing of records: what was added comes out again, whatever the sizes.
#include "cli/records.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace center::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::IsEmpty;

v1::Records Pack(const std::vector<std::string>& items) {
  v1::Records records;
  RecordPacker packer(&records);
  for (const std::string& item : items) packer.Add(item);
  return records;
}

std::vector<std::string> Unpack(const v1::Records& records) {
  std::vector<std::string> items;
  EXPECT_TRUE(RecordsAreSound(records));
  ForEachRecord(records, [&](uint64_t index, absl::string_view record) {
    EXPECT_EQ(index, items.size());
    items.emplace_back(record);
  });
  return items;
}

TEST(RecordsTest, WhatIsPackedComesOutAgain) {
  const std::vector<std::vector<std::string>> cases = {{},
                                                       {""},
                                                       {"", "", ""},
                                                       {"a"},
                                                       {"ab", "cd", "ef"},
                                                       {"", "a"},
                                                       {"ab", "cd", "e", "fg"},
                                                       {"a", "", ""},
                                                       {std::string("\0\n", 2), "x"}};
  for (const auto& items : cases) {
    const v1::Records records = Pack(items);
    EXPECT_EQ(RecordCount(records), items.size());
    EXPECT_THAT(Unpack(records), ElementsAreArray(items));
  }
}

TEST(RecordsTest, RecordsOfOneSizeNeedNoSizes) {
  const v1::Records same = Pack({"ab", "cd"});
  EXPECT_EQ(same.count(), 2u);
  EXPECT_EQ(same.uniform_size(), 2u);
  EXPECT_THAT(same.sizes(), IsEmpty());
  EXPECT_THAT(Pack({"ab", "cd", "e"}).sizes(), ElementsAre(2u, 2u, 1u));
}

TEST(RecordsTest, SizesThatDoNotAddUpAreSeen) {
  v1::Records records;
  EXPECT_TRUE(RecordsAreSound(records));
  records.add_sizes(3);
  records.set_data("ab");
  EXPECT_FALSE(RecordsAreSound(records));
  records.set_data("abc");
  EXPECT_TRUE(RecordsAreSound(records));
  records.set_count(1);
  EXPECT_FALSE(RecordsAreSound(records)) << "both forms at once";
  records.clear_sizes();
  EXPECT_FALSE(RecordsAreSound(records)) << "bytes of records of size 0";
  records.set_uniform_size(2);
  EXPECT_FALSE(RecordsAreSound(records));
  records.set_uniform_size(1);
  records.set_count(uint64_t{1} << 63);
  EXPECT_FALSE(RecordsAreSound(records));
  records.set_count(3);
  EXPECT_TRUE(RecordsAreSound(records));
}

}  // namespace
}  // namespace center::cli
