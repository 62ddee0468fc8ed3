// What workers answer.
#include <algorithm>
#include <utility>

#include "services/coordinator/jobs/scheduler.h"
#include "services/coordinator/jobs/scheduler_internal.h"

namespace center::jobs {
namespace {

// How much the newest chunk says about the next one.
double Blend(double before, double sample) { return before > 0 ? (before + sample) / 2 : sample; }

}  // namespace

// Takes it out of everything. The one whose turn is next has begun.
std::unique_ptr<Scheduler::InFlight> Scheduler::ForgetChunk(ChunkId id) {
  auto found = chunks_.find(id);
  std::unique_ptr<InFlight> chunk = std::move(found->second);
  chunks_.erase(found);
  std::vector<ChunkId>& copies = chunk->piece->copies;
  copies.erase(std::remove(copies.begin(), copies.end(), id), copies.end());
  if (Job* job = FindJob(chunk->piece->job)) {
    job->chunks.erase(id);
    job->outstanding.Remove(chunk->foreseen.value_or(SteadyDuration{}), chunk->started);
  }
  Worker& worker = *workers_.at(chunk->worker);
  worker.chunks.erase(std::find(worker.chunks.begin(), worker.chunks.end(), id));
  worker.alone = false;
  const size_t turn = worker.info.threads;
  if (!worker.lost && worker.chunks.size() >= turn) {
    InFlight& next = *chunks_.at(worker.chunks[turn - 1]);
    if (!next.started.has_value() && FindJob(next.piece->job) != nullptr) {
      Started(next, clock_.Steady());
    }
  }
  return chunk;
}

void Scheduler::OnResult(WorkerId worker_id, ChunkId id, ChunkOutcome outcome) {
  const auto found = chunks_.find(id);
  if (found == chunks_.end() || found->second->worker != worker_id) return;
  const std::unique_ptr<InFlight> chunk = ForgetChunk(id);
  ++(outcome.cancelled ? counters_.chunks_given_back : counters_.chunks_finished);
  counters_.task_time += outcome.task_time;
  Worker& worker = *workers_.at(worker_id);
  Server& server = ServerOf(worker.info.server);
  if (Job* job = FindJob(chunk->piece->job)) {
    LearnFrom(*job, *chunk, outcome);
    job->workers.insert(worker.info.name);
    if (!chunk->piece->settled) TakeOutcome(*job, chunk->piece, std::move(outcome));
    if (job->ending && job->status.state == JobState::kRunning && job->chunks.empty()) {
      EndNow(*job);
    }
  }
  if (worker.reserved && worker.chunks.empty()) {
    DispatchSuspect(server, worker);
  } else {
    UpdateRoom(worker);
  }
  Dispatch(server);
}

void Scheduler::LearnFrom(Job& job, const InFlight& chunk, const ChunkOutcome& outcome) {
  uint64_t count = 0;
  uint64_t bytes = 0;
  for (const ResultPart& part : outcome.parts) {
    count += part.count;
    bytes += part.body != nullptr ? part.body->size() : 0;
  }
  SteadyDuration took = outcome.task_time;
  job.status.task_time += took;
  if (took.count() <= 0 && count > 0) took = clock_.Steady() - chunk.started.value_or(chunk.sent);
  job.used_ns += took.count() - chunk.charged_ns;
  // One that was given back within its first input says that this one is at least as long.
  if (took.count() > 0) {
    Job::Speed& speed = job.speed[chunk.worker];
    const double sample =
        static_cast<double>(took.count()) / static_cast<double>(std::max<uint64_t>(count, 1));
    // What was given back was foreseen wrongly.
    speed.ns_per_input = outcome.cancelled ? sample : Blend(speed.ns_per_input, sample);
    speed.last_count = std::max<uint64_t>(count, 1);
    job.ns_per_input = Blend(job.ns_per_input.value_or(0), speed.ns_per_input);
    auto& kinds = ServerOf(job.plan.server).ns_per_input;
    if (kinds.size() >= limits_.kinds_max && !kinds.contains(job.plan.kind)) kinds.clear();
    kinds[job.plan.kind] = *job.ns_per_input;
  }
  if (count > 0) {
    job.bytes_per_result = Blend(job.bytes_per_result.value_or(0),
                                 static_cast<double>(bytes) / static_cast<double>(count));
  }
  UpdateRunnable(job);
}

void Scheduler::TakeOutcome(Job& job, const std::shared_ptr<Piece>& piece, ChunkOutcome outcome) {
  uint64_t finished = 0;
  for (const ResultPart& part : outcome.parts) finished += part.count;
  const bool whole = finished == piece->count;
  // A part of it is no use while another worker has all of it.
  if (!whole && !piece->copies.empty()) return;
  const uint64_t first = piece->first;
  const uint64_t count = piece->count;
  if (finished > count) {  // not an answer to what was asked
    outcome.parts.clear();
    finished = 0;
  }
  Settle(*piece);
  for (ResultPart& part : outcome.parts) FinishPart(job, std::move(part));
  if (finished < count && !job.ending) {
    auto rest = std::make_shared<Piece>(*piece);
    rest->settled = false;
    rest->copies.clear();
    rest->first = first + finished;
    rest->count = count - finished;
    // Given back on request, or by a worker that ends. Anything else is no answer, and counts.
    if (!outcome.cancelled && ++rest->retries > job.plan.retry_limit) {
      for (uint64_t i = 0; i < rest->count; ++i) {
        FailInput(job, rest->first + i, FailureCause::kRetriesExhausted,
                  "its worker gave no complete answer", rest->attempts, "");
      }
    } else {
      Requeue(job, std::move(rest));
    }
  }
  EndIfDone(job);
}

// It is finished: other copies are not wanted any more. They have done nothing wrong, and may have
// a task that does not look at its stop token: each gets as long again as it has run.
void Scheduler::Settle(Piece& piece) {
  piece.settled = true;
  for (const ChunkId copy : std::vector<ChunkId>(piece.copies)) {
    InFlight& chunk = *chunks_.at(copy);
    Cancel(chunk, clock_.Steady() - chunk.sent);
  }
}

}  // namespace center::jobs
