// Widths of text as a terminal has them, and tables that fit into it.
#include "cli/text_width.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "cli/event_views.h"
#include "cli/output.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace center::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

TEST(TextWidthTest, WideCharactersTakeTwoColumnsAndCombiningOnesNone) {
  EXPECT_EQ(DisplayWidth(""), 0u);
  EXPECT_EQ(DisplayWidth("plain"), 5u);
  EXPECT_EQ(DisplayWidth("größe"), 5u);
  EXPECT_EQ(DisplayWidth("gro\u0308ße"), 5u);  // o and a combining diaeresis
  EXPECT_EQ(DisplayWidth("日本"), 4u);
  EXPECT_EQ(DisplayWidth("🚀"), 2u);
  EXPECT_EQ(DisplayWidth("\xff"), 1u);
}

TEST(TextWidthTest, ShortenedTextFitsAndShowsThatItWasCut) {
  EXPECT_EQ(Shortened("enough", 6), "enough");
  EXPECT_EQ(Shortened("too long", 6), "too l…");
  EXPECT_EQ(Shortened("日本語", 4), "日…");  // half a character is none
  EXPECT_EQ(Shortened("e\u0301e\u0301e\u0301", 2), "e\u0301…");
  EXPECT_EQ(Shortened("x", 0), "");
}

TEST(TextWidthTest, WordsAreWrappedAtBlanksAndLongOnesInside) {
  EXPECT_THAT(WrapWords("", 5), ElementsAre(""));
  EXPECT_THAT(WrapWords("one two three", 8), ElementsAre("one two", "three"));
  EXPECT_THAT(WrapWords("one two", 7), ElementsAre("one two"));
  EXPECT_THAT(WrapWords("abcdefgh ij", 3), ElementsAre("abc", "def", "gh", "ij"));
  EXPECT_THAT(WrapWords("日本語", 1), ElementsAre("日", "本", "語"));
}

Table SmallTable() {
  Table table({{"NAME", Table::Align::kLeft, 0, 6},
               {"COUNT", Table::Align::kRight, 1},
               {"WHERE", Table::Align::kLeft, 2},
               {"WHY", Table::Align::kLeft, 0, 8, /*wraps=*/true}});
  table.AddRow({"日本/0", "1,234", "127.0.0.1", {"killed by a signal", Color::kRed}});
  table.AddRow({"games/11", "5", "-", "-"});
  return table;
}

TEST(TableWidthTest, WithoutALimitNothingIsCut) {
  EXPECT_EQ(SmallTable().Render(Style()),
            "NAME      COUNT  WHERE      WHY\n"
            "日本/0    1,234  127.0.0.1  killed by a signal\n"
            "games/11      5  -          -\n");
}

TEST(TableWidthTest, ReasonsWrapFirstThenColumnsGoByRankAndNamesAreCut) {
  EXPECT_EQ(SmallTable().Render(Style(false, 40)),
            "NAME      COUNT  WHERE      WHY\n"
            "日本/0    1,234  127.0.0.1  killed by a\n"
            "                            signal\n"
            "games/11      5  -          -\n");
  EXPECT_EQ(SmallTable().Render(Style(false, 30)),
            "NAME      COUNT  WHY\n"
            "日本/0    1,234  killed by a\n"
            "                 signal\n"
            "games/11      5  -\n");
  EXPECT_EQ(SmallTable().Render(Style(false, 16)),
            "NAME    WHY\n"
            "日本/0  killed\n"
            "        by a\n"
            "        signal\n"
            "games…  -\n");
  EXPECT_THAT(SmallTable().LeftOut(30), ElementsAre("WHERE"));
  EXPECT_THAT(SmallTable().LeftOut(200), IsEmpty());
}

TEST(TableWidthTest, NoLineIsEverWiderThanTheTerminal) {
  for (size_t columns = 12; columns < 60; ++columns) {
    const std::string text = SmallTable().Render(Style(false, columns));
    for (const absl::string_view line : absl::StrSplit(text, '\n')) {
      EXPECT_LE(DisplayWidth(line), columns) << text;
    }
  }
}

TEST(TableWidthTest, ColoursTakeNoRoom) {
  const std::string coloured = SmallTable().Render(Style(true, 40));
  EXPECT_THAT(coloured, HasSubstr("\x1b[31mkilled by a\x1b[0m\n"));
  EXPECT_THAT(coloured, HasSubstr("\x1b[31msignal\x1b[0m\n"));
}

v1::Event Death() {
  v1::Event event;
  event.mutable_time()->set_seconds(1'700'000'000);
  event.set_type(v1::EVENT_TYPE_WORKER_DIED);
  event.set_subject("default/0");
  event.set_reason("killed by SIGKILL, not by Center: out-of-memory killer or another user");
  return event;
}

TEST(EventTextTest, TheReasonIsWholeHoweverNarrowTheTerminal) {
  const absl::Time now = absl::FromUnixSeconds(1'700'000'100);
  const v1::Event death = Death();
  EXPECT_THAT(EventText(death, now, Style()),
              HasSubstr("  worker-died          default/0     killed by SIGKILL, not by Center: "
                        "out-of-memory killer or another user\n"));
  for (const size_t columns : {30, 40, 80, 200}) {
    const std::string text = EventText(death, now, Style(false, columns));
    std::string joined;
    for (absl::string_view line : absl::StrSplit(text, '\n')) {
      EXPECT_LE(DisplayWidth(line), columns) << text;
      absl::StrAppend(&joined, " ", line);
    }
    for (const absl::string_view word : absl::StrSplit(death.reason(), ' ')) {
      EXPECT_THAT(joined, HasSubstr(std::string(word)));
    }
  }
  EXPECT_THAT(EventText(death, now, Style(false, 80)), Not(HasSubstr("2023-")));
}

TEST(WrapLinesTest, LongLinesGoOnBelowWhereTheyAreIndented) {
  EXPECT_EQ(WrapLines("short\n\nthis one is too long", 12), "short\n\nthis one is\ntoo long");
  EXPECT_EQ(WrapLines("  an indented line", 14), "  an indented\n  line");
  EXPECT_EQ(WrapLines("  an indented line", 14, /*hanging=*/4), "  an indented\n      line");
  EXPECT_EQ(WrapLines("however long it is", 0), "however long it is");
  EXPECT_EQ(WrapLines("ends in a line feed\n", 80), "ends in a line feed\n");
  EXPECT_EQ(WrapLines("日本語 日本語", 8), "日本語\n日本語");
}

}  // namespace
}  // namespace center::cli
