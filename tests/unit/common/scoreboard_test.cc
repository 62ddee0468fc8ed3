#include "services/common/scoreboard.h"

#include <sys/mman.h>
#include <unistd.h>

#include <memory>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace center {
namespace {

using State = Scoreboard::State;

class ScoreboardTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto fd = Scoreboard::CreateMemfd();
    ASSERT_TRUE(fd.ok()) << fd.status();
    fd_ = std::move(*fd);
    auto board = Scoreboard::Map(fd_.get());
    ASSERT_TRUE(board.ok()) << board.status();
    board_ = std::move(*board);
  }

  void Set(uint32_t slot, State state, uint32_t connections, int64_t tick_ms) {
    board_->SetState(slot, state);
    board_->SetConnections(slot, connections);
    board_->Tick(slot, tick_ms);
  }

  ScopedFd fd_;
  std::unique_ptr<Scoreboard> board_;
};

TEST_F(ScoreboardTest, BeginsEmpty) {
  for (uint32_t slot = 0; slot < Scoreboard::kSlotsMax; ++slot) {
    EXPECT_EQ(board_->Read(slot).state, State::kUnused);
  }
  EXPECT_FALSE(board_->LeastLoadedSibling(0, 0).has_value());
}

TEST_F(ScoreboardTest, FindsTheLeastLoadedOfTheOthers) {
  Set(0, State::kAccepting, 1, 5000);
  Set(1, State::kAccepting, 7, 5000);
  Set(Scoreboard::kSlotsMax - 1, State::kAccepting, 3, 5000);
  EXPECT_EQ(board_->LeastLoadedSibling(0, 5000), 3u);
  EXPECT_EQ(board_->LeastLoadedSibling(1, 5000), 1u);
}

TEST_F(ScoreboardTest, WhoTakesNoConnectionsOrGivesNoSignOfLifeDoesNotCount) {
  Set(1, State::kHolding, 0, 5000);
  Set(2, State::kUnused, 0, 5000);
  Set(3, State::kAccepting, 9, 5000);
  EXPECT_EQ(board_->LeastLoadedSibling(0, 5000), 9u);
  EXPECT_EQ(board_->LeastLoadedSibling(0, 5000 + Scoreboard::kStaleMs), 9u);
  EXPECT_FALSE(board_->LeastLoadedSibling(0, 5001 + Scoreboard::kStaleMs).has_value());
}

TEST_F(ScoreboardTest, IsSharedByAllWhoMapTheDescriptor) {
  const auto other = Scoreboard::Map(fd_.get());
  ASSERT_TRUE(other.ok()) << other.status();
  (*other)->SetState(5, State::kAccepting);
  (*other)->SetConnections(5, 42);
  (*other)->Tick(5, 77);
  const Scoreboard::Slot slot = board_->Read(5);
  EXPECT_EQ(slot.state, State::kAccepting);
  EXPECT_EQ(slot.connections, 42u);
  EXPECT_EQ(slot.tick_ms, 77);
}

TEST_F(ScoreboardTest, AFlightRecorderIsReadByOthersAndClearedByTheNextProcess) {
  const auto other = Scoreboard::Map(fd_.get());
  ASSERT_TRUE(other.ok()) << other.status();
  const uint32_t last = Scoreboard::kSlotsMax - 1;
  FlightRecorder& written = (*other)->recorder(last);
  const FlightRecorder& read = board_->recorder(last);
  written.Begin(4711);
  written.running[1].input.store(5);
  written.running[1].chunk.store(7);
  EXPECT_EQ(read.pid.load(), 4711);
  EXPECT_EQ(read.end.load(), static_cast<uint32_t>(FlightRecorder::End::kNone));
  EXPECT_EQ(read.running[1].chunk.load(), 7u);
  written.Finish(FlightRecorder::End::kSignal, 11);
  EXPECT_EQ(read.end.load(), static_cast<uint32_t>(FlightRecorder::End::kSignal));
  EXPECT_EQ(read.end_value.load(), 11);
  written.Begin(4712);
  EXPECT_EQ(read.end.load(), static_cast<uint32_t>(FlightRecorder::End::kNone));
  EXPECT_EQ(read.running[1].chunk.load(), 0u);
  EXPECT_EQ(board_->recorder(0).pid.load(), 0);
}

TEST_F(ScoreboardTest, CannotBeShrunkUnderItsUsers) {
  EXPECT_NE(::ftruncate(fd_.get(), 0), 0);
  EXPECT_NE(::ftruncate(fd_.get(), 1 << 20), 0);
}

TEST_F(ScoreboardTest, OtherDescriptorsAreRefused) {
  const ScopedFd small(::memfd_create("small", MFD_CLOEXEC));
  ASSERT_TRUE(small.valid());
  EXPECT_TRUE(absl::IsInvalidArgument(Scoreboard::Map(small.get()).status()));
  EXPECT_FALSE(Scoreboard::Map(-1).ok());
}

TEST_F(ScoreboardTest, MonotonicTimeMovesForward) {
  const int64_t first = Scoreboard::MonotonicMs();
  EXPECT_GT(first, 0);
  EXPECT_GE(Scoreboard::MonotonicMs(), first);
}

}  // namespace
}  // namespace center
