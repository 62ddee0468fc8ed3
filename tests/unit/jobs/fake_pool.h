// Workers that do what a test tells them, under a clock that moves only when told, and a job's
// owner that keeps what it hears.
#pragma once

#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/coordinator/jobs/scheduler.h"

namespace center::jobs {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

class FakeClock final : public Clock {
 public:
  int64_t WallNanos() const override {
    return std::chrono::nanoseconds(now_.time_since_epoch()).count();
  }
  SteadyTime Steady() const override { return now_; }
  void AdvanceTo(SteadyTime time) { now_ = time; }
  void Advance(SteadyDuration duration) { now_ += duration; }

 private:
  SteadyTime now_{std::chrono::hours(1000)};
};

class SchedulerTest : public testing::Test, public WorkerPort, public SchedulerObserver {
 protected:
  // What a worker has been given, in order.
  struct FakeWorker {
    std::deque<Chunk> chunks;
    std::vector<ChunkId> cancels;
    std::string killed;  // why
  };

  explicit SchedulerTest(SchedulerLimits limits = {})
      : limits_(limits), scheduler_(clock_, *this, *this, limits_) {}

  // WorkerPort.
  void SendChunk(WorkerId worker, Chunk chunk) override {
    ++sent_;
    pool_[worker].chunks.push_back(std::move(chunk));
  }
  void CancelChunk(WorkerId worker, ChunkId chunk) override {
    pool_[worker].cancels.push_back(chunk);
  }
  void KillWorker(WorkerId worker, const std::string& reason) override {
    pool_[worker].killed = reason;
  }
  absl::optional<uint64_t> RunningInputOf(WorkerId worker, ChunkId chunk) override {
    const auto found = running_.find(chunk);
    if (found == running_.end()) return absl::nullopt;
    return found->second;
  }

  // SchedulerObserver. Every input must be finished once.
  void OnFinished(JobId job, ResultPart part) override {
    for (uint64_t i = 0; i < part.count && part.count <= 1'000'000; ++i) {
      EXPECT_TRUE(finished_[job].insert(part.first + i).second) << part.first + i << " again";
    }
    finished_count_[job] += part.count;
    for (const Failure& failure : part.failures) failures_[job].push_back(failure);
  }
  void OnQuarantined(JobId job, const Failure& failure) override {
    quarantined_[job].push_back(failure.index);
  }
  void OnEnded(JobId job) override { ended_.push_back(job); }

  JobPlan Plan(JobId id, uint64_t inputs, int32_t priority = 0) {
    JobPlan plan;
    plan.id = id;
    plan.server = "s";
    plan.priority = priority;
    plan.inputs = InputQueue::Range(0, inputs);
    return plan;
  }
  void Add(JobId id, uint64_t inputs, int32_t priority = 0) {
    scheduler_.AddJob(Plan(id, inputs, priority));
  }
  WorkerId AddWorker(uint32_t threads = 1) {
    const WorkerId id = ++last_worker_;
    scheduler_.AddWorker(id, {.name = absl::StrCat("s/", id), .server = "s", .threads = threads});
    return id;
  }

  static ChunkOutcome Done(const Chunk& chunk, SteadyDuration took, uint64_t count,
                           bool cancelled = false) {
    ChunkOutcome outcome;
    if (count > 0) {
      outcome.parts.push_back({.first = chunk.first,
                               .count = count,
                               .body = std::make_shared<const std::string>("result")});
    }
    outcome.task_time = took;
    outcome.cancelled = cancelled;
    return outcome;
  }
  // The worker finishes its oldest chunk, having taken this long.
  Chunk Finish(WorkerId worker, SteadyDuration took = microseconds(10)) {
    Chunk chunk = Pop(worker);
    scheduler_.OnResult(worker, chunk.id, Done(chunk, took, chunk.count));
    return chunk;
  }
  // It gives its oldest chunk back, with some of it finished.
  void GiveBack(WorkerId worker, uint64_t finished = 0, SteadyDuration took = {}) {
    const Chunk chunk = Pop(worker);
    scheduler_.OnResult(worker, chunk.id, Done(chunk, took, finished, /*cancelled=*/true));
  }
  Chunk Pop(WorkerId worker) {
    std::deque<Chunk>& chunks = pool_[worker].chunks;
    EXPECT_FALSE(chunks.empty());
    if (chunks.empty()) return {};
    Chunk chunk = std::move(chunks.front());
    chunks.pop_front();
    return chunk;
  }
  void Die(WorkerId worker, Blame blame = Blame::kInput, std::vector<RunningInput> running = {},
           const std::string& reason = "killed by SIGSEGV") {
    pool_.erase(worker);
    scheduler_.OnWorkerDied(worker, {reason, blame, std::move(running)});
    scheduler_.OnWorkerLost(worker);
  }
  // Every worker works until there is nothing to do; time passes as it is needed. Inputs of
  // `poison` kill, and the worker is replaced; `knows` whether it is seen which input it was.
  void RunAll(SteadyDuration per_input, const std::set<uint64_t>& poison = {}, bool knows = false) {
    for (int rounds = 0; rounds < 1'000'000; ++rounds) {
      bool worked = false;
      std::vector<WorkerId> workers;
      for (const auto& [id, worker] : pool_) workers.push_back(id);
      for (const WorkerId id : workers) {
        if (pool_[id].chunks.empty()) continue;
        worked = true;
        const Chunk chunk = pool_[id].chunks.front();
        const auto killer = poison.lower_bound(chunk.first);
        if (killer == poison.end() || *killer >= chunk.first + chunk.count) {
          clock_.Advance(per_input * chunk.count);
          Finish(id, per_input * chunk.count);
          continue;
        }
        ++deaths_;
        if (knows) {
          Die(id, Blame::kInput, {{chunk.id, *killer}});
        } else {
          Die(id);
        }
        AddWorker();
      }
      scheduler_.Tick();
      if (worked) continue;
      return;
    }
    ADD_FAILURE() << "it does not end";
  }
  void AdvanceAndTick(SteadyDuration duration) {
    clock_.Advance(duration);
    scheduler_.Tick();
  }
  size_t In(WorkerId worker) { return pool_[worker].chunks.size(); }

  const SchedulerLimits limits_;
  FakeClock clock_;
  Scheduler scheduler_;
  WorkerId last_worker_ = 0;
  std::map<WorkerId, FakeWorker> pool_;
  std::map<ChunkId, uint64_t> running_;
  std::map<JobId, std::set<uint64_t>> finished_;
  std::map<JobId, uint64_t> finished_count_;
  std::map<JobId, std::vector<Failure>> failures_;
  std::map<JobId, std::vector<uint64_t>> quarantined_;
  std::vector<JobId> ended_;
  uint64_t sent_ = 0;
  int deaths_ = 0;
};

}  // namespace center::jobs
