#include "services/worker/compute/engine.h"

#include <sys/resource.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/compute/testing.h"

namespace center::compute {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class EngineTest : public ::testing::Test {
 protected:
  EngineTest() : tasks_(TaskRegistry::WithBuiltIns()) {
    const absl::Status loaded = tasks_.LoadModule(ModulePath("misbehaving"));
    EXPECT_TRUE(loaded.ok()) << loaded;
  }
  Engine& engine(uint32_t threads = 1) {
    if (engine_ == nullptr) {
      engine_ = std::make_unique<Engine>(Engine::Options{.threads = threads}, tasks_, &recorder_,
                                         RealClock());
    }
    return *engine_;
  }

  TaskRegistry tasks_;
  FlightRecorder recorder_{};
  std::unique_ptr<Engine> engine_;
};

TEST_F(EngineTest, EveryInputGetsItsResult) {
  const ChunkResult result = RunChunk(engine(), MakeChunk("echo", {"a", "", "ccc"}));
  EXPECT_EQ(result.chunk_id, 1u);
  EXPECT_THAT(Unpack(result.results), ElementsAre("a", "", "ccc"));
  EXPECT_THAT(result.failures, IsEmpty());
  EXPECT_FALSE(result.cancelled);
  EXPECT_GE(result.task_time, absl::ZeroDuration());
  EXPECT_GE(result.wait_time, absl::ZeroDuration());
}

TEST_F(EngineTest, AChunkWithoutInputsIsDoneAtOnce) {
  const ChunkResult result = RunChunk(engine(), MakeChunk("echo", {}));
  EXPECT_EQ(result.results.count, 0u);
  EXPECT_FALSE(result.cancelled);
}

TEST_F(EngineTest, RangesAreGivenAsNumbersAndAsText) {
  const ChunkResult result = RunChunk(engine(), MakeRangeChunk("echo", -1, 3));
  EXPECT_THAT(Unpack(result.results), ElementsAre("-1", "0", "1"));
  EXPECT_THAT(Unpack(RunChunk(engine(), MakeRangeChunk("primes", 10, 3)).results),
              ElementsAre("4", "5", "5"));
}

TEST_F(EngineTest, AFailureIsOfItsInputAlone) {
  Chunk chunk = MakeChunk("misbehave", {"a", "fail", "b", "code", "throw", "throw-int", "c"});
  chunk.first_index = 100;
  const ChunkResult result = RunChunk(engine(), std::move(chunk));
  EXPECT_THAT(Unpack(result.results), ElementsAre("a", "", "b", "", "", "", "c"));
  ASSERT_THAT(result.failures, SizeIs(4));
  EXPECT_EQ(result.failures[0].index, 101u);
  EXPECT_EQ(result.failures[0].cause, Failure::Cause::kTaskError);
  EXPECT_EQ(result.failures[0].message, "as you wish");
  EXPECT_EQ(result.failures[0].input, "fail");
  EXPECT_EQ(result.failures[1].index, 103u);
  EXPECT_EQ(result.failures[1].message, "the task failed with code 7");
  EXPECT_EQ(result.failures[2].index, 104u);
  EXPECT_EQ(result.failures[2].cause, Failure::Cause::kException);
  EXPECT_EQ(result.failures[2].message, "thrown as asked");
  EXPECT_EQ(result.failures[3].index, 105u);
  EXPECT_EQ(result.failures[3].cause, Failure::Cause::kException);
  EXPECT_FALSE(result.cancelled);
}

TEST_F(EngineTest, OnlyTheBeginningOfALongInputIsShown) {
  const std::string input(1000, 'x');
  const ChunkResult result = RunChunk(engine(), MakeChunk("sleep", {input}));
  ASSERT_THAT(result.failures, SizeIs(1));
  EXPECT_EQ(result.failures[0].input, std::string(kInputShownBytesMax, 'x'));
  EXPECT_LE(result.failures[0].message.size(), kMessageBytesMax);
}

TEST_F(EngineTest, AResultOverTheLimitFailsItsInput) {
  const ChunkResult result = RunChunk(engine(), MakeChunk("misbehave", {"a", "large", "b"}));
  EXPECT_THAT(Unpack(result.results), ElementsAre("a", "", "b"));
  ASSERT_THAT(result.failures, SizeIs(1));
  EXPECT_EQ(result.failures[0].cause, Failure::Cause::kResultTooLarge);
  EXPECT_EQ(result.failures[0].message, "the result is larger than 16MiB");
}

TEST_F(EngineTest, AChunkWithTooManyResultBytesEndsEarly) {
  const std::vector<std::string> inputs(60, std::string(1 << 20, 'r'));
  const ChunkResult result = RunChunk(engine(), MakeChunk("echo", inputs));
  EXPECT_TRUE(result.cancelled);
  EXPECT_EQ(result.results.count, 33u) << "the first that goes beyond 32 MiB is the last";
  EXPECT_EQ(result.results.data.size(), size_t{33} << 20);
}

TEST_F(EngineTest, AChunkWithTooManyFailuresEndsEarly) {
  Chunk chunk = MakeChunk("countdown", {}, {"bad"});
  chunk.inputs = *Inputs::Range(0, 1'000'000);
  const ChunkResult result = RunChunk(engine(), std::move(chunk));
  EXPECT_TRUE(result.cancelled);
  EXPECT_EQ(result.results.count, result.failures.size());
  EXPECT_LT(result.bytes(), 2 * kChunkResultBytesMax);
}

TEST_F(EngineTest, AnUnknownTaskFailsEveryInput) {
  const ChunkResult result = RunChunk(engine(), MakeChunk("nonsense", {"a", "b"}));
  EXPECT_THAT(Unpack(result.results), ElementsAre("", ""));
  ASSERT_THAT(result.failures, SizeIs(2));
  EXPECT_EQ(result.failures[1].message, "this worker has no task 'nonsense'");
}

TEST_F(EngineTest, ArgumentsThatATaskDoesNotTakeFailEveryInput) {
  const ChunkResult none = RunChunk(engine(), MakeChunk("echo", {"a"}, {"loud"}));
  ASSERT_THAT(none.failures, SizeIs(1));
  EXPECT_EQ(none.failures[0].message, "task echo takes no arguments");
  const ChunkResult refused = RunChunk(engine(), MakeChunk("refuse", {"a", "b"}));
  ASSERT_THAT(refused.failures, SizeIs(2));
  EXPECT_EQ(refused.failures[1].message, "never good enough");
  EXPECT_EQ(refused.failures[1].cause, Failure::Cause::kTaskError);
  const ChunkResult thrown = RunChunk(engine(), MakeChunk("throw-in-create", {"a"}));
  ASSERT_THAT(thrown.failures, SizeIs(1));
  EXPECT_EQ(thrown.failures[0].cause, Failure::Cause::kException);
  EXPECT_EQ(thrown.failures[0].message, "create has thrown: no state");
}

TEST_F(EngineTest, ATaskThatDoesNotTakeItsInputsIsNotAskedForEver) {
  const ChunkResult result = RunChunk(engine(), MakeChunk("lazy", {"a", "b"}));
  ASSERT_THAT(result.failures, SizeIs(2));
  EXPECT_EQ(result.failures[0].message, "the task did not take this input");
  EXPECT_FALSE(result.cancelled);
}

TEST_F(EngineTest, ATaskThatComesBackEarlyIsCalledForTheRest) {
  const ChunkResult result = RunChunk(engine(), MakeChunk("one-at-a-time", {"0", "1", "2"}));
  EXPECT_THAT(Unpack(result.results), ElementsAre("one", "", "one"));
  ASSERT_THAT(result.failures, SizeIs(1));
  EXPECT_EQ(result.failures[0].index, 1u);
  EXPECT_EQ(result.failures[0].message, "after one");
}

TEST_F(EngineTest, ChunksWaitTheirTurn) {
  Gate gate;
  ASSERT_TRUE(tasks_.Add(Gate::Task()).ok());
  Pending first;
  Pending second;
  ASSERT_TRUE(engine().Submit(MakeChunk("gate", {""}), first.Taker()).ok());
  ASSERT_TRUE(gate.WaitForEntries(1));
  ASSERT_TRUE(engine().Submit(MakeChunk("echo", {"x"}), second.Taker()).ok());
  EXPECT_EQ(engine().stats().chunks, 2u);
  EXPECT_FALSE(second.has_come());
  gate.Open();
  EXPECT_THAT(Unpack(second.result().results), ElementsAre("x"));
  EXPECT_TRUE(first.has_come());
}

TEST_F(EngineTest, SeveralThreadsRunSeveralChunks) {
  Gate gate;
  ASSERT_TRUE(tasks_.Add(Gate::Task()).ok());
  std::vector<Pending> pending(3);
  for (Pending& one : pending) {
    ASSERT_TRUE(engine(3).Submit(MakeChunk("gate", {""}), one.Taker()).ok());
  }
  EXPECT_TRUE(gate.WaitForEntries(3)) << "all three at once";
  gate.Open();
  for (Pending& one : pending) EXPECT_THAT(Unpack(one.result().results), ElementsAre("through"));
}

TEST_F(EngineTest, TheFlightRecorderKnowsWhatRuns) {
  Gate gate;
  ASSERT_TRUE(tasks_.Add(Gate::Task()).ok());
  Chunk chunk = MakeChunk("gate", {"", ""});
  chunk.id = 77;
  chunk.first_index = 500;
  Pending pending;
  ASSERT_TRUE(engine().Submit(std::move(chunk), pending.Taker()).ok());
  ASSERT_TRUE(gate.WaitForEntries(1));
  EXPECT_EQ(recorder_.running[0].chunk.load(), 77u);
  EXPECT_EQ(recorder_.running[0].input.load(), 500u);
  gate.Open();
  ASSERT_TRUE(pending.Wait());
  EXPECT_EQ(recorder_.running[0].chunk.load(), 0u);
  EXPECT_EQ(recorder_.running[0].input.load(), 501u);
}

TEST_F(EngineTest, StatsCountWhatIsDoneAndWhatIsUnderWay) {
  RunChunk(engine(), MakeChunk("misbehave", {"a", "fail", "b"}));
  EXPECT_EQ(engine().stats().inputs_done, 3u) << "with and without success";
  Gate gate;
  ASSERT_TRUE(tasks_.Add(Gate::Task()).ok());
  Pending pending;
  ASSERT_TRUE(engine().Submit(MakeChunk("gate", {""}), pending.Taker()).ok());
  ASSERT_TRUE(gate.WaitForEntries(1));
  const absl::Duration before = engine().stats().task_time;
  EXPECT_TRUE(Eventually([&] { return engine().stats().task_time > before; }));
  gate.Open();
  ASSERT_TRUE(pending.Wait());
  EXPECT_TRUE(Eventually([&] { return engine().stats().chunks == 0; }));
  EXPECT_EQ(engine().stats().inputs_done, 4u);
}

TEST_F(EngineTest, TooManyWaitingChunksAreRefused) {
  Gate gate;
  ASSERT_TRUE(tasks_.Add(Gate::Task()).ok());
  engine_ = std::make_unique<Engine>(Engine::Options{.waiting_max = 2, .waiting_bytes_max = 10},
                                     tasks_, nullptr, RealClock());
  std::vector<Pending> pending(3);
  ASSERT_TRUE(engine_->Submit(MakeChunk("gate", {""}), pending[0].Taker()).ok());
  ASSERT_TRUE(gate.WaitForEntries(1));
  ASSERT_TRUE(engine_->Submit(MakeChunk("echo", {""}), pending[1].Taker()).ok());
  EXPECT_TRUE(absl::IsResourceExhausted(
      engine_->Submit(MakeChunk("echo", {std::string(20, 'x')}), {}).status()))
      << "bytes";
  ASSERT_TRUE(engine_->Submit(MakeChunk("echo", {""}), pending[2].Taker()).ok());
  EXPECT_TRUE(absl::IsResourceExhausted(engine_->Submit(MakeChunk("echo", {""}), {}).status()))
      << "chunks";
  gate.Open();
  for (Pending& one : pending) EXPECT_TRUE(one.Wait());
}

std::atomic<int> niceness{-100};
int ReadNiceness(void* /*state*/, center_call* /*call*/) {
  niceness = ::getpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()));
  return 0;
}

TEST_F(EngineTest, ComputeThreadsGiveWayToOthers) {
  ASSERT_TRUE(tasks_.Add({"nice", "", "", nullptr, nullptr, &ReadNiceness, nullptr}).ok());
  const int own = ::getpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()));
  RunChunk(engine(), MakeChunk("nice", {""}));
  EXPECT_EQ(niceness.load(), std::max(own, 10));
}

}  // namespace
}  // namespace center::compute
