// A progress bar for terminals only.
#include "cli/progress.h"

#include "absl/strings/match.h"
#include "tests/unit/cli/testing.h"

namespace center::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

TEST(ProgressLineTest, ShowsShareRateAndTheTimeThatIsLeft) {
  const std::string line = ProgressLine({512 << 20, 1 << 30, absl::Seconds(4)}, 80);
  EXPECT_THAT(line, StartsWith("[===="));
  EXPECT_THAT(line, HasSubstr("  50%  512 MiB  128 MiB/s  ETA 4s"));
}

TEST(ProgressLineTest, TheBarGrowsWithTheShare) {
  const auto filled = [](uint64_t done) {
    const std::string line = ProgressLine({done, 100, absl::Seconds(1)}, 80);
    return std::count(line.begin(), line.end(), '=');
  };
  EXPECT_EQ(filled(0), 0);
  EXPECT_LT(filled(10), filled(50));
  EXPECT_LT(filled(50), filled(100));
  EXPECT_EQ(filled(100), filled(250)) << "a file that grew";
}

TEST(ProgressLineTest, WithoutATotalOnlyWhatIsKnown) {
  EXPECT_EQ(ProgressLine({1 << 20, 0, absl::Seconds(1)}, 80), "1.00 MiB  1.00 MiB/s");
}

TEST(ProgressLineTest, NeverWiderThanTheTerminal) {
  for (size_t width = 0; width < 120; ++width) {
    for (const uint64_t total : {uint64_t{0}, uint64_t{1} << 40}) {
      EXPECT_LE(ProgressLine({123'456'789, total, absl::Seconds(3)}, width).size(), width);
    }
  }
}

TEST(ProgressLineTest, NoTimeAndNoBytesAreNoTrouble) {
  EXPECT_THAT(ProgressLine({0, 100, absl::ZeroDuration()}, 80), Not(HasSubstr("ETA")));
  EXPECT_THAT(ProgressLine({100, 100, absl::ZeroDuration()}, 80), HasSubstr("100%"));
}

class ProgressBarTest : public CliTest {
 protected:
  void Advance(int64_t ms) { clock_.Set(clock_.WallNanos() + ms * 1'000'000); }
  // Draws half of it, twice within an instant, on a terminal or in a file.
  void Draw(int err_fd, bool quiet) {
    Context context({.quiet = quiet}, Deps(in_.fd(), out_.fd(), err_fd));
    ProgressBar bar(context, 100);
    bar.Update(10);
    Advance(150);
    bar.Update(50);
    bar.Update(51);
    Advance(150);
    bar.Update(90);
  }
};

TEST_F(ProgressBarTest, IsDrawnOnATerminalAndRemovedAtTheEnd) {
  Terminal terminal;
  Draw(terminal.fd(), /*quiet=*/false);
  const std::string drawn = terminal.Read();
  EXPECT_THAT(drawn, HasSubstr("50%"));
  EXPECT_THAT(drawn, HasSubstr("90%"));
  EXPECT_THAT(drawn, Not(HasSubstr("10%"))) << "nothing is shown of what is over at once";
  EXPECT_THAT(drawn, Not(HasSubstr("51%"))) << "not more often than every 100 ms";
  EXPECT_TRUE(absl::EndsWith(drawn, "\r\x1b[K"));
}

TEST_F(ProgressBarTest, IsNotDrawnOffATerminal) {
  Draw(err_.fd(), /*quiet=*/false);
  EXPECT_EQ(err_.Text(), "");
}

TEST_F(ProgressBarTest, IsNotDrawnWhenQuiet) {
  Terminal terminal;
  Draw(terminal.fd(), /*quiet=*/true);
  EXPECT_EQ(terminal.Read(), "");
}

}  // namespace
}  // namespace center::cli
