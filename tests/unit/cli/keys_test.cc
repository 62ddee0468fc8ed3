// Keys from the bytes that a terminal sends, and a screen that is repainted line by line.
#include "cli/keys.h"

#include "cli/full_screen.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/screen.h"

namespace center::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

Key Text(const std::string& text) { return {Key::Code::kText, text}; }
Key Named(Key::Code code) { return {code, ""}; }

TEST(KeyDecoderTest, LettersAndNamedKeys) {
  KeyDecoder decoder;
  EXPECT_THAT(decoder.Feed("q/ß"), ElementsAre(Text("q"), Text("/"), Text("ß")));
  EXPECT_THAT(
      decoder.Feed("\r\t\x7f\x08\x0c"),
      ElementsAre(Named(Key::Code::kEnter), Named(Key::Code::kTab), Named(Key::Code::kBackspace),
                  Named(Key::Code::kBackspace), Named(Key::Code::kRedraw)));
  EXPECT_THAT(
      decoder.Feed("\x1b[A\x1bOB\x1b[5~\x1b[6~\x1b[H\x1b[F"),
      ElementsAre(Named(Key::Code::kUp), Named(Key::Code::kDown), Named(Key::Code::kPageUp),
                  Named(Key::Code::kPageDown), Named(Key::Code::kHome), Named(Key::Code::kEnd)));
  EXPECT_FALSE(decoder.pending());
}

TEST(KeyDecoderTest, AKeyMayComeInPieces) {
  KeyDecoder decoder;
  EXPECT_THAT(decoder.Feed("\x1b"), IsEmpty());
  EXPECT_TRUE(decoder.pending());
  EXPECT_THAT(decoder.Feed("["), IsEmpty());
  EXPECT_THAT(decoder.Feed("Bq"), ElementsAre(Named(Key::Code::kDown), Text("q")));
  EXPECT_THAT(decoder.Feed("\xc3"), IsEmpty());
  EXPECT_THAT(decoder.Feed("\x9f"), ElementsAre(Text("ß")));
}

TEST(KeyDecoderTest, AnEscapeThatNothingFollowsIsAKey) {
  KeyDecoder decoder;
  EXPECT_THAT(decoder.Flush(), IsEmpty());
  EXPECT_THAT(decoder.Feed("\x1b"), IsEmpty());
  EXPECT_THAT(decoder.Flush(), ElementsAre(Named(Key::Code::kEscape)));
  EXPECT_FALSE(decoder.pending());
  EXPECT_THAT(decoder.Feed("q"), ElementsAre(Text("q")));
}

TEST(KeyDecoderTest, UnknownSequencesAreOneUnknownKeyAndNeverHoldUpTheNext) {
  KeyDecoder decoder;
  EXPECT_THAT(decoder.Feed("\x1b[1;5Cq"), ElementsAre(Named(Key::Code::kOther), Text("q")));
  EXPECT_THAT(decoder.Feed("\x1bxq"), ElementsAre(Named(Key::Code::kOther), Text("q")));
  const std::vector<Key> keys = decoder.Feed("\x1b[" + std::string(100, '1') + "q");
  EXPECT_EQ(keys.back(), Text("q"));
}

TEST(RepaintTest, TheScreenShowsWhatIsWanted) {
  testing_support::Screen screen(20, 4);
  std::vector<std::string> shown;
  for (const std::vector<std::string>& wanted : {std::vector<std::string>{"one", "two", "three"},
                                                 {"one", "2"},
                                                 {},
                                                 {"日本", "", "", "last"},
                                                 {"日", "", "x", "last"}}) {
    screen.Feed(Repaint(shown, wanted));
    std::string text;
    for (const std::string& line : wanted) text += line + "\n";
    EXPECT_EQ(screen.Text(), text);
    shown = wanted;
  }
  EXPECT_THAT(screen.unknown(), IsEmpty());
}

TEST(RepaintTest, OnlyLinesThatDifferAreWritten) {
  EXPECT_EQ(Repaint({"one", "two"}, {"one", "two"}), "");
  EXPECT_EQ(Repaint({"one", "two"}, {"one", "2"}), "\x1b[2;1H\x1b[2K2");
}

}  // namespace
}  // namespace center::cli
