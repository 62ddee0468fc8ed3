#include "services/coordinator/supervision/exit_details.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>

#include "services/coordinator/supervision/crash_text.h"

namespace center::supervision {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

TEST(ExitDetailsTest, HoldWhatIsKnownAndNoMore) {
  ExitRecord record{.exit = {.pid = 7, .signal = SIGSEGV, .core_dumped = true},
                    .cause = DeathCause::kKilled,
                    .ended_by = "process 1 (init), uid 0",
                    .running = {"chunk 1, input 2", "chunk 3, input 4"},
                    .stack = "#0 0x1 f\n"};
  record.exit.stderr_tail = "last words\n";
  EXPECT_THAT(ExitDetails(record, std::chrono::seconds(2)),
              ElementsAre(Pair("cause", "killed"), Pair("core_dumped", "true"),
                          Pair("ended_by", "process 1 (init), uid 0"), Pair("pid", "7"),
                          Pair("running", "chunk 1, input 2\nchunk 3, input 4"),
                          Pair("signal", "11"), Pair("stack", "#0 0x1 f\n"),
                          Pair("stderr", "last words\n"), Pair("uptime_ms", "2000")));
  EXPECT_THAT(ExitDetails(ExitRecord{.exit = {.pid = 7, .exit_code = 3}}, SteadyDuration(0)),
              ElementsAre(Pair("cause", "unknown"), Pair("exit_code", "3"), Pair("pid", "7"),
                          Pair("uptime_ms", "0")));
  EXPECT_THAT(ExitDetails(ExitRecord{.exit = {.pid = 7, .known = false}}, SteadyDuration(0)),
              ElementsAre(Pair("cause", "unknown"), Pair("pid", "7"), Pair("uptime_ms", "0")));
  EXPECT_THAT(ExitDetails(ExitRecord{.cause = DeathCause::kLaunchFailed}, SteadyDuration(0)),
              ElementsAre(Pair("cause", "launch-failed")));
}

TEST(LastLinesTest, CutsAtLinesAndCharacters) {
  EXPECT_EQ(LastLines("short\n", 100), "short\n");
  EXPECT_EQ(LastLines("first\nsecond\n", 7), "second\n");
  EXPECT_EQ(LastLines("first\nsecond\n", 9), "second\n");
  EXPECT_EQ(LastLines("one line", 4), "line");
  EXPECT_EQ(LastLines("ends\n", 2), "s\n");
  EXPECT_EQ(LastLines("äöü", 3), "ü");  // not from the middle of ö
}

constexpr char kCrash[] =
    "[info] before\n"
    "*** SIGSEGV received at time=1795572272 on cpu 0 ***\n"
    "PC: @     0x7fc94d526f36  (unknown)  epoll_wait\n"
    "    @     0x7fc94d526f36  (unknown)  epoll_wait\n"
    "    @     0x5621d6b5b5df        48  (anonymous namespace)::Run(int, char const*)\n"
    "    @              (nil)  (unknown)  (unknown)\n";

TEST(CrashTextTest, TheStackIsToldFromTheRest) {
  const CrashText crash = SplitCrashText(std::string(kCrash) + "after\n");
  EXPECT_EQ(crash.stack,
            "#0 0x7fc94d526f36 epoll_wait\n"
            "#1 0x5621d6b5b5df (anonymous namespace)::Run(int, char const*)\n"
            "#2 (nil) (unknown)\n");
  EXPECT_EQ(crash.rest, "[info] before\nafter\n");
}

TEST(CrashTextTest, TextWithoutOneStaysAsItIs) {
  for (const char* text : {"", "a\nb", "*** SIGSEGV ***\n", "    @ 0x1 2 f\n"}) {
    EXPECT_EQ(SplitCrashText(text).rest, text);
    EXPECT_EQ(SplitCrashText(text).stack, "");
  }
}

TEST(CrashTextTest, TheLastStackCounts) {
  const CrashText crash = SplitCrashText(std::string(kCrash) + kCrash + "    @ 0x1 2\n");
  EXPECT_EQ(crash.stack.substr(0, 5), "#0 0x");
  EXPECT_EQ(crash.rest, std::string(kCrash) + "[info] before\n    @ 0x1 2\n");
}

TEST(CrashTextTest, AnEndlessStackIsCut) {
  std::string text = "*** SIGABRT received at time=1 ***\n";
  for (int i = 0; i < 2000; ++i) text += "    @ 0x1 48 a::rather::long::function()\n";
  const CrashText crash = SplitCrashText(text);
  EXPECT_LE(crash.stack.size(), kStackBytesMax);
  EXPECT_GT(crash.stack.size(), kStackBytesMax - 100);
  EXPECT_EQ(crash.rest, "");
}

}  // namespace
}  // namespace center::supervision
