#include "services/worker/ingest/carry.h"

#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "gtest/gtest.h"

namespace center::ingest {
namespace {

absl::string_view Content(Carry& carry) { return {carry.data(), carry.size()}; }

TEST(CarryTest, HoldsNothingWhenEmptyAndChargesItsBudgetOtherwise) {
  BufferBudget budget(1000);
  {
    Carry carry(&budget);
    EXPECT_EQ(budget.used_bytes(), 0u);
    carry.Assign("abc", 3);
    EXPECT_EQ(Content(carry), "abc");
    EXPECT_EQ(budget.used_bytes(), carry.capacity());
    carry.Assign("", 0);
    EXPECT_EQ(carry.capacity(), 0u);
    EXPECT_EQ(budget.used_bytes(), 0u);
    carry.Assign("abc", 3);
  }
  EXPECT_EQ(budget.used_bytes(), 0u);
}

TEST(CarryTest, ReusesItsMemoryForSimilarContentAndShrinksForMuchLess) {
  BufferBudget budget(1 << 20);
  Carry carry(&budget);
  carry.Assign(std::string(200, 'a').data(), 200);
  const char* const first = carry.data();
  carry.Assign(std::string(90, 'b').data(), 90);
  EXPECT_EQ(carry.data(), first);
  carry.Assign(std::string(10'000, 'c').data(), 10'000);
  carry.Assign("d", 1);
  EXPECT_LE(carry.capacity(), 256u);
  EXPECT_EQ(Content(carry), "d");
}

TEST(CarryTest, AppendGrowsByDoubling) {
  BufferBudget budget(1 << 20);
  Carry carry(&budget);
  std::string expected;
  size_t growths = 0;
  for (int i = 0; i < 10'000; ++i) {
    const size_t before = carry.capacity();
    const char c = static_cast<char>('a' + i % 26);
    carry.Append(&c, 1);
    expected.push_back(c);
    if (carry.capacity() != before) ++growths;
  }
  EXPECT_EQ(Content(carry), expected);
  EXPECT_LT(growths, 10u);
  EXPECT_EQ(budget.used_bytes(), carry.capacity());
}

TEST(CarryTest, MovesItsChargeAlong) {
  BufferBudget budget(100);
  Carry a(&budget);
  a.Assign("abc", 3);
  EXPECT_TRUE(budget.exceeded());
  Carry b(std::move(a));
  Carry c(&budget);
  c = std::move(b);
  EXPECT_EQ(Content(c), "abc");
  EXPECT_EQ(budget.used_bytes(), c.capacity());
  c.Clear();
  EXPECT_FALSE(budget.exceeded());
}

}  // namespace
}  // namespace center::ingest
