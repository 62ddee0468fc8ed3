// `-w`: lists that go on, at a terminal and into a file.
#include <csignal>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/fleet.h"
#include "tests/integration/terminal.h"

namespace center::itest {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

class WatchTest : public ::testing::Test {
 protected:
  std::vector<std::string> Words(std::vector<std::string> args) {
    args.insert(args.begin(), {"--address", fleet_.address()});
    args.insert(args.end(), {"--watch", "--interval", "100ms"});
    return args;
  }
  std::unique_ptr<TerminalProcess> AtTerminal(std::vector<std::string> args, size_t columns = 100) {
    return std::make_unique<TerminalProcess>(TerminalProcess::Options{
        .program = Binary("centerctl"), .args = Words(std::move(args)), .columns = columns});
  }
  std::unique_ptr<Process> IntoFile(std::vector<std::string> args) {
    return std::make_unique<Process>(Process::Options{.program = Binary("centerctl"),
                                                      .args = Words(std::move(args)),
                                                      .stdout_path = out_,
                                                      .stderr_path = err_});
  }
  // Until the file has exactly this.
  bool WaitOut(const std::string& text) {
    return WaitFor([&] { return ReadWholeFile(out_) == text; });
  }
  static bool WaitShown(TerminalProcess& watch, const std::string& text) {
    return watch.WaitUntil([&] { return absl::StrContains(watch.screen().Text(), text); });
  }

  Fleet fleet_;
  const std::string out_ = fleet_.dir() / "watch.out";
  const std::string err_ = fleet_.dir() / "watch.err";
};

TEST_F(WatchTest, ATerminalIsDrawnOverAndKeepsTheLastTable) {
  fleet_.MustStart("games");
  const auto watch = AtTerminal({"server", "list"});
  ASSERT_TRUE(WaitShown(*watch, "games")) << watch->screen().Text();
  EXPECT_TRUE(watch->screen().second());
  fleet_.MustStart("market", SmallSpec(2));
  ASSERT_TRUE(WaitShown(*watch, "2/2")) << watch->screen().Text();
  EXPECT_THAT(watch->screen().Row(0), StartsWith("NAME"));
  watch->Type(kCtrlC);
  EXPECT_EQ(watch->Wait(), 0);
  EXPECT_TRUE(watch->SettingsRestored());
  EXPECT_FALSE(watch->screen().second());
  EXPECT_THAT(watch->screen().Text(), AllOf(HasSubstr("market"), Not(HasSubstr("Ctrl-C"))));
  EXPECT_THAT(watch->screen().unknown(), IsEmpty());
}

TEST_F(WatchTest, ANarrowTerminalShowsTheMostImportantColumns) {
  fleet_.MustStart("games");
  const auto watch = AtTerminal({"worker", "list"}, /*columns=*/30);
  ASSERT_TRUE(WaitShown(*watch, "games/0")) << watch->screen().Text();
  EXPECT_THAT(watch->screen().Row(1), HasSubstr("READY"));
  EXPECT_EQ(watch->screen().wraps(), 0u);
  watch->Resize(120, 30);
  EXPECT_TRUE(WaitShown(*watch, "RESTARTS")) << watch->screen().Text();
  watch->Type("q");
  EXPECT_EQ(watch->Wait(), 0);
}

TEST_F(WatchTest, ACoordinatorThatIsAwayIsWaitedFor) {
  fleet_.MustStart("games");
  const auto watch = AtTerminal({"server", "status", "games"});
  ASSERT_TRUE(WaitShown(*watch, "RUNNING")) << watch->screen().Text();
  fleet_.KillCoordinator();
  EXPECT_TRUE(WaitShown(*watch, "as of ")) << watch->screen().Text();
  fleet_.Start();
  EXPECT_TRUE(WaitShown(*watch, "q or Ctrl-C leaves")) << watch->screen().Text();
  watch->Signal(SIGTERM);
  EXPECT_EQ(watch->Wait(), 0);
}

TEST_F(WatchTest, IntoAFileGoesWhatHasChanged) {
  fleet_.MustStart("games");
  const auto watch = IntoFile({"-o", "name", "server", "list"});
  ASSERT_TRUE(WaitOut("games\n")) << ReadWholeFile(err_);
  fleet_.MustStart("market");
  EXPECT_TRUE(WaitOut("games\n\ngames\nmarket\n")) << ReadWholeFile(out_);
  watch->Signal(SIGINT);
  EXPECT_EQ(watch->Wait(absl::Seconds(20)), 0);
  EXPECT_EQ(ReadWholeFile(out_), "games\n\ngames\nmarket\n");
}

TEST_F(WatchTest, JsonIsAnObjectALine) {
  const auto watch = IntoFile({"-o", "json", "server", "list"});
  ASSERT_TRUE(WaitFor([&] { return absl::StrContains(ReadWholeFile(out_), "\n"); }));
  fleet_.MustStart("games");
  ASSERT_TRUE(WaitFor([&] { return absl::StrContains(ReadWholeFile(out_), "\"games\""); }));
  watch->Signal(SIGINT);
  EXPECT_EQ(watch->Wait(absl::Seconds(20)), 0);
  const std::vector<std::string> lines =
      absl::StrSplit(ReadWholeFile(out_), '\n', absl::SkipEmpty());
  ASSERT_GE(lines.size(), 2u);
  EXPECT_EQ(lines[0], "{\"servers\":[],\"nextPageToken\":\"\"}");
  for (const std::string& line : lines) EXPECT_THAT(line, StartsWith("{\"servers\":["));
}

TEST_F(WatchTest, OffATerminalABrokenLineIsToldAndGoneOnWith) {
  fleet_.MustStart("games");
  const auto watch = IntoFile({"-o", "name", "worker", "list"});
  ASSERT_TRUE(WaitOut("games/0\n")) << ReadWholeFile(err_);
  fleet_.KillCoordinator();
  ASSERT_TRUE(WaitFor([&] { return absl::StrContains(ReadWholeFile(err_), "trying again"); }));
  fleet_.Start();
  ASSERT_TRUE(WaitFor([&] { return absl::StrContains(ReadWholeFile(err_), "connected again"); }));
  watch->Signal(SIGINT);
  EXPECT_EQ(watch->Wait(absl::Seconds(20)), 0);
}

TEST_F(WatchTest, WhatNeverAnsweredIsAnError) {
  EXPECT_EQ(fleet_.Ctl({"server", "status", "nobody", "-w"}).exit_code, 64 + 5);
  EXPECT_EQ(fleet_.Ctl({"server", "list", "-w", "--interval", "1ms"}).exit_code, 2);
  fleet_.Stop();
  EXPECT_EQ(fleet_.Ctl({"job", "list", "-w"}).exit_code, 3);
}

}  // namespace
}  // namespace center::itest
