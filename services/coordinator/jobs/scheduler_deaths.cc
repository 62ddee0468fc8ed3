// What follows when a worker is gone.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/coordinator/jobs/scheduler.h"
#include "services/coordinator/jobs/scheduler_internal.h"

namespace center::jobs {
namespace {

// An input that was seen running each time has killed often enough to be sure.
constexpr uint32_t kDeathsProof = 2;

}  // namespace

void Scheduler::OnWorkerLost(WorkerId id) {
  const auto found = workers_.find(id);
  if (found == workers_.end() || found->second->lost) return;
  Worker& worker = *found->second;
  worker.lost = true;
  if (worker.death.has_value() || worker.chunks.empty()) return ResolveDeath(id);
  UpdateRoom(worker);
  AddTimer(clock_.Steady() + limits_.death_wait, TimerKind::kDeathWait, id);
}

void Scheduler::OnWorkerDied(WorkerId id, Death death) {
  const auto found = workers_.find(id);
  if (found == workers_.end() || found->second->death.has_value()) return;
  Worker& worker = *found->second;
  worker.death = std::move(death);
  if (worker.lost) return ResolveDeath(id);
  UpdateRoom(worker);
  AddTimer(clock_.Steady() + limits_.death_wait, TimerKind::kDeathWait, id);
}

void Scheduler::ResolveDeath(WorkerId id) {
  const auto found = workers_.find(id);
  if (found == workers_.end()) return;
  Worker& worker = *found->second;
  worker.lost = true;
  UpdateRoom(worker);
  const Death death = worker.death.value_or(
      Death{.reason = "the connection to it was lost", .blame = Blame::kOutside});
  // From the last to the first: each goes to the front of what is to be tried again.
  const std::vector<ChunkId> chunks(worker.chunks.rbegin(), worker.chunks.rend());
  for (size_t i = 0; i < chunks.size(); ++i) {
    const std::unique_ptr<InFlight> chunk = ForgetChunk(chunks[i]);
    ++counters_.chunks_lost;
    // Without better knowledge the first ones are those that ran: they are taken up in order.
    bool started = chunks.size() - i <= worker.info.threads;
    absl::optional<uint64_t> running;
    if (!death.running.empty()) started = false;
    for (const RunningInput& seen : death.running) {
      if (seen.chunk != chunk->id) continue;
      started = true;
      const Piece& piece = *chunk->piece;
      if (seen.index >= piece.first && seen.index - piece.first < piece.count) {
        running = seen.index;
      }
    }
    ResolveChunk(*chunk, worker, death, started, running);
  }
  Server& server = ServerOf(worker.info.server);
  server.workers.erase(id);
  server.threads -= worker.info.threads;
  for (auto& [job_id, job] : jobs_) job->speed.erase(id);
  workers_.erase(found);
  Dispatch(server);
}

void Scheduler::ResolveChunk(const InFlight& chunk, const Worker& worker, const Death& death,
                             bool started, absl::optional<uint64_t> running) {
  Job* job = FindJob(chunk.piece->job);
  if (job == nullptr) return;
  const std::shared_ptr<Piece>& piece = chunk.piece;
  job->used_ns -= chunk.charged_ns;
  job->workers.insert(worker.info.name);
  if (job->ending) {
    if (job->status.state == JobState::kRunning && job->chunks.empty()) EndNow(*job);
    return;
  }
  if (piece->settled) return;
  if (chunk.timed_out) {
    const absl::optional<uint64_t> hung = running.has_value() ? running : chunk.seen_input;
    std::shared_ptr<Piece> single = piece;
    Settle(*piece);
    if (piece->count > 1 && !hung.has_value()) {
      Halve(*job, *piece);
    } else {
      if (piece->count > 1) Apart(*job, *piece, *hung, &single);
      FailInput(*job, single->first, FailureCause::kTimeout,
                "ran longer than its timeout and did not stop; its worker was ended",
                piece->attempts, worker.info.name);
    }
  } else if (!started || death.blame == Blame::kNobody) {
    ++job->status.retries;
    if (piece->copies.empty()) Requeue(*job, piece);
  } else if (death.blame == Blame::kInput) {
    Suspect(*job, piece, worker, death, running);
  } else {
    RetryUnblamed(*job, piece, worker, death, running);
  }
  UpdateRunnable(*job);
  EndIfDone(*job);
}

void Scheduler::Suspect(Job& job, const std::shared_ptr<Piece>& piece, const Worker& worker,
                        const Death& death, absl::optional<uint64_t> running) {
  ++piece->deaths;
  ++job.status.retries;
  if (!piece->copies.empty()) return;  // another worker has it still
  std::shared_ptr<Piece> suspect = piece;
  if (piece->count > 1 && running.has_value()) {
    Apart(job, *piece, *running, &suspect);
    suspect->deaths = 1;  // this one was seen for the first time
  } else if (piece->count > 1 && piece->deaths >= kDeathsProof) {
    return Halve(job, *piece);
  }
  if (suspect->deaths < kDeathsProof) return Requeue(job, std::move(suspect));
  suspect->settled = true;
  FailInput(job, suspect->first, FailureCause::kWorkerDied, death.reason, suspect->attempts,
            worker.info.name);
}

void Scheduler::RetryUnblamed(Job& job, const std::shared_ptr<Piece>& piece, const Worker& worker,
                              const Death& death, absl::optional<uint64_t> running) {
  ++job.status.retries;
  if (!piece->copies.empty()) return;
  std::shared_ptr<Piece> retried = piece;
  if (piece->count > 1 && running.has_value()) Apart(job, *piece, *running, &retried);
  if (++retried->retries <= job.plan.retry_limit) return Requeue(job, std::move(retried));
  if (retried->count > 1) {
    // One of them may be the reason all the same: each half gets one more try.
    retried->retries = job.plan.retry_limit;
    return Halve(job, *retried);
  }
  retried->settled = true;
  FailInput(
      job, retried->first, FailureCause::kRetriesExhausted,
      absl::StrCat("its workers died ", retried->retries, " times, the last one: ", death.reason),
      retried->attempts, worker.info.name);
}

// Cuts a piece into what stands before an input, the input, and what stands after it. The first and
// the last are to be tried again, with nothing held against them.
void Scheduler::Apart(Job& job, const Piece& piece, uint64_t index,
                      std::shared_ptr<Piece>* single) {
  const auto part = [&](uint64_t first, uint64_t count) {
    auto made = std::make_shared<Piece>();
    made->job = piece.job;
    made->first = first;
    made->count = count;
    made->attempts = piece.attempts;
    return made;
  };
  const uint64_t after = piece.first + piece.count - index - 1;
  if (after > 0) Requeue(job, part(index + 1, after));
  if (index > piece.first) Requeue(job, part(piece.first, index - piece.first));
  *single = part(index, 1);
  (*single)->retries = piece.retries;
}

void Scheduler::Halve(Job& job, const Piece& piece) {
  auto front = std::make_shared<Piece>(piece);
  auto back = std::make_shared<Piece>(piece);
  front->count = piece.count / 2;
  back->first += front->count;
  back->count -= front->count;
  for (const std::shared_ptr<Piece>& half : {back, front}) {
    half->copies.clear();
    half->settled = false;
    // It took part in what its whole has done once.
    half->deaths = std::min<uint32_t>(piece.deaths, kDeathsProof - 1);
    Requeue(job, half);
  }
}

void Scheduler::Requeue(Job& job, std::shared_ptr<Piece> piece) {
  if (piece->deaths > 0) {
    ServerOf(job.plan.server).with_suspects.insert(job.plan.id);
    job.suspects.push_front(std::move(piece));
  } else {
    job.retries.push_front(std::move(piece));
  }
  UpdateRunnable(job);
}

}  // namespace center::jobs
