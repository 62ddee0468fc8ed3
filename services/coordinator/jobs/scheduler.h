// Decides which worker runs which inputs of which job, when, and what follows when one dies.
//
// A job's inputs are cut into pieces; a piece that a worker has is a chunk (two, when it is rerun
// elsewhere near the end of its job: the first result wins).
//
//     fresh ──▶ chunk on a worker ──result──▶ finished
//       ▲           │ worker died         ▲
//       │           ▼                     │ has killed twice and is one input: quarantined
//       └──── retry: whole, or what was not running apart from what was
//
// - A chunk is as large as is done in about `chunk_time`: it starts with one input, at most doubles
//   from one to the next, and shrinks when little is left, so that all workers finish together.
// - Two chunks are in flight for each compute thread, which hides the round trip; one, as long as
//   it is not known that they are short: nothing waits behind a long one.
// - A worker that dies takes nothing with it but time. What was running when it died of itself is
//   suspected: it is tried again alone on a worker, so that a second death proves it. A suspect of
//   many inputs is halved until one input is left, which fails with the cause of death; where it is
//   known which input was running, that one is suspected at once. Deaths that no input is to blame
//   for are counted against retry_limit.
// - Among jobs the highest priority goes first; equals share the workers by time used.
// - Whoever does not take results, and a store that does not keep up, stop fresh chunks of the job
//   (of all jobs); what is tried again still runs, so that a reader who waits for it gets on.
//
// It is told everything and asks nobody but the clock. Owned by one thread. The port and the
// observer are called from within its functions and must not call back into it.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "services/common/clock.h"
#include "services/coordinator/jobs/types.h"

namespace center::jobs {

// The seam to the workers.
class WorkerPort {
 public:
  virtual ~WorkerPort() = default;
  virtual void SendChunk(WorkerId worker, Chunk chunk) = 0;
  virtual void CancelChunk(WorkerId worker, ChunkId chunk) = 0;
  // Ends the process (it will be replaced); its death is reported as any other.
  virtual void KillWorker(WorkerId worker, const std::string& reason) = 0;
  // The input (index in the job) that a thread of the worker is at in this chunk, where that can be
  // seen.
  virtual absl::optional<uint64_t> RunningInputOf(WorkerId worker, ChunkId chunk) = 0;
};

class SchedulerObserver {
 public:
  virtual ~SchedulerObserver() = default;
  // These are finished: for good, and each input once.
  virtual void OnFinished(JobId job, ResultPart part) = 0;
  // An input was given up; OnFinished follows. It makes a part without a body.
  virtual void OnQuarantined(JobId job, const Failure& failure) = 0;
  // No worker has any of it any more. Its status tells how it ended.
  virtual void OnEnded(JobId job) = 0;
};

struct SchedulerLimits {
  SteadyDuration chunk_time = std::chrono::milliseconds(20);
  // Near the end, chunks do not get shorter than this.
  SteadyDuration chunk_time_min = std::chrono::microseconds(500);
  // What the first chunks of a job take whose kind has run before.
  SteadyDuration presumed_chunk_time = std::chrono::milliseconds(10);
  // Kinds of jobs that are remembered for each server.
  size_t kinds_max = 1000;
  uint64_t chunk_inputs_max = 1 << 20;
  // Of a chunk's inputs, and of its results as far as can be foreseen.
  uint64_t chunk_bytes_max = 1 << 20;
  // A chunk that waits behind others costs little if those are shorter than this together.
  SteadyDuration queue_time_max = std::chrono::milliseconds(50);
  // Near the end, a chunk is rerun on an idle worker when it has taken this many times what was
  // foreseen, and this long; one that only waits for its turn at once.
  double straggler_factor = 2.0;
  SteadyDuration straggler_time_min = std::chrono::milliseconds(100);
  SteadyDuration steal_time_min = std::chrono::milliseconds(2);
  // How long the cause of a worker's death is waited for.
  SteadyDuration death_wait = std::chrono::seconds(2);
  // A chunk of several inputs that takes this many times what was foreseen, and this long, is given
  // back: what it has finished counts, the rest is cut anew.
  double overlong_factor = 10.0;
  SteadyDuration overlong_time_min = std::chrono::milliseconds(500);
  // An input is looked at this many times within its timeout and grace.
  int timeout_checks = 4;
  // Finished bytes that the reader of a job has not taken, and of all jobs: more stop fresh chunks.
  uint64_t unread_bytes_per_job_max = 16 << 20;
  uint64_t unread_bytes_max = 256 << 20;
  // Failures that a job keeps in memory.
  size_t failures_max = 100;
};

class Scheduler {
 public:
  // The three outlive the scheduler.
  Scheduler(Clock& clock, WorkerPort& port, SchedulerObserver& observer,
            SchedulerLimits limits = {});
  ~Scheduler();
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  // Jobs. An ended one is forgotten with RemoveJob. REQUIRES: the id is new.
  void AddJob(JobPlan plan);
  // More inputs. Ignored when the job has ended, or has all of them.
  void AddRecords(JobId job, std::shared_ptr<const RecordBlock> block);
  // Counts inputs that were finished before, in the order of arrival among AddRecords.
  void SkipInputs(JobId job, uint64_t count);
  void CompleteInputs(JobId job);
  // Ends it early: running tasks are told to stop, OnEnded follows when none runs. Does nothing
  // when it has ended.
  void EndJob(JobId job, JobState state, const std::string& detail);
  void RemoveJob(JobId job);
  // Finished bytes that its reader has not taken yet.
  void SetUnread(JobId job, uint64_t bytes);
  // The store does not keep up: no fresh chunks of any job.
  void SetStoreBusy(bool busy);

