// A job from its first chunk to its end.
#include "tests/unit/jobs/fake_pool.h"

namespace center::jobs {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

std::shared_ptr<const RecordBlock> Records(uint64_t count, uint32_t size) {
  return *RecordBlock::Make(
      {.uniform_size = size, .count = count, .data = std::string(count * size, 'x')});
}

TEST_F(SchedulerTest, AJobRunsToItsEnd) {
  AddWorker();
  AddWorker();
  Add(1, 100'000);
  RunAll(microseconds(1));
  EXPECT_THAT(ended_, ElementsAre(1));
  EXPECT_THAT(finished_[1], SizeIs(100'000));
  const JobStatus status = scheduler_.StatusOf(1);
  EXPECT_EQ(status.state, JobState::kSucceeded);
  EXPECT_EQ(status.succeeded, 100'000u);
  EXPECT_EQ(status.running, 0u);
  EXPECT_EQ(status.workers, 2u);
  EXPECT_EQ(status.task_time, milliseconds(100));
}

TEST_F(SchedulerTest, AJobWithoutInputsSucceedsAtOnce) {
  Add(1, 0);
  EXPECT_THAT(ended_, ElementsAre(1));
  EXPECT_EQ(scheduler_.StatusOf(1).state, JobState::kSucceeded);
}

TEST_F(SchedulerTest, AJobWaitsForAWorker) {
  Add(1, 3);
  EXPECT_THAT(ended_, IsEmpty());
  AddWorker();
  RunAll(microseconds(1));
  EXPECT_THAT(ended_, ElementsAre(1));
}

TEST_F(SchedulerTest, ChunksStartWithOneInputAndDoubleUpToTheirTime) {
  const WorkerId worker = AddWorker();
  Add(1, 1ull << 40);
  EXPECT_EQ(In(worker), 1u);  // nothing waits behind what nobody knows
  uint64_t last = 0;
  for (int i = 0; i < 40; ++i) {
    const uint64_t count = pool_[worker].chunks.front().count;
    EXPECT_LE(count, std::max<uint64_t>(1, 2 * last));
    last = count;
    Finish(worker, microseconds(10) * count);
    EXPECT_EQ(In(worker), 2u);
  }
  EXPECT_EQ(last, 2000u);  // 20 ms
}

TEST_F(SchedulerTest, ChunksShrinkTowardsTheEnd) {
  const WorkerId a = AddWorker();
  const WorkerId b = AddWorker();
  Add(1, 20'000);
  std::map<WorkerId, SteadyTime> busy;
  busy[a] = busy[b] = clock_.Steady();
  std::vector<uint64_t> sizes;
  // b is a tenth slower than what is known of it when it starts.
  const auto takes = [&](WorkerId worker) {
    return (worker == a ? 50 : 55) * microseconds(pool_[worker].chunks.front().count) / 10;
  };
  while (In(a) + In(b) > 0) {
    const WorkerId next =
        In(b) == 0 || (In(a) > 0 && busy[a] + takes(a) <= busy[b] + takes(b)) ? a : b;
    const auto took = takes(next);
    sizes.push_back(pool_[next].chunks.front().count);
    busy[next] = std::max(busy[next], clock_.Steady() - took) + took;
    clock_.Advance(busy[next] - clock_.Steady());
    Finish(next, took);
  }
  EXPECT_THAT(ended_, ElementsAre(1));
  EXPECT_LT(sizes.back(), 200u);
  // They finish together, but for one or two of the shortest chunks, ...
  EXPECT_LE(std::max(busy[a], busy[b]) - std::min(busy[a], busy[b]), 2 * limits_.chunk_time_min);
  // ... and on the way there are few of them.
  EXPECT_LE(std::end(sizes) - std::max_element(sizes.begin(), sizes.end()), 15);
}

TEST_F(SchedulerTest, NothingWaitsBehindALongChunk) {
  const WorkerId worker = AddWorker();
  Add(1, 100);
  Finish(worker, seconds(1));
  EXPECT_EQ(In(worker), 1u);
  EXPECT_EQ(pool_[worker].chunks.front().count, 1u);
}

TEST_F(SchedulerTest, EveryComputeThreadHasTwoChunks) {
  const WorkerId worker = AddWorker(/*threads=*/3);
  Add(1, 1 << 20);
  EXPECT_EQ(In(worker), 3u);
  for (int i = 0; i < 3; ++i) Finish(worker, microseconds(1));
  EXPECT_EQ(In(worker), 6u);
}

TEST_F(SchedulerTest, AJobOfAKnownKindStartsWithMoreThanOneInput) {
  const WorkerId worker = AddWorker();
  JobPlan first = Plan(1, 10'000);
  first.kind = "task";
  scheduler_.AddJob(std::move(first));
  RunAll(microseconds(10));
  JobPlan second = Plan(2, 10'000);
  second.kind = "task";
  scheduler_.AddJob(std::move(second));
  EXPECT_EQ(In(worker), 2u);
  EXPECT_EQ(pool_[worker].chunks.front().count, 1000u);  // 10 ms
  JobPlan other = Plan(3, 10'000);
  other.kind = "other";
  other.priority = 1;
  scheduler_.AddJob(std::move(other));
  Finish(worker);
  EXPECT_EQ(pool_[worker].chunks.back().count, 1u);
}

TEST_F(SchedulerTest, ResultsBoundAChunkByTheirBytes) {
  const WorkerId worker = AddWorker();
  Add(1, 1ull << 30);
  for (int i = 0; i < 40; ++i) {
    const Chunk chunk = Pop(worker);
    ChunkOutcome outcome = Done(chunk, nanoseconds(1) * chunk.count, chunk.count);
    outcome.parts[0].body = std::make_shared<const std::string>(chunk.count * 1024, 'x');
    scheduler_.OnResult(worker, chunk.id, std::move(outcome));
  }
  EXPECT_EQ(pool_[worker].chunks.back().count, 1024u);  // 1 MiB
}

TEST_F(SchedulerTest, WorkersComeAndGoWhileAJobRuns) {
  const WorkerId first = AddWorker();
  Add(1, 1000);
  Finish(first, milliseconds(10));
  const WorkerId second = AddWorker();
  EXPECT_GT(In(second), 0u);
  scheduler_.SetAccepting(first, false);
  const size_t had = In(first);
  while (In(first) > 0) Finish(first, milliseconds(10));
  EXPECT_GT(had, 0u);
  RunAll(milliseconds(1));
  EXPECT_THAT(finished_[1], SizeIs(1000));
  scheduler_.SetAccepting(first, true);
  Add(2, 1000);
  EXPECT_GT(In(first), 0u);
}

TEST_F(SchedulerTest, RecordsRunAsTheyArrive) {
  const WorkerId worker = AddWorker();
  JobPlan plan = Plan(1, 0);
  plan.inputs = InputQueue();
  scheduler_.AddJob(std::move(plan));
  EXPECT_EQ(In(worker), 0u);
  scheduler_.AddRecords(1, Records(10, 100));
  EXPECT_EQ(In(worker), 1u);
  EXPECT_EQ(scheduler_.BufferedBytes(1), 1000u);
  RunAll(microseconds(1));
  EXPECT_THAT(finished_[1], SizeIs(10));
  EXPECT_EQ(scheduler_.BufferedBytes(1), 0u);
  EXPECT_THAT(ended_, IsEmpty());
  scheduler_.AddRecords(1, Records(5, 100));
  scheduler_.CompleteInputs(1);
  RunAll(microseconds(1));
  EXPECT_THAT(finished_[1], SizeIs(15));
  EXPECT_THAT(ended_, ElementsAre(1));
}

TEST_F(SchedulerTest, AJobGoesOnWhereAnEarlierCoordinatorWas) {
  AddWorker();
  JobPlan plan = Plan(1, 100);
  plan.done.Add(10, 20);
  plan.done.Add(50, 1);
  plan.failed = 1;
  plan.failures = {{.index = 50, .cause = FailureCause::kWorkerDied, .message = "SIGSEGV"}};
  scheduler_.AddJob(std::move(plan));
  RunAll(microseconds(1));
  EXPECT_THAT(finished_[1], SizeIs(79));
  EXPECT_EQ(finished_[1].count(15), 0u);
  const JobStatus status = scheduler_.StatusOf(1);
  EXPECT_EQ(status.state, JobState::kFailed);
  EXPECT_EQ(status.succeeded, 99u);
  EXPECT_EQ(status.failed, 1u);
  EXPECT_EQ(scheduler_.FailuresOf(1)[0].message, "SIGSEGV");
}

TEST_F(SchedulerTest, FailedInputsFailTheJobAndTheFirstAreKept) {
  const WorkerId worker = AddWorker();
  Add(1, 1000);
  while (In(worker) > 0) {
    const Chunk chunk = Pop(worker);
    ChunkOutcome outcome = Done(chunk, microseconds(1), chunk.count);
    for (uint64_t i = 0; i < chunk.count; ++i) {
      outcome.parts[0].failures.push_back(
          {.index = chunk.first + i, .cause = FailureCause::kTaskError, .message = "no"});
    }
    scheduler_.OnResult(worker, chunk.id, std::move(outcome));
  }
  const JobStatus status = scheduler_.StatusOf(1);
  EXPECT_EQ(status.state, JobState::kFailed);
  EXPECT_EQ(status.failed, 1000u);
  EXPECT_EQ(status.succeeded, 0u);
  ASSERT_THAT(scheduler_.FailuresOf(1), SizeIs(100));
  EXPECT_EQ(scheduler_.FailuresOf(1).back().index, 99u);
}

TEST_F(SchedulerTest, AnAnswerThatIsNoneIsTriedAgainButNotForEver) {
  const WorkerId worker = AddWorker();
  JobPlan plan = Plan(1, 1);
  plan.retry_limit = 3;
  scheduler_.AddJob(std::move(plan));
  int sent = 0;
  for (; In(worker) > 0 && sent < 100; ++sent) {
    const Chunk chunk = Pop(worker);
    scheduler_.OnResult(worker, chunk.id, Done(chunk, microseconds(1), sent % 2 == 0 ? 0 : 7));
  }
  EXPECT_EQ(sent, 4);
  EXPECT_THAT(ended_, ElementsAre(1));
  ASSERT_THAT(failures_[1], SizeIs(1));
  EXPECT_EQ(failures_[1][0].cause, FailureCause::kRetriesExhausted);
}

TEST_F(SchedulerTest, AHundredMillionInputsCostNothingButTheirChunks) {
  const WorkerId worker = AddWorker();
  Add(1, 100'000'000);
  while (In(worker) > 0) {
    const uint64_t count = pool_[worker].chunks.front().count;
    ASSERT_LE(scheduler_.DoneOf(1).intervals(), 2u);
    Finish(worker, nanoseconds(1) * count);
  }
  EXPECT_EQ(finished_count_[1], 100'000'000u);
  EXPECT_LT(sent_, 300u);
  EXPECT_EQ(scheduler_.chunks_in_flight(), 0u);
}

}  // namespace
}  // namespace center::jobs
