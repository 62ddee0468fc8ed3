// Workers that die, and inputs that kill.
#include "tests/unit/jobs/fake_pool.h"

namespace center::jobs {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

TEST_F(SchedulerTest, OnlyTheChunksOfADeadWorkerAreTriedAgain) {
  const WorkerId a = AddWorker();
  const WorkerId b = AddWorker();
  Add(1, 100'000);
  for (int i = 0; i < 6; ++i) {
    Finish(a, microseconds(pool_[a].chunks.front().count));
    Finish(b, microseconds(pool_[b].chunks.front().count));
  }
  std::vector<uint64_t> had;
  for (const Chunk& chunk : pool_[a].chunks) had.push_back(chunk.first);
  const uint64_t before = finished_count_[1];
  Die(a, Blame::kOutside);
  EXPECT_EQ(finished_count_[1], before);
  Finish(b, microseconds(1));
  EXPECT_EQ(pool_[b].chunks.back().first, had.front());
  EXPECT_EQ(scheduler_.StatusOf(1).retries, 2u);
  RunAll(microseconds(1));
  EXPECT_THAT(finished_[1], SizeIs(100'000));
  EXPECT_EQ(scheduler_.StatusOf(1).state, JobState::kSucceeded);
}

TEST_F(SchedulerTest, ThreePoisonousInputsAmongAMillionAreFoundByHalving) {
  AddWorker();
  AddWorker();
  Add(1, 1'000'000);
  RunAll(microseconds(1), {17, 500'000, 999'999});
  EXPECT_THAT(ended_, ElementsAre(1));
  EXPECT_THAT(finished_[1], SizeIs(1'000'000));
  EXPECT_THAT(quarantined_[1], testing::UnorderedElementsAre(17, 500'000, 999'999));
  ASSERT_THAT(failures_[1], SizeIs(3));
  for (const Failure& failure : failures_[1]) {
    EXPECT_EQ(failure.cause, FailureCause::kWorkerDied);
    EXPECT_EQ(failure.message, "killed by SIGSEGV");
    EXPECT_EQ(failure.input, absl::StrCat(failure.index));
    EXPECT_THAT(failure.worker, HasSubstr("s/"));
    EXPECT_GE(failure.attempts, 2u);
  }
  const JobStatus status = scheduler_.StatusOf(1);
  EXPECT_EQ(status.state, JobState::kFailed);
  EXPECT_EQ(status.succeeded, 999'997u);
  EXPECT_LT(deaths_, 3 * 20);
  const JobCounters& counters = scheduler_.counters();
  EXPECT_EQ(counters.inputs_succeeded, 999'997u);
  EXPECT_EQ(counters.inputs_failed, 3u);
  EXPECT_GE(counters.chunks_lost, static_cast<uint64_t>(deaths_));
  EXPECT_GT(counters.chunks_finished, 50u);
  EXPECT_GE(counters.task_time, microseconds(999'997));
}

TEST_F(SchedulerTest, WhereItIsSeenWhichInputRanTwoDeathsAreEnough) {
  AddWorker();
  AddWorker();
  Add(1, 1'000'000);
  RunAll(microseconds(1), {17, 500'000, 999'999}, /*knows=*/true);
  EXPECT_THAT(quarantined_[1], testing::UnorderedElementsAre(17, 500'000, 999'999));
  EXPECT_THAT(finished_[1], SizeIs(1'000'000));
  EXPECT_EQ(deaths_, 6);
}

TEST_F(SchedulerTest, AJobOfNothingButPoisonEnds) {
  AddWorker();
  Add(1, 64);
  std::set<uint64_t> all;
  for (uint64_t i = 0; i < 64; ++i) all.insert(i);
  RunAll(microseconds(1), all);
  EXPECT_THAT(ended_, ElementsAre(1));
  EXPECT_THAT(quarantined_[1], SizeIs(64));
}

TEST_F(SchedulerTest, WhatOnlyWaitedWhenTheWorkerDiedIsNotSuspected) {
  const WorkerId worker = AddWorker();
  Add(1, 1000);
  Finish(worker, microseconds(10));
  ASSERT_EQ(In(worker), 2u);
  const Chunk ran = pool_[worker].chunks.front();
  const Chunk waited = pool_[worker].chunks.back();
  Die(worker);
  // The suspect runs alone; the other is not held back by it on a second worker.
  const WorkerId second = AddWorker();
  ASSERT_EQ(In(second), 1u);
  EXPECT_EQ(pool_[second].chunks.front().first, ran.first);
  const WorkerId third = AddWorker();
  ASSERT_GE(In(third), 1u);
  EXPECT_EQ(pool_[third].chunks.front().first, waited.first);
  Finish(second);
  EXPECT_GT(In(second), 0u);
  RunAll(microseconds(1));
  EXPECT_THAT(quarantined_[1], IsEmpty());
}

TEST_F(SchedulerTest, ASuspectWaitsUntilItsWorkerIsEmptyAndNothingJoinsIt) {
  const WorkerId a = AddWorker();
  const WorkerId b = AddWorker();
  Add(1, 10'000'000);
  for (int i = 0; i < 3; ++i) {
    Finish(a, microseconds(10));
    Finish(b, microseconds(10));
  }
  const uint64_t suspect = pool_[a].chunks.front().first;
  Die(a);
  ASSERT_EQ(In(b), 2u);
  Finish(b);
  EXPECT_EQ(In(b), 1u);  // reserved
  Finish(b);
  ASSERT_EQ(In(b), 1u);
  EXPECT_EQ(pool_[b].chunks.front().first, suspect);
  Finish(b);
  EXPECT_EQ(In(b), 2u);
}

TEST_F(SchedulerTest, AnInnocentNeighbourOnAnotherThreadIsNotQuarantined) {
  // Input 0 takes long on one thread while input 1 kills on the other, again and again.
  WorkerId worker = AddWorker(/*threads=*/2);
  Add(1, 2);
  for (int i = 0; i < 10 && ended_.empty(); ++i) {
    bool killed = false;
    for (const Chunk& chunk : pool_[worker].chunks) killed = killed || chunk.first == 1;
    if (killed) {
      Die(worker);
      worker = AddWorker(/*threads=*/2);
    } else {
      Finish(worker, seconds(1));
    }
  }
  EXPECT_THAT(ended_, ElementsAre(1));
  EXPECT_THAT(quarantined_[1], ElementsAre(1));
  EXPECT_EQ(scheduler_.StatusOf(1).succeeded, 1u);
}

TEST_F(SchedulerTest, DeathsFromOutsideQuarantineNothing) {
  JobPlan plan = Plan(1, 1);
  plan.retry_limit = 10;
  scheduler_.AddJob(std::move(plan));
  for (int i = 0; i < 10; ++i) Die(AddWorker(), Blame::kOutside, {}, "killed by SIGKILL");
  EXPECT_THAT(ended_, IsEmpty());
  Finish(AddWorker());
  EXPECT_EQ(scheduler_.StatusOf(1).state, JobState::kSucceeded);
  EXPECT_EQ(scheduler_.StatusOf(1).retries, 10u);
}

TEST_F(SchedulerTest, RetriesFromOutsideEndAtTheLimitForTheInputThatTheyHit) {
  JobPlan plan = Plan(1, 1000);
  plan.retry_limit = 2;
  scheduler_.AddJob(std::move(plan));
  WorkerId worker = AddWorker();
  for (int i = 0; i < 10'000 && ended_.empty(); ++i) {
    ASSERT_GT(In(worker), 0u);
    const Chunk chunk = pool_[worker].chunks.front();
    if (chunk.first <= 700 && 700 < chunk.first + chunk.count) {
      Die(worker, Blame::kOutside, {}, "killed by SIGKILL");
      worker = AddWorker();
    } else {
      Finish(worker, microseconds(1) * chunk.count);
    }
  }
  EXPECT_THAT(ended_, ElementsAre(1));
  ASSERT_THAT(failures_[1], SizeIs(1));
  EXPECT_EQ(failures_[1][0].index, 700u);
  EXPECT_EQ(failures_[1][0].cause, FailureCause::kRetriesExhausted);
  EXPECT_THAT(failures_[1][0].message, HasSubstr("SIGKILL"));
}

TEST_F(SchedulerTest, AWorkerThatEndsOnRequestCostsNoRetry) {
  JobPlan plan = Plan(1, 1);
  plan.retry_limit = 1;
  scheduler_.AddJob(std::move(plan));
  for (int i = 0; i < 50; ++i) Die(AddWorker(), Blame::kNobody, {}, "exited on request");
  Finish(AddWorker());
  EXPECT_EQ(scheduler_.StatusOf(1).state, JobState::kSucceeded);
}

TEST_F(SchedulerTest, TheCauseOfDeathIsWaitedForButNotForEver) {
  const WorkerId a = AddWorker();
  Add(1, 1);
  scheduler_.OnWorkerLost(a);
  const WorkerId b = AddWorker();
  EXPECT_EQ(In(b), 0u);
  AdvanceAndTick(limits_.death_wait);
  ASSERT_EQ(In(b), 1u);
  EXPECT_EQ(pool_[b].chunks.front().attempt, 2u);
  scheduler_.OnWorkerDied(a, {});  // too late to matter
  Finish(b);
  EXPECT_THAT(ended_, ElementsAre(1));
}

TEST_F(SchedulerTest, ResultsThatWereOnTheirWayWhenTheWorkerDiedCount) {
  const WorkerId a = AddWorker();
  Add(1, 1);
  const Chunk chunk = Pop(a);
  scheduler_.OnWorkerDied(a, {.reason = "SIGSEGV", .blame = Blame::kInput});
  scheduler_.OnResult(a, chunk.id, Done(chunk, microseconds(1), 1));
  scheduler_.OnWorkerLost(a);
  EXPECT_THAT(ended_, ElementsAre(1));
  EXPECT_EQ(scheduler_.StatusOf(1).state, JobState::kSucceeded);
}

TEST_F(SchedulerTest, WhatADeadWorkerSaysLaterIsIgnored) {
  const WorkerId a = AddWorker();
  Add(1, 1);
  const Chunk chunk = Pop(a);
  Die(a, Blame::kOutside);
  scheduler_.OnResult(a, chunk.id, Done(chunk, microseconds(1), 1));
  EXPECT_THAT(ended_, IsEmpty());
  Finish(AddWorker());
  EXPECT_THAT(ended_, ElementsAre(1));
}

TEST_F(SchedulerTest, AJobWhoseWorkersAllDieGoesOnWithTheNextOnes) {
  Add(1, 10'000);
  for (int round = 0; round < 200; ++round) {
    const WorkerId a = AddWorker();
    const WorkerId b = AddWorker();
    for (int i = 0; i < round % 4; ++i) {
      if (In(a) > 0) Finish(a, microseconds(pool_[a].chunks.front().count));
      if (In(b) > 0) Finish(b, microseconds(pool_[b].chunks.front().count));
    }
    Die(a, Blame::kOutside);
    Die(b, Blame::kNobody);
  }
  AddWorker();
  RunAll(microseconds(1));
  EXPECT_THAT(finished_[1], SizeIs(10'000));
  EXPECT_THAT(failures_[1], IsEmpty());
}

}  // namespace
}  // namespace center::jobs
