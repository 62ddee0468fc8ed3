#include "cli/words.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace center::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::string> Split(absl::string_view line) {
  auto words = SplitWords(line);
  EXPECT_TRUE(words.ok()) << words.status();
  return words.value_or(std::vector<std::string>());
}

TEST(SplitWordsTest, BlanksPartWords) {
  EXPECT_THAT(Split("  server   start -n 2 "), ElementsAre("server", "start", "-n", "2"));
  EXPECT_THAT(Split(" \t "), IsEmpty());
}

TEST(SplitWordsTest, QuotesAndBackslashesKeepThemTogether) {
  EXPECT_THAT(Split(R"(tail --contains 'a "b" c' "d 'e'" f\ g "h\"i")"),
              ElementsAre("tail", "--contains", "a \"b\" c", "d 'e'", "f g", "h\"i"));
  EXPECT_THAT(Split(R"(a'b'"c" '' x)"), ElementsAre("abc", "", "x"));
}

TEST(SplitWordsTest, ACommentBeginsWithAWord) {
  EXPECT_THAT(Split("server list # all of them"), ElementsAre("server", "list"));
  EXPECT_THAT(Split("# nothing"), IsEmpty());
  EXPECT_THAT(Split("a#b"), ElementsAre("a#b"));
}

TEST(SplitWordsTest, WhatIsNotClosedIsAnError) {
  EXPECT_TRUE(absl::IsInvalidArgument(SplitWords("tail 'a").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(SplitWords("tail \"a").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(SplitWords("tail a\\").status()));
}

TEST(SplitTypedTest, TheWordAtTheCursorIsNotComplete) {
  Typed typed = SplitTyped("server st");
  EXPECT_THAT(typed.words, ElementsAre("server"));
  EXPECT_EQ(typed.current, "st");
  EXPECT_EQ(typed.current_start, 7u);

  typed = SplitTyped("server ");
  EXPECT_THAT(typed.words, ElementsAre("server"));
  EXPECT_EQ(typed.current, "");
  EXPECT_EQ(typed.current_start, 7u);

  typed = SplitTyped("tail 'a b");
  EXPECT_THAT(typed.words, ElementsAre("tail"));
  EXPECT_EQ(typed.current, "a b");
  EXPECT_EQ(typed.current_start, 5u);

  typed = SplitTyped("");
  EXPECT_THAT(typed.words, IsEmpty());
  EXPECT_EQ(typed.current_start, 0u);
}

TEST(QuoteWordTest, WhatWasQuotedIsReadBack) {
  for (const char* word :
       {"plain", "default/0", "--from=1", "two words", "it's", "\"", "#x", "", "a\\b", "$HOME"}) {
    EXPECT_THAT(Split(QuoteWord(word)), ElementsAre(word));
  }
  EXPECT_EQ(QuoteWord("default/0"), "default/0");
}

}  // namespace
}  // namespace center::cli