  // REQUIRES for these: the job is known.
  JobStatus StatusOf(JobId job) const;
  // The first ones, by index.
  std::vector<Failure> FailuresOf(JobId job) const;
  const IntervalSet& DoneOf(JobId job) const;
  uint64_t BufferedBytes(JobId job) const;
  uint64_t BufferedCount(JobId job) const;

  // Workers.
  struct WorkerInfo {
    std::string name;  // "<server>/<slot>"
    std::string server;
    uint32_t threads = 1;
    SteadyDuration cancel_grace = std::chrono::seconds(1);
  };
  void AddWorker(WorkerId id, WorkerInfo info);
  // It gets no more chunks, or gets some again.
  void SetAccepting(WorkerId id, bool accepting);
  void OnResult(WorkerId worker, ChunkId chunk, ChunkOutcome outcome);
  // Its stream broke: no result will follow. Why is waited for.
  void OnWorkerLost(WorkerId worker);
  // Its process has ended. Results may still follow, until OnWorkerLost.
  void OnWorkerDied(WorkerId worker, Death death);

  // Does what is due; returns when to be called next (SteadyTime::max(): not by itself). Also call
  // it after other calls: they may have made something due earlier.
  SteadyTime Tick();
  SteadyTime NextDeadline() const;

  // "input 4711" of which job: for whoever found a chunk id and an index in a dead worker.
  absl::optional<JobId> JobOfChunk(ChunkId chunk) const;
  size_t chunks_in_flight() const { return chunks_.size(); }
  const JobCounters& counters() const { return counters_; }

 private:
  struct Piece;
  struct InFlight;
  struct Job;
  struct Worker;
  struct Server;
  enum class TimerKind {
    kJobDeadline,
    kDeathWait,
    kCancelGrace,
    kInputCheck,
    kOverlong,
    kStragglers,
  };
  struct Timer {
    SteadyTime when;
    TimerKind kind;
    uint64_t id;
    std::string server;
    bool operator<(const Timer& other) const { return when > other.when; }
  };
  // Highest priority first, then least time used.
  struct RunKey {
    int32_t priority;
    int64_t used_ns;
    JobId id;
    bool operator<(const RunKey& other) const;
  };

