// What a process says when it dies: in the recorder, and on stderr.
#include "services/worker/api/last_words.h"

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <functional>
#include <memory>
#include <stdexcept>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/sanitized.h"

namespace center::worker {
namespace {

constexpr uint32_t kSlot = 3;

void RunWithoutCatching(const std::function<void()>& function) noexcept { function(); }

// A sanitizer has handlers of its own.
bool DiedOfSegv(int status) {
  return kSanitized || (WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}

class LastWordsDeathTest : public testing::Test {
 protected:
  LastWordsDeathTest() {
    testing::GTEST_FLAG(death_test_style) = "fast";
    auto fd = Scoreboard::CreateMemfd();
    EXPECT_TRUE(fd.ok()) << fd.status();
    fd_ = *std::move(fd);
    auto board = Scoreboard::Map(fd_.get());
    EXPECT_TRUE(board.ok()) << board.status();
    board_ = *std::move(board);
  }
  FlightRecorder& recorder() { return board_->recorder(kSlot); }
  FlightRecorder::End end() { return static_cast<FlightRecorder::End>(recorder().end.load()); }

  ScopedFd fd_;
  std::unique_ptr<Scoreboard> board_;
};

TEST_F(LastWordsDeathTest, AnExitIsRecorded) {
  EXPECT_EXIT(
      {
        LastWords words("test");
        if (!words.Record(fd_.get(), kSlot).ok()) ::_exit(99);
        words.AskedBy({.pid = 4711, .uid = 5, .command = "bash"});
        ::_exit(words.Exit(7));
      },
      testing::ExitedWithCode(7), "");
  EXPECT_EQ(end(), FlightRecorder::End::kExit);
  EXPECT_EQ(recorder().end_value.load(), 7);
  EXPECT_EQ(recorder().Sender().pid, 4711);
}

TEST_F(LastWordsDeathTest, AnExitByAnotherWayIsNot) {
  EXPECT_EXIT(
      {
        LastWords words("test");
        if (!words.Record(fd_.get(), kSlot).ok()) ::_exit(99);
        ::_exit(7);
      },
      testing::ExitedWithCode(7), "");
  EXPECT_NE(recorder().pid.load(), 0);
  EXPECT_EQ(end(), FlightRecorder::End::kNone);
}

TEST_F(LastWordsDeathTest, AnUncaughtExceptionSaysWhatItIs) {
  EXPECT_DEATH(
      {
        LastWords words("test");
        RunWithoutCatching([] { throw std::runtime_error("the reason"); });
      },
      "uncaught exception std::runtime_error: the reason");
}

TEST_F(LastWordsDeathTest, AFatalSignalLeavesAStackAndIsRecordedWithItsSender) {
  const char* stack = kSanitized ? "" : "SIGSEGV received(.|\n)*AFatalSignal";
  EXPECT_EXIT(
      {
        LastWords words("test");
        if (!words.Record(fd_.get(), kSlot).ok()) ::_exit(99);
        ::raise(SIGSEGV);
      },
      DiedOfSegv, stack);
  if (kSanitized) return;
  EXPECT_EQ(end(), FlightRecorder::End::kSignal);
  EXPECT_EQ(recorder().end_value.load(), SIGSEGV);
  EXPECT_EQ(recorder().Sender().pid, 0);  // its own doing
}

}  // namespace
}  // namespace center::worker
