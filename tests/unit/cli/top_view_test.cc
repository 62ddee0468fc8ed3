// The keys of `top`: what a person chooses to see.
#include "cli/top_view.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/cli/top_testing.h"

namespace center::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class TopViewTest : public ::testing::Test {
 protected:
  void Press(Key::Code code) { OnTopKey({code, ""}, extent_, &view_); }
  void Type(const std::string& letters) {
    for (const char letter : letters) {
      OnTopKey({Key::Code::kText, std::string(1, letter)}, extent_, &view_);
    }
  }

  TopView view_;
  TopExtent extent_{.page = 10, .scroll_max = 25, .has_rows = {true, true, true, false, true}};
};

TEST_F(TopViewTest, QLeaves) {
  Type("x");
  EXPECT_FALSE(view_.quit);
  Type("q");
  EXPECT_TRUE(view_.quit);
}

TEST_F(TopViewTest, ALetterChoosesTheOrderAndTurnsItRound) {
  Type("p");
  EXPECT_EQ(view_.sort, TopSort::kPayloads);
  EXPECT_TRUE(SortsDescending(view_.sort, view_.reverse));
  Type("p");
  EXPECT_FALSE(SortsDescending(view_.sort, view_.reverse));
  Type("n");
  EXPECT_EQ(view_.sort, TopSort::kName);
  EXPECT_FALSE(view_.reverse);
  Type("r");
  EXPECT_TRUE(view_.reverse);
}

TEST_F(TopViewTest, SGoesThroughAllOrdersAndBackToTheFirst) {
  const size_t count = TopSortNames().size();
  for (size_t i = 0; i < count; ++i) {
    EXPECT_EQ(TopSortName(view_.sort), TopSortNames()[i]);
    EXPECT_EQ(ParseTopSort(TopSortNames()[i]), view_.sort);
    Type("s");
  }
  EXPECT_EQ(view_.sort, TopSort::kName);
  Type("<");
  EXPECT_EQ(TopSortName(view_.sort), TopSortNames().back());
  EXPECT_EQ(ParseTopSort("nonsense"), absl::nullopt);
}

TEST_F(TopViewTest, AFilterIsTypedKeptAndDropped) {
  Type("/qß");
  EXPECT_TRUE(view_.typing);
  EXPECT_FALSE(view_.quit);  // a letter of the filter
  Press(Key::Code::kBackspace);
  EXPECT_EQ(view_.filter, "q");
  Press(Key::Code::kEnter);
  EXPECT_FALSE(view_.typing);
  Type("/more");
  Press(Key::Code::kEscape);
  EXPECT_EQ(view_.filter, "q");  // as it was
  Press(Key::Code::kEscape);
  EXPECT_THAT(view_.filter, IsEmpty());
}

TEST_F(TopViewTest, AFilterHasALimit) {
  Type("/" + std::string(1000, 'x'));
  EXPECT_LE(view_.filter.size(), 100u);
}

TEST_F(TopViewTest, AnyKeyClosesTheHelp) {
  Type("?");
  EXPECT_TRUE(view_.help);
  Type("q");
  EXPECT_FALSE(view_.help);
  EXPECT_FALSE(view_.quit);
}

TEST_F(TopViewTest, ScrollingStaysInside) {
  Press(Key::Code::kUp);
  EXPECT_EQ(view_.scroll, 0u);
  Press(Key::Code::kPageDown);
  Press(Key::Code::kDown);
  EXPECT_EQ(view_.scroll, 11u);
  Press(Key::Code::kEnd);
  Press(Key::Code::kDown);
  EXPECT_EQ(view_.scroll, 25u);
  extent_.scroll_max = 3;  // a larger window
  Press(Key::Code::kUp);
  EXPECT_EQ(view_.scroll, 2u);
  Press(Key::Code::kTab);
  EXPECT_EQ(view_.section, TopSection::kClients);
  EXPECT_EQ(view_.scroll, 0u);
  Press(Key::Code::kTab);
  EXPECT_EQ(view_.section, TopSection::kEvents);  // there are no jobs
  Press(Key::Code::kTab);
  EXPECT_EQ(view_.section, TopSection::kServers);
}

std::vector<std::string> WorkerNames(const TopData& data) {
  std::vector<std::string> names;
  for (const TopWorker& row : data.workers) names.push_back(row.worker.name());
  return names;
}

TEST(ArrangedTest, RowsAreFilteredByNameAndSorted) {
  TopData data;
  for (const auto& [name, rate] :
       {std::pair<std::string, double>{"games", 5}, {"logs", 70}, {"market", 6}}) {
    TopWorker& row = data.workers.emplace_back();
    row.worker = MakeWorker(name, 0, {});
    row.figures.payloads_per_s = rate;
    data.events.push_back(MakeEvent(1, row.worker.name(), "because"));
  }
  data.workers.emplace_back().worker = MakeWorker("unknown", 0, {});
  EXPECT_THAT(WorkerNames(Arranged(data, {})),
              ElementsAre("games/0", "logs/0", "market/0", "unknown/0"));
  EXPECT_THAT(WorkerNames(Arranged(data, {.sort = TopSort::kPayloads})),
              ElementsAre("logs/0", "market/0", "games/0", "unknown/0"));
  EXPECT_THAT(WorkerNames(Arranged(data, {.sort = TopSort::kName, .reverse = true})),
              ElementsAre("unknown/0", "market/0", "logs/0", "games/0"));
  const TopData filtered = Arranged(data, {.filter = "GAM"});
  EXPECT_THAT(WorkerNames(filtered), ElementsAre("games/0"));
  ASSERT_EQ(filtered.events.size(), 1u);
  EXPECT_EQ(filtered.events[0].subject(), "games/0");
}

}  // namespace
}  // namespace center::cli
