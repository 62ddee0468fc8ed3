// Everything that ends early: cancelled chunks, inputs that take too long, an engine that stops.
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/worker/compute/engine.h"
#include "tests/unit/compute/testing.h"

namespace center::compute {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class EngineStopTest : public ::testing::Test {
 protected:
  EngineStopTest() : tasks_(TaskRegistry::WithBuiltIns()) {
    EXPECT_TRUE(tasks_.LoadModule(ModulePath("misbehaving")).ok());
    EXPECT_TRUE(tasks_.Add(Gate::Task()).ok());
    EXPECT_TRUE(tasks_.Add(Gate::DeafTask()).ok());
    engine_ = std::make_unique<Engine>(Engine::Options{}, tasks_, &recorder_, RealClock());
  }
  Engine::Ticket Submit(Chunk chunk, Pending& pending) {
    const auto ticket = engine_->Submit(std::move(chunk), pending.Taker());
    EXPECT_TRUE(ticket.ok()) << ticket.status();
    return ticket.value_or(0);
  }

  TaskRegistry tasks_;
  FlightRecorder recorder_{};
  Gate gate_;
  std::unique_ptr<Engine> engine_;
};

TEST_F(EngineStopTest, ACancelledChunkKeepsWhatWasFinished) {
  Pending pending;
  const Engine::Ticket ticket = Submit(MakeChunk("misbehave", {"a", "b", "poll", "c"}), pending);
  ASSERT_TRUE(Eventually([&] { return recorder_.running[0].input.load() == 2; }));
  engine_->Cancel(ticket);
  const ChunkResult& result = pending.result();
  EXPECT_TRUE(result.cancelled);
  EXPECT_THAT(Unpack(result.results), ElementsAre("a", "b"));
  EXPECT_THAT(result.failures, IsEmpty()) << "an input that was told to stop has not failed";
}

TEST_F(EngineStopTest, ACancelledWaitingChunkIsAnsweredAtOnce) {
  Pending running;
  Pending waiting;
  Submit(MakeChunk("gate", {""}), running);
  ASSERT_TRUE(gate_.WaitForEntries(1));
  const Engine::Ticket ticket = Submit(MakeChunk("echo", {"x"}), waiting);
  engine_->Cancel(ticket);
  ASSERT_TRUE(waiting.has_come());
  EXPECT_TRUE(waiting.result().cancelled);
  EXPECT_EQ(waiting.result().results.count, 0u);
  EXPECT_FALSE(running.has_come());
  gate_.Open();
  EXPECT_FALSE(running.result().cancelled);
  engine_->Cancel(ticket);
  engine_->Cancel(12345);  // neither is known
}

TEST_F(EngineStopTest, AnInputThatTakesTooLongFailsAndTheNextGoesOn) {
  Chunk chunk = MakeChunk("misbehave", {"a", "poll", "b"});
  chunk.input_timeout = absl::Milliseconds(20);
  const ChunkResult result = RunChunk(*engine_, std::move(chunk));
  EXPECT_THAT(Unpack(result.results), ElementsAre("a", "", "b"));
  ASSERT_THAT(result.failures, SizeIs(1));
  EXPECT_EQ(result.failures[0].index, 1u);
  EXPECT_EQ(result.failures[0].cause, Failure::Cause::kTimeout);
  EXPECT_EQ(result.failures[0].message, "ran longer than 20ms");
  EXPECT_FALSE(result.cancelled);
  EXPECT_GE(result.task_time, absl::Milliseconds(20));
}

TEST_F(EngineStopTest, TheSameInputInTwoChunksHasItsTimeTwice) {
  for (int i = 0; i < 2; ++i) {
    Chunk chunk = MakeChunk("misbehave", {"poll"});
    chunk.input_timeout = absl::Milliseconds(20);
    const ChunkResult result = RunChunk(*engine_, std::move(chunk));
    ASSERT_THAT(result.failures, SizeIs(1));
    EXPECT_GE(result.task_time, absl::Milliseconds(20));
  }
}

TEST_F(EngineStopTest, AnAbandonedChunkIsNotAnsweredAndNobodyIsBlamedForIt) {
  Chunk chunk = MakeChunk("deaf", {""});
  chunk.id = 5;
  Pending never;
  const Engine::Ticket ticket = Submit(std::move(chunk), never);
  ASSERT_TRUE(gate_.WaitForEntries(1));
  EXPECT_EQ(recorder_.running[0].chunk.load(), 5u);
  engine_->Abandon(ticket);
  EXPECT_EQ(recorder_.running[0].chunk.load(), 0u);
  gate_.Open();
  EXPECT_THAT(Unpack(RunChunk(*engine_, MakeChunk("echo", {"next"})).results), ElementsAre("next"));
  EXPECT_FALSE(never.has_come());
}

TEST_F(EngineStopTest, AnEngineThatRefusesFinishesWhatRuns) {
  Pending running;
  Pending waiting;
  Submit(MakeChunk("gate", {""}), running);
  ASSERT_TRUE(gate_.WaitForEntries(1));
  Submit(MakeChunk("echo", {"x"}), waiting);
  engine_->Refuse();
  ASSERT_TRUE(waiting.has_come());
  EXPECT_TRUE(waiting.result().cancelled);
  EXPECT_TRUE(absl::IsUnavailable(engine_->Submit(MakeChunk("echo", {"y"}), {}).status()));
  gate_.Open();
  EXPECT_THAT(Unpack(running.result().results), ElementsAre("through"));
}

TEST_F(EngineStopTest, StopTellsTasksToStopAndWaits) {
  Pending pending;
  Submit(MakeChunk("gate", {"", ""}), pending);
  ASSERT_TRUE(gate_.WaitForEntries(1));
  EXPECT_TRUE(engine_->Stop(kWaitLimit));
  ASSERT_TRUE(pending.has_come());
  EXPECT_TRUE(pending.result().cancelled);
  EXPECT_EQ(gate_.entries(), 1);
}

TEST_F(EngineStopTest, StopSaysWhenATaskDoesNotHeed) {
  Pending pending;
  Submit(MakeChunk("deaf", {""}), pending);
  ASSERT_TRUE(gate_.WaitForEntries(1));
  EXPECT_FALSE(engine_->Stop(absl::Milliseconds(10)));
  gate_.Open();
  EXPECT_TRUE(engine_->Stop(kWaitLimit));
}

int GoOnUntilStopped(void* /*state*/, center_call* call) {
  while (call->stopping(call) == 0) {
  }
  return call->append(call, "late", 4);
}

// The time-out is what counts, not whether the task came to an end all the same.
TEST_F(EngineStopTest, AResultThatComesTooLateIsNone) {
  ASSERT_TRUE(tasks_.Add({"late", "", "", nullptr, nullptr, &GoOnUntilStopped, nullptr}).ok());
  Chunk chunk = MakeChunk("late", {""});
  chunk.input_timeout = absl::Milliseconds(5);
  const ChunkResult result = RunChunk(*engine_, std::move(chunk));
  EXPECT_THAT(Unpack(result.results), ElementsAre(""));
  ASSERT_THAT(result.failures, SizeIs(1));
  EXPECT_EQ(result.failures[0].cause, Failure::Cause::kTimeout);
}

// One that is cancelled may well finish its last input.
TEST_F(EngineStopTest, AResultInSpiteOfACancelCounts) {
  ASSERT_TRUE(tasks_.Add({"late", "", "", nullptr, nullptr, &GoOnUntilStopped, nullptr}).ok());
  Pending pending;
  const Engine::Ticket ticket = Submit(MakeChunk("late", {"", ""}), pending);
  engine_->Cancel(ticket);
  const ChunkResult& result = pending.result();
  EXPECT_TRUE(result.cancelled);
  EXPECT_LE(result.results.count, 1u) << "none when it was cancelled before it began";
}

}  // namespace
}  // namespace center::compute
