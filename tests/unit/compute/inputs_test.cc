#include "services/worker/compute/inputs.h"

#include <limits>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace center::compute {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr int64_t kLeast = std::numeric_limits<int64_t>::min();
constexpr int64_t kMost = std::numeric_limits<int64_t>::max();

std::vector<std::string> TextsOf(const Inputs& inputs) {
  std::vector<std::string> texts;
  InputCursor cursor(inputs);
  while (cursor.Advance()) {
    EXPECT_EQ(cursor.position(), texts.size());
    texts.emplace_back(cursor.bytes());
  }
  EXPECT_FALSE(cursor.Advance()) << "it ends once and for all";
  return texts;
}
std::vector<std::string> RangeTexts(int64_t first, uint64_t count) {
  const auto inputs = Inputs::Range(first, count);
  EXPECT_TRUE(inputs.ok()) << inputs.status();
  return inputs.ok() ? TextsOf(*inputs) : std::vector<std::string>();
}
std::string WhyNot(const Inputs::Packed& packed) {
  return std::string(Inputs::Records(packed, nullptr).status().message());
}

TEST(InputsTest, ARangeIsItsNumbersAsText) {
  EXPECT_THAT(RangeTexts(8, 4), ElementsAre("8", "9", "10", "11"));
  EXPECT_THAT(RangeTexts(-2, 4), ElementsAre("-2", "-1", "0", "1"));
  EXPECT_THAT(RangeTexts(-10, 2), ElementsAre("-10", "-9"));
  EXPECT_THAT(RangeTexts(99998, 3), ElementsAre("99998", "99999", "100000"));
  EXPECT_THAT(RangeTexts(5, 0), IsEmpty());
}

TEST(InputsTest, EveryNumberOfALongRangeIsRight) {
  const std::vector<std::string> texts = RangeTexts(-1100, 3300);
  ASSERT_EQ(texts.size(), 3300u);
  for (size_t i = 0; i < texts.size(); ++i) {
    ASSERT_EQ(texts[i], absl::StrCat(static_cast<int64_t>(i) - 1100));
  }
}

TEST(InputsTest, ARangeMayTouchTheEndsOfItsType) {
  EXPECT_THAT(RangeTexts(kMost - 1, 2), ElementsAre("9223372036854775806", "9223372036854775807"));
  EXPECT_THAT(RangeTexts(kLeast, 2), ElementsAre("-9223372036854775808", "-9223372036854775807"));
  EXPECT_THAT(RangeTexts(kMost, 1), ElementsAre("9223372036854775807"));
  EXPECT_FALSE(Inputs::Range(kMost, 2).ok());
  EXPECT_FALSE(Inputs::Range(kMost - 1, 3).ok());
}

TEST(InputsTest, RecordsHaveTheirSizesOrOneForAll) {
  const std::vector<uint32_t> sizes = {1, 0, 3};
  const auto sized = Inputs::Records({.sizes = sizes, .data = "abcd"}, nullptr);
  ASSERT_TRUE(sized.ok()) << sized.status();
  EXPECT_THAT(TextsOf(*sized), ElementsAre("a", "", "bcd"));
  const auto uniform = Inputs::Records({.data = "aabbcc", .uniform_size = 2, .count = 3}, nullptr);
  ASSERT_TRUE(uniform.ok()) << uniform.status();
  EXPECT_THAT(TextsOf(*uniform), ElementsAre("aa", "bb", "cc"));
  const auto empty = Inputs::Records({.count = 2}, nullptr);
  ASSERT_TRUE(empty.ok()) << empty.status();
  EXPECT_THAT(TextsOf(*empty), ElementsAre("", ""));
  EXPECT_THAT(TextsOf(*Inputs::Records({}, nullptr)), IsEmpty());
}

TEST(InputsTest, RecordsThatDoNotAddUpAreRefused) {
  const std::vector<uint32_t> sizes = {1, 2};
  EXPECT_THAT(WhyNot({.sizes = sizes, .data = "ab"}), HasSubstr("3 bytes together, but 2"));
  EXPECT_THAT(WhyNot({.sizes = sizes, .data = "abcd"}), HasSubstr("3 bytes together, but 4"));
  EXPECT_THAT(WhyNot({.data = "ab"}), HasSubstr("0 bytes together, but 2"));
  EXPECT_THAT(WhyNot({.data = "abc", .uniform_size = 2, .count = 2}), HasSubstr("4 bytes"));
  EXPECT_THAT(WhyNot({.data = "", .uniform_size = 2}), HasSubstr("no count"));
  EXPECT_THAT(WhyNot({.sizes = sizes, .data = "abc", .count = 2}), HasSubstr("both"));
  const std::vector<uint32_t> huge(3, std::numeric_limits<uint32_t>::max());
  EXPECT_THAT(WhyNot({.sizes = huge, .data = "abc"}), HasSubstr("12884901885 bytes together"));
}

// Nothing is allocated for a number that somebody just claims.
TEST(InputsTest, TooManyInputsAreRefused) {
  for (const uint64_t count : {kChunkInputsMax + 1, uint64_t{1} << 40, UINT64_MAX}) {
    EXPECT_THAT(WhyNot({.data = "", .count = count}), HasSubstr("the limit is 16777216"));
    EXPECT_THAT(WhyNot({.data = "", .uniform_size = UINT32_MAX, .count = count}),
                HasSubstr("the limit is 16777216"));
    EXPECT_FALSE(Inputs::Range(0, count).ok());
  }
  EXPECT_TRUE(Inputs::Range(0, kChunkInputsMax).ok());
}

TEST(InputsTest, TheOwnerLivesAsLongAsTheInputs) {
  auto owner = std::make_shared<std::string>("abc");
  const std::weak_ptr<std::string> watch = owner;
  {
    const Inputs::Packed packed{.data = *owner, .uniform_size = 3, .count = 1};
    const auto inputs = Inputs::Records(packed, std::move(owner));
    ASSERT_TRUE(inputs.ok());
    const Inputs copy = *inputs;
    EXPECT_FALSE(watch.expired());
    EXPECT_THAT(TextsOf(copy), ElementsAre("abc"));
  }
  EXPECT_TRUE(watch.expired());
}

}  // namespace
}  // namespace center::compute
