// The oracle of the crash tests must see a loss: each kind of damage done by hand is found.
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/collector.h"

namespace center::itest {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Ledger Sample() {
  return {{"s/0", {{0, "p", "a 1"}, {1, "p", "a 2"}, {2, "q", "b 1"}}},
          {"s/1", {{7, "r", "c 1"}, {8, "r", "c 2"}}}};
}

TEST(OracleTest, AcceptsEqualLedgersAndMoreThanWasSeen) {
  Ledger seen = Sample();
  EXPECT_THAT(CheckConserved(seen, Sample()), IsEmpty());
  seen["s/0"].pop_back();
  EXPECT_THAT(CheckConserved(seen, Sample()), IsEmpty());
  EXPECT_THAT(CheckSequences(Sample(), /*consecutive=*/true), IsEmpty());
}

TEST(OracleTest, SeesALostTail) {
  Ledger stored = Sample();
  stored["s/0"].pop_back();
  EXPECT_THAT(CheckConserved(Sample(), stored), ElementsAre(HasSubstr("s/0 @2 is lost: b 1")));
  stored.erase("s/1");
  EXPECT_EQ(CheckConserved(Sample(), stored).size(), 3u);
}

TEST(OracleTest, SeesALossInTheMiddle) {
  Ledger stored = Sample();
  stored["s/0"].erase(stored["s/0"].begin() + 1);
  EXPECT_THAT(CheckConserved(Sample(), stored), ElementsAre(HasSubstr("offset 2 follows 0")));
}

TEST(OracleTest, SeesADuplicate) {
  Ledger seen = Sample();
  seen["s/1"].push_back(seen["s/1"].back());
  EXPECT_THAT(CheckConserved(seen, Sample()), ElementsAre(HasSubstr("offset 8 follows 8")));
  Ledger twice = {{"s/0", {{0, "p", "a 1"}, {1, "p", "a 1"}}}};
  EXPECT_THAT(CheckSequences(twice, /*consecutive=*/false),
              ElementsAre(HasSubstr("a 1 follows 1")));
}

TEST(OracleTest, SeesAChangedPayloadAndAnotherOrder) {
  Ledger stored = Sample();
  std::swap(stored["s/0"][0].payload, stored["s/0"][1].payload);
  EXPECT_THAT(CheckConserved(Sample(), stored),
              ElementsAre(HasSubstr("@0 was a 1, is a 2"), HasSubstr("@1 was a 2, is a 1")));
  EXPECT_THAT(CheckSequences(stored, /*consecutive=*/true),
              ElementsAre(HasSubstr("a 1 follows 2")));
}

TEST(OracleTest, SeesAHoleInASequence) {
  Ledger hole = {{"s/0", {{0, "p", "a 1"}, {1, "p", "a 3"}}}};
  EXPECT_THAT(CheckSequences(hole, /*consecutive=*/false), IsEmpty());
  EXPECT_THAT(CheckSequences(hole, /*consecutive=*/true), ElementsAre(HasSubstr("a 3 follows 1")));
}

}  // namespace
}  // namespace center::itest