  // scheduler.cc: jobs and their ends.
  Job* FindJob(JobId id);
  const Job& JobAt(JobId id) const;
  void FinishPart(Job& job, ResultPart part);
  void FailInput(Job& job, uint64_t index, FailureCause cause, const std::string& message,
                 uint32_t attempts, const std::string& worker);
  void NoteFailures(Job& job, const std::vector<Failure>& failures);
  void EndIfDone(Job& job);
  void EndNow(Job& job);
  void CountUnfinished(Job& job);

  // scheduler_dispatch.cc: who gets what.
  Server& ServerOf(const std::string& name);
  bool HasFresh(const Job& job) const;
  bool Runnable(const Job& job) const;
  void UpdateRunnable(Job& job);
  void UpdateAllRunnable();
  void Dispatch(Server& server);
  bool HasRoom(const Worker& worker) const;
  void UpdateRoom(Worker& worker);
  void ReserveForSuspects(Server& server);
  void DispatchSuspect(Server& server, Worker& worker);
  void DispatchNext(Job& job, Worker& worker);
  std::shared_ptr<Piece> NextPiece(Job& job, const Worker& worker);
  double ExpectedNs(const Job& job, const Worker& worker) const;
  double FairShareNs(const Job& job, const Worker& worker, double ns_per_input) const;
  uint64_t ChunkSize(const Job& job, const Worker& worker) const;
  void Send(const std::shared_ptr<Piece>& piece, Job& job, Worker& worker);
  void Started(InFlight& chunk, SteadyTime now);
  // scheduler_rerun.cc: what takes too long.
  void Rerun(Server& server);
  InFlight* FindStraggler(Server& server, SteadyTime* later);
  SteadyTime RerunAt(const InFlight& chunk) const;
  void OnOverlong(ChunkId id);

  // scheduler_results.cc: what workers say.
  std::unique_ptr<InFlight> ForgetChunk(ChunkId id);
  void LearnFrom(Job& job, const InFlight& chunk, const ChunkOutcome& outcome);
  void TakeOutcome(Job& job, const std::shared_ptr<Piece>& piece, ChunkOutcome outcome);
  void Settle(Piece& piece);
  void Cancel(InFlight& chunk, SteadyDuration patience = {});
  void OnInputCheck(ChunkId id);
  void OnCancelGrace(ChunkId id);
  void KillFor(InFlight& chunk, const std::string& reason);

  // scheduler_deaths.cc: what follows when a worker is gone.
  void ResolveDeath(WorkerId id);
  void ResolveChunk(const InFlight& chunk, const Worker& worker, const Death& death, bool started,
                    absl::optional<uint64_t> running);
  void Suspect(Job& job, const std::shared_ptr<Piece>& piece, const Worker& worker,
               const Death& death, absl::optional<uint64_t> running);
  void RetryUnblamed(Job& job, const std::shared_ptr<Piece>& piece, const Worker& worker,
                     const Death& death, absl::optional<uint64_t> running);
  void Apart(Job& job, const Piece& piece, uint64_t index, std::shared_ptr<Piece>* single);
  void Halve(Job& job, const Piece& piece);
  void Requeue(Job& job, std::shared_ptr<Piece> piece);

  void AddTimer(SteadyTime when, TimerKind kind, uint64_t id, const std::string& server = "");
  void Fire(const Timer& timer);

  Clock& clock_;
  WorkerPort& port_;
  SchedulerObserver& observer_;
  const SchedulerLimits limits_;

  std::map<JobId, std::unique_ptr<Job>> jobs_;
  std::map<WorkerId, std::unique_ptr<Worker>> workers_;
  std::map<std::string, std::unique_ptr<Server>> servers_;
  absl::flat_hash_map<ChunkId, std::unique_ptr<InFlight>> chunks_;
  std::vector<Timer> timers_;  // a heap
  ChunkId last_chunk_ = 0;
  JobCounters counters_;
  uint64_t unread_bytes_ = 0;
  bool store_busy_ = false;
};

}  // namespace center::jobs
