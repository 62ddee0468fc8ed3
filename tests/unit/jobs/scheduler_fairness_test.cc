// Many jobs, and readers who are slow.
#include "tests/unit/jobs/fake_pool.h"

namespace center::jobs {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

TEST_F(SchedulerTest, AHigherPriorityGoesFirst) {
  const WorkerId worker = AddWorker();
  Add(1, 100);
  Add(2, 100, /*priority=*/5);
  Finish(worker, milliseconds(10));
  std::vector<JobId> order;
  while (In(worker) > 0) order.push_back(Finish(worker, milliseconds(10)).job);
  EXPECT_THAT(ended_, ElementsAre(2, 1));
}

TEST_F(SchedulerTest, EqualJobsShareByTimeUsed) {
  const WorkerId worker = AddWorker();
  Add(1, 1ull << 40);
  Add(2, 1ull << 40);
  std::map<JobId, SteadyDuration> used;
  for (int i = 0; i < 600; ++i) {
    const Chunk& next = pool_[worker].chunks.front();
    // The inputs of the first take a hundred times as long.
    const SteadyDuration took =
        next.count * (next.job == 1 ? microseconds(1000) : microseconds(10));
    used[next.job] += took;
    Finish(worker, took);
  }
  EXPECT_LT(std::chrono::abs(used[1] - used[2]), milliseconds(100));
  EXPECT_GT(used[1], milliseconds(1000));
}

TEST_F(SchedulerTest, ALateJobDoesNotCatchUpOnTimeThatItWasNotThere) {
  const WorkerId worker = AddWorker();
  Add(1, 1ull << 40);
  for (int i = 0; i < 300; ++i)
    Finish(worker, pool_[worker].chunks.front().count * microseconds(10));
  Add(2, 1ull << 40);
  std::map<JobId, SteadyDuration> used;
  for (int i = 0; i < 300; ++i) {
    const Chunk& next = pool_[worker].chunks.front();
    const SteadyDuration took = next.count * microseconds(10);
    used[next.job] += took;
    Finish(worker, took);
  }
  EXPECT_GT(used[1], milliseconds(1000));
  EXPECT_GT(used[2], milliseconds(1000));
}

TEST_F(SchedulerTest, AThousandSmallJobsAllEndAndNoneStarves) {
  for (JobId id = 1; id <= 1000; ++id) Add(id, 20);
  AddWorker();
  AddWorker();
  RunAll(milliseconds(1));
  EXPECT_THAT(ended_, SizeIs(1000));
  for (JobId id = 1; id <= 1000; ++id) {
    EXPECT_THAT(finished_[id], SizeIs(20));
    // Each got its first turn before any got much more than its share.
    EXPECT_EQ(scheduler_.StatusOf(id).state, JobState::kSucceeded);
  }
}

TEST_F(SchedulerTest, NoJobEndsLongBeforeAnEqualOne) {
  const WorkerId worker = AddWorker();
  for (JobId id = 1; id <= 10; ++id) Add(id, 100);
  std::map<JobId, uint64_t> done;
  for (uint64_t all = 0; all < 200;) {
    const uint64_t count = pool_[worker].chunks.front().count;
    done[Finish(worker, milliseconds(10) * count).job] += count;
    all += count;
  }
  for (JobId id = 1; id <= 10; ++id) EXPECT_NEAR(static_cast<double>(done[id]), 20, 3) << id;
}

TEST_F(SchedulerTest, AReaderWhoTakesNothingStopsItsJobOnly) {
  const WorkerId worker = AddWorker();
  Add(1, 1000);
  scheduler_.SetUnread(1, limits_.unread_bytes_per_job_max + 1);
  Finish(worker, milliseconds(30));
  EXPECT_EQ(In(worker), 0u);
  Add(2, 1);
  ASSERT_EQ(In(worker), 1u);
  Finish(worker);
  EXPECT_THAT(ended_, ElementsAre(2));
  scheduler_.SetUnread(1, 0);
  EXPECT_GT(In(worker), 0u);
}

TEST_F(SchedulerTest, WhatTheReaderWaitsForIsTriedAgainAllTheSame) {
  const WorkerId a = AddWorker();
  Add(1, 1000);
  scheduler_.SetUnread(1, limits_.unread_bytes_per_job_max + 1);
  const uint64_t first = pool_[a].chunks.front().first;
  Die(a, Blame::kOutside);
  const WorkerId b = AddWorker();
  ASSERT_EQ(In(b), 1u);
  EXPECT_EQ(pool_[b].chunks.front().first, first);
}

TEST_F(SchedulerTest, UnreadResultsOfAllJobsAreBoundedTogether) {
  const WorkerId worker = AddWorker();
  const uint64_t each = limits_.unread_bytes_per_job_max;
  const uint64_t jobs = limits_.unread_bytes_max / each + 1;
  for (JobId id = 1; id <= jobs; ++id) Add(id, 1000);
  for (JobId id = 1; id <= jobs; ++id) scheduler_.SetUnread(id, each);
  Finish(worker, milliseconds(30));
  EXPECT_EQ(In(worker), 0u);
  scheduler_.SetUnread(3, 0);
  EXPECT_GT(In(worker), 0u);
}

TEST_F(SchedulerTest, AStoreThatDoesNotKeepUpStopsAllJobs) {
  const WorkerId worker = AddWorker();
  Add(1, 1000);
  Add(2, 1000);
  scheduler_.SetStoreBusy(true);
  Finish(worker, milliseconds(30));
  EXPECT_EQ(In(worker), 0u);
  scheduler_.SetStoreBusy(false);
  EXPECT_GT(In(worker), 0u);
}

TEST_F(SchedulerTest, JobsOfOtherServersDoNotMix) {
  const WorkerId worker = AddWorker();
  JobPlan plan = Plan(1, 10);
  plan.server = "other";
  scheduler_.AddJob(std::move(plan));
  EXPECT_EQ(In(worker), 0u);
  EXPECT_THAT(ended_, IsEmpty());
}

}  // namespace
}  // namespace center::jobs
