// Deadlines, timeouts, cancelling, stragglers.
#include "tests/unit/jobs/fake_pool.h"

namespace center::jobs {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

TEST_F(SchedulerTest, ACancelledJobEndsWhenNoWorkerRunsAnyOfIt) {
  const WorkerId a = AddWorker();
  Add(1, 1000);
  Finish(a, milliseconds(10));
  ASSERT_EQ(In(a), 2u);
  const Chunk first = pool_[a].chunks[0];
  scheduler_.EndJob(1, JobState::kCancelled, "it was cancelled");
  EXPECT_THAT(pool_[a].cancels, SizeIs(2));
  EXPECT_THAT(ended_, IsEmpty());
  EXPECT_EQ(scheduler_.StatusOf(1).state, JobState::kRunning);
  GiveBack(a, /*finished=*/1);
  EXPECT_THAT(ended_, IsEmpty());
  GiveBack(a);
  EXPECT_THAT(ended_, ElementsAre(1));
  const JobStatus status = scheduler_.StatusOf(1);
  EXPECT_EQ(status.state, JobState::kCancelled);
  EXPECT_EQ(status.succeeded, 2u);
  EXPECT_EQ(status.failed, 998u);
  EXPECT_EQ(status.detail, "it was cancelled");
  EXPECT_EQ(scheduler_.FailuresOf(1).size(), 100u);
  EXPECT_EQ(scheduler_.FailuresOf(1)[0].index, first.first + 1);
  EXPECT_EQ(scheduler_.FailuresOf(1)[0].cause, FailureCause::kCancelled);
  EXPECT_EQ(In(a), 0u);
  EXPECT_EQ(pool_[a].killed, "");
}

TEST_F(SchedulerTest, AJobWithoutWorkersIsCancelledAtOnce) {
  Add(1, 1000);
  scheduler_.EndJob(1, JobState::kCancelled, "");
  EXPECT_THAT(ended_, ElementsAre(1));
  scheduler_.EndJob(1, JobState::kDeadlineExceeded, "");
  EXPECT_EQ(scheduler_.StatusOf(1).state, JobState::kCancelled);
}

TEST_F(SchedulerTest, ATaskThatDoesNotStopCostsItsWorkerAndNobodyElse) {
  const WorkerId a = AddWorker();
  Add(1, 1);
  Finish(a, microseconds(1));
  Add(2, 1);
  Add(3, 1000);
  scheduler_.EndJob(2, JobState::kCancelled, "");
  AdvanceAndTick(milliseconds(999));
  EXPECT_EQ(pool_[a].killed, "");
  AdvanceAndTick(milliseconds(1));
  EXPECT_THAT(pool_[a].killed, HasSubstr("job j2"));
  EXPECT_THAT(ended_, ElementsAre(1));
  Die(a, Blame::kNobody);
  EXPECT_THAT(ended_, ElementsAre(1, 2));
  AddWorker();
  RunAll(microseconds(1));
  EXPECT_EQ(scheduler_.StatusOf(3).state, JobState::kSucceeded);
}

TEST_F(SchedulerTest, AKilledWorkerWhoseDeathNobodyReportsHangsNothing) {
  const WorkerId a = AddWorker();
  Add(1, 1);
  scheduler_.EndJob(1, JobState::kCancelled, "");
  AdvanceAndTick(seconds(1));
  scheduler_.OnWorkerLost(a);
  AdvanceAndTick(limits_.death_wait);
  EXPECT_THAT(ended_, ElementsAre(1));
}

TEST_F(SchedulerTest, AJobEndsAtItsDeadline) {
  const WorkerId a = AddWorker();
  JobPlan plan = Plan(1, 1000);
  plan.deadline = clock_.Steady() + seconds(5);
  scheduler_.AddJob(std::move(plan));
  EXPECT_EQ(scheduler_.NextDeadline(), clock_.Steady() + seconds(5));
  AdvanceAndTick(seconds(5));
  EXPECT_THAT(pool_[a].cancels, SizeIs(1));
  GiveBack(a);
  EXPECT_THAT(ended_, ElementsAre(1));
  EXPECT_EQ(scheduler_.StatusOf(1).state, JobState::kDeadlineExceeded);
}

TEST_F(SchedulerTest, AnInputThatIgnoresItsTimeoutFailsAloneAndItsWorkerIsEnded) {
  const WorkerId a = AddWorker();
  JobPlan plan = Plan(1, 1000);
  plan.input_timeout = seconds(2);
  scheduler_.AddJob(std::move(plan));
  for (int i = 0; i < 6; ++i) Finish(a, microseconds(pool_[a].chunks.front().count));
  const Chunk chunk = pool_[a].chunks.front();
  ASSERT_GT(chunk.count, 4u);
  const uint64_t hung = chunk.first + 3;
  running_[chunk.id] = chunk.first;
  AdvanceAndTick(seconds(1));
  running_[chunk.id] = hung;
  SteadyDuration waited{};
  while (pool_[a].killed.empty() && waited < seconds(30)) {
    AdvanceAndTick(milliseconds(100));
    waited += milliseconds(100);
  }
  EXPECT_THAT(pool_[a].killed, HasSubstr("ran longer than 2s"));
  EXPECT_GE(waited, seconds(3));  // the timeout and the grace
  EXPECT_LE(waited, seconds(5));
  Die(a, Blame::kNobody);
  ASSERT_THAT(failures_[1], SizeIs(1));
  EXPECT_EQ(failures_[1][0].index, hung);
  EXPECT_EQ(failures_[1][0].cause, FailureCause::kTimeout);
  running_.clear();
  AddWorker();
  RunAll(microseconds(1));
  EXPECT_THAT(finished_[1], SizeIs(1000));
  EXPECT_THAT(failures_[1], SizeIs(1));
}

TEST_F(SchedulerTest, AHungInputIsFoundWhereNobodySeesWhatRuns) {
  WorkerId worker = AddWorker();
  JobPlan plan = Plan(1, 100);
  plan.input_timeout = seconds(1);
  scheduler_.AddJob(std::move(plan));
  for (int i = 0; i < 100'000 && ended_.empty(); ++i) {
    if (!pool_[worker].killed.empty()) {
      Die(worker, Blame::kNobody);
      worker = AddWorker();
    } else if (In(worker) > 0 && pool_[worker].chunks.front().first <= 50 &&
               50 < pool_[worker].chunks.front().first + pool_[worker].chunks.front().count) {
      if (!pool_[worker].cancels.empty()) pool_[worker].cancels.clear();
      AdvanceAndTick(milliseconds(200));
    } else if (In(worker) > 0) {
      Finish(worker, microseconds(1));
    }
  }
  EXPECT_THAT(ended_, ElementsAre(1));
  ASSERT_THAT(failures_[1], SizeIs(1));
  EXPECT_EQ(failures_[1][0].index, 50u);
  EXPECT_EQ(failures_[1][0].cause, FailureCause::kTimeout);
}

TEST_F(SchedulerTest, AStragglerIsRerunOnAnIdleWorkerAndTheFirstResultWins) {
  const WorkerId a = AddWorker();
  const WorkerId b = AddWorker();
  Add(1, 4);
  Finish(a, milliseconds(60));
  Finish(b, milliseconds(60));
  ASSERT_EQ(In(a), 1u);
  ASSERT_EQ(In(b), 1u);
  const Chunk slow = pool_[a].chunks.front();
  clock_.Advance(milliseconds(60));
  Finish(b, milliseconds(60));
  EXPECT_EQ(In(b), 0u);
  AdvanceAndTick(milliseconds(50));
  EXPECT_EQ(In(b), 0u);  // it is not late yet
  AdvanceAndTick(limits_.straggler_time_min);
  ASSERT_EQ(In(b), 1u);
  EXPECT_EQ(pool_[b].chunks.front().first, slow.first);
  Finish(b, milliseconds(60));
  EXPECT_THAT(ended_, ElementsAre(1));
  EXPECT_THAT(pool_[a].cancels, ElementsAre(slow.id));
  Finish(a, milliseconds(500));  // too late: it was finished
  EXPECT_EQ(finished_count_[1], 4u);
}

TEST_F(SchedulerTest, TheFirstCopyMayWinToo) {
  const WorkerId a = AddWorker();
  const WorkerId b = AddWorker();
  Add(1, 2);
  Finish(b, milliseconds(10));
  Add(2, 0);
  clock_.Advance(seconds(1));
  scheduler_.Tick();
  // Nothing has been foreseen for the first chunk of a job: it is not rerun.
  EXPECT_EQ(In(b), 0u);
  Finish(a, seconds(1));
  EXPECT_THAT(ended_, ElementsAre(2, 1));
}

TEST_F(SchedulerTest, WhatOnlyWaitsMovesToAnIdleWorker) {
  const WorkerId a = AddWorker();
  Add(1, 3);
  Finish(a, milliseconds(10));
  ASSERT_EQ(In(a), 2u);
  const Chunk waiting = pool_[a].chunks.back();
  const WorkerId b = AddWorker();
  EXPECT_EQ(In(b), 0u);
  AdvanceAndTick(limits_.steal_time_min);
  ASSERT_EQ(In(b), 1u);
  EXPECT_EQ(pool_[b].chunks.front().first, waiting.first);
  EXPECT_THAT(pool_[a].cancels, ElementsAre(waiting.id));
  Finish(b, milliseconds(10));
  Finish(a, milliseconds(10));
  EXPECT_THAT(ended_, ElementsAre(1));
  GiveBack(a);
  EXPECT_EQ(finished_count_[1], 3u);
}

TEST_F(SchedulerTest, AMovedChunkWhoseNewWorkerDiesIsNotLost) {
  const WorkerId a = AddWorker();
  Add(1, 3);
  Finish(a, milliseconds(10));
  const WorkerId b = AddWorker();
  AdvanceAndTick(limits_.steal_time_min);
  ASSERT_EQ(In(b), 1u);
  Die(b, Blame::kOutside);
  Finish(a, milliseconds(10));
  GiveBack(a);
  RunAll(milliseconds(1));
  EXPECT_THAT(ended_, ElementsAre(1));
}

TEST_F(SchedulerTest, AChunkOfInputsThatBecameSlowIsCutAnew) {
  const WorkerId a = AddWorker();
  Add(1, 1'000'000);
  for (int i = 0; i < 25; ++i) Finish(a, microseconds(1) * pool_[a].chunks.front().count);
  const uint64_t large = pool_[a].chunks.front().count;
  ASSERT_GT(large, 1000u);
  AdvanceAndTick(limits_.overlong_time_min);
  EXPECT_THAT(pool_[a].cancels, SizeIs(1));
  EXPECT_EQ(pool_[a].killed, "");
  AdvanceAndTick(seconds(100));  // a task that does not look up is not ended for it
  EXPECT_EQ(pool_[a].killed, "");
  GiveBack(a, /*finished=*/50, milliseconds(500));
  Finish(a, milliseconds(20));
  for (const Chunk& chunk : pool_[a].chunks) EXPECT_LE(chunk.count, 100u);
  RunAll(microseconds(10));
  EXPECT_THAT(finished_[1], SizeIs(1'000'000));
}

TEST_F(SchedulerTest, ARemovedJobLeavesNothingBehind) {
  const WorkerId a = AddWorker();
  Add(1, 1000);
  scheduler_.RemoveJob(1);
  EXPECT_THAT(pool_[a].cancels, SizeIs(1));
  GiveBack(a);
  EXPECT_EQ(scheduler_.chunks_in_flight(), 0u);
  Add(2, 10);
  RunAll(microseconds(1));
  EXPECT_THAT(ended_, ElementsAre(2));
}

}  // namespace
}  // namespace center::jobs
