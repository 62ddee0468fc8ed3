// Jobs: how they come, what is known of them, how they end.
#include "services/coordinator/jobs/scheduler.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "services/coordinator/jobs/scheduler_internal.h"

namespace center::jobs {
namespace {

constexpr size_t kPreviewBytesMax = 256;

}  // namespace

bool Scheduler::RunKey::operator<(const RunKey& other) const {
  return std::tie(other.priority, used_ns, id) < std::tie(priority, other.used_ns, other.id);
}

Scheduler::Scheduler(Clock& clock, WorkerPort& port, SchedulerObserver& observer,
                     SchedulerLimits limits)
    : clock_(clock), port_(port), observer_(observer), limits_(limits) {}

Scheduler::~Scheduler() = default;

Scheduler::Job* Scheduler::FindJob(JobId id) {
  const auto found = jobs_.find(id);
  return found == jobs_.end() ? nullptr : found->second.get();
}

const Scheduler::Job& Scheduler::JobAt(JobId id) const { return *jobs_.at(id); }

void Scheduler::AddJob(JobPlan plan) {
  auto added = std::make_unique<Job>();
  Job& job = *added;
  job.plan = std::move(plan);
  job.status.failed = job.plan.failed;
  job.status.succeeded = job.plan.done.size() - job.plan.failed;
  NoteFailures(job, job.plan.failures);
  const JobId id = job.plan.id;
  const auto& kinds = ServerOf(job.plan.server).ns_per_input;
  if (const auto known = kinds.find(job.plan.kind); known != kinds.end()) {
    job.presumed_ns_per_input = known->second;
  }
  jobs_[id] = std::move(added);
  if (job.plan.deadline.has_value()) AddTimer(*job.plan.deadline, TimerKind::kJobDeadline, id);
  UpdateRunnable(job);
  Dispatch(ServerOf(job.plan.server));
  EndIfDone(job);
}

void Scheduler::AddRecords(JobId id, std::shared_ptr<const RecordBlock> block) {
  Job* job = FindJob(id);
  if (job == nullptr || job->ending || job->plan.inputs.complete()) return;
  const uint64_t first = job->plan.inputs.arrived();
  const uint64_t end = first + block->count();
  job->plan.inputs.Append(std::move(block));
  // Some of them may have been finished under an earlier coordinator.
  const IntervalSet& done = job->plan.done;
  for (uint64_t at = done.NextMember(first); at < end;) {
    const uint64_t until = std::min(done.NextGap(at), end);
    job->plan.inputs.Finish(at, until - at);
    at = done.NextMember(until);
  }
  UpdateRunnable(*job);
  Dispatch(ServerOf(job->plan.server));
}

void Scheduler::SkipInputs(JobId id, uint64_t count) {
  Job* job = FindJob(id);
  if (job != nullptr && !job->ending) job->plan.inputs.Skip(count);
}

void Scheduler::CompleteInputs(JobId id) {
  Job* job = FindJob(id);
  if (job == nullptr || job->ending) return;
  job->plan.inputs.Complete();
  EndIfDone(*job);
}

void Scheduler::EndJob(JobId id, JobState state, const std::string& detail) {
  Job* job = FindJob(id);
  if (job == nullptr || job->ending) return;
  job->ending = true;
  job->end_state = state;
  job->status.detail = detail;
  job->retries.clear();
  job->suspects.clear();
  Server& server = ServerOf(job->plan.server);
  server.with_suspects.erase(id);
  UpdateRunnable(*job);
  const std::vector<ChunkId> out(job->chunks.begin(), job->chunks.end());
  for (const ChunkId chunk : out) Cancel(*chunks_.at(chunk));
  if (job->chunks.empty()) EndNow(*job);
  Dispatch(server);  // a worker may be reserved for what is not wanted any more
}

void Scheduler::RemoveJob(JobId id) {
  Job* job = FindJob(id);
  if (job == nullptr) return;
  for (const ChunkId chunk : std::exchange(job->chunks, {})) {
    InFlight& out = *chunks_.at(chunk);
    out.piece->settled = true;
    Cancel(out);
  }
  job->ending = true;
  job->retries.clear();
  ServerOf(job->plan.server).with_suspects.erase(id);
  UpdateRunnable(*job);
  unread_bytes_ -= job->unread_bytes;
  jobs_.erase(id);
}

void Scheduler::SetUnread(JobId id, uint64_t bytes) {
  Job* job = FindJob(id);
  if (job == nullptr || job->unread_bytes == bytes) return;
  const bool over = unread_bytes_ > limits_.unread_bytes_max;
  unread_bytes_ = unread_bytes_ - job->unread_bytes + bytes;
  job->unread_bytes = bytes;
  if (over != (unread_bytes_ > limits_.unread_bytes_max)) return UpdateAllRunnable();
  UpdateRunnable(*job);
  Dispatch(ServerOf(job->plan.server));
}

void Scheduler::SetStoreBusy(bool busy) {
  if (std::exchange(store_busy_, busy) != busy) UpdateAllRunnable();
}

JobStatus Scheduler::StatusOf(JobId id) const {
  const Job& job = JobAt(id);
  JobStatus status = job.status;
  status.inputs = job.plan.inputs.arrived();
  status.inputs_complete = job.plan.inputs.complete();
  status.workers = static_cast<uint32_t>(job.workers.size());
  std::set<const Piece*> pieces;
  for (const ChunkId chunk : job.chunks) pieces.insert(chunks_.at(chunk)->piece.get());
  for (const Piece* piece : pieces) status.running += piece->settled ? 0 : piece->count;
  return status;
}

std::vector<Failure> Scheduler::FailuresOf(JobId id) const {
  std::vector<Failure> failures;
  for (const auto& [index, failure] : JobAt(id).failures) failures.push_back(failure);
  return failures;
}

const IntervalSet& Scheduler::DoneOf(JobId id) const { return JobAt(id).plan.done; }

uint64_t Scheduler::BufferedBytes(JobId id) const { return JobAt(id).plan.inputs.buffered_bytes(); }

uint64_t Scheduler::BufferedCount(JobId id) const { return JobAt(id).plan.inputs.buffered_count(); }

absl::optional<JobId> Scheduler::JobOfChunk(ChunkId chunk) const {
  const auto found = chunks_.find(chunk);
  if (found == chunks_.end()) return absl::nullopt;
  return found->second->piece->job;
}

void Scheduler::FinishPart(Job& job, ResultPart part) {
  // Pieces do not overlap and each is settled once: what is done already cannot come again.
  if (job.plan.done.Add(part.first, part.count) != part.count) return;
  job.plan.inputs.Finish(part.first, part.count);
  job.status.succeeded += part.count - part.failures.size();
  job.status.failed += part.failures.size();
  counters_.inputs_succeeded += part.count - part.failures.size();
  counters_.inputs_failed += part.failures.size();
  NoteFailures(job, part.failures);
  observer_.OnFinished(job.plan.id, std::move(part));
}

void Scheduler::FailInput(Job& job, uint64_t index, FailureCause cause, const std::string& message,
                          uint32_t attempts, const std::string& worker) {
  Failure failure{.index = index,
                  .cause = cause,
                  .message = message,
                  .input = job.plan.inputs.Preview(index, kPreviewBytesMax),
                  .attempts = attempts,
                  .worker = worker};
  if (cause == FailureCause::kWorkerDied) observer_.OnQuarantined(job.plan.id, failure);
  FinishPart(job, {.first = index, .count = 1, .failures = {std::move(failure)}});
}

void Scheduler::NoteFailures(Job& job, const std::vector<Failure>& failures) {
  for (const Failure& failure : failures) {
    if (job.failures.size() >= limits_.failures_max) {
      const auto last = std::prev(job.failures.end());
      if (failure.index > last->first) continue;
      job.failures.erase(last);
    }
    job.failures.emplace(failure.index, failure);
  }
}

void Scheduler::EndIfDone(Job& job) {
  const InputQueue& inputs = job.plan.inputs;
  if (job.ending || !inputs.complete() || job.plan.done.size() != inputs.arrived()) return;
  job.ending = true;
  job.end_state = job.status.failed > 0 ? JobState::kFailed : JobState::kSucceeded;
  UpdateRunnable(job);
  // Copies of finished chunks may still be out: they have been told to stop, and nothing hangs on
  // them.
  EndNow(job);
}

void Scheduler::EndNow(Job& job) {
  CountUnfinished(job);
  job.status.state = job.end_state;
  observer_.OnEnded(job.plan.id);
}

void Scheduler::CountUnfinished(Job& job) {
  const uint64_t arrived = job.plan.inputs.arrived();
  job.status.failed += arrived - job.plan.done.size();
  uint64_t listed = 0;
  for (uint64_t at = job.plan.done.NextGap(0); at < arrived && listed < limits_.failures_max;
       at = job.plan.done.NextGap(at + 1), ++listed) {
    NoteFailures(job, {{.index = at,
                        .cause = FailureCause::kCancelled,
                        .message = job.status.detail,
                        .input = job.plan.inputs.Preview(at, kPreviewBytesMax)}});
  }
}

void Scheduler::AddTimer(SteadyTime when, TimerKind kind, uint64_t id, const std::string& server) {
  timers_.push_back({when, kind, id, server});
  std::push_heap(timers_.begin(), timers_.end());
}

SteadyTime Scheduler::NextDeadline() const {
  return timers_.empty() ? SteadyTime::max() : timers_.front().when;
}

SteadyTime Scheduler::Tick() {
  while (NextDeadline() <= clock_.Steady()) {
    std::pop_heap(timers_.begin(), timers_.end());
    const Timer timer = std::move(timers_.back());
    timers_.pop_back();
    Fire(timer);
  }
  return NextDeadline();
}

void Scheduler::Fire(const Timer& timer) {
  switch (timer.kind) {
    case TimerKind::kJobDeadline:
      return EndJob(timer.id, JobState::kDeadlineExceeded, "its deadline has passed");
    case TimerKind::kDeathWait:
      return ResolveDeath(timer.id);
    case TimerKind::kCancelGrace:
      return OnCancelGrace(timer.id);
    case TimerKind::kInputCheck:
      return OnInputCheck(timer.id);
    case TimerKind::kOverlong:
      return OnOverlong(timer.id);
    case TimerKind::kStragglers: {
      Server& server = ServerOf(timer.server);
      if (server.stragglers_at == timer.when) server.stragglers_at = SteadyTime::max();
      return Dispatch(server);
    }
  }
}

}  // namespace center::jobs
