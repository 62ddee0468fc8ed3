// What takes longer than it should: stragglers, chunks that were foreseen wrongly, inputs that do
// not end, and tasks that do not stop.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/text.h"
#include "services/coordinator/jobs/scheduler.h"
#include "services/coordinator/jobs/scheduler_internal.h"

namespace center::jobs {
namespace {

std::string Format(SteadyDuration duration) {
  return FormatShortDuration(absl::FromChrono(duration));
}

}  // namespace

// Nothing is left to be sent, and somebody has no work.
void Scheduler::Rerun(Server& server) {
  std::vector<WorkerId> idle;
  for (const auto& [load, id] : server.room) {
    if (load == 0) idle.push_back(id);
  }
  SteadyTime later = SteadyTime::max();
  for (const WorkerId id : idle) {
    InFlight* chunk = FindStraggler(server, &later);
    if (chunk == nullptr) break;
    const std::shared_ptr<Piece> piece = chunk->piece;
    // One that has not begun changes its place; one that runs may still be the first.
    if (!chunk->started.has_value()) port_.CancelChunk(chunk->worker, chunk->id);
    Send(piece, *jobs_.at(piece->job), *workers_.at(id));
  }
  if (later < server.stragglers_at) {
    server.stragglers_at = later;
    AddTimer(later, TimerKind::kStragglers, 0, server.name);
  }
}

Scheduler::InFlight* Scheduler::FindStraggler(Server& server, SteadyTime* later) {
  const SteadyTime now = clock_.Steady();
  InFlight* best = nullptr;
  SteadyTime best_at = SteadyTime::max();
  for (const WorkerId id : server.workers) {
    const Worker& worker = *workers_.at(id);
    if (worker.lost || worker.death.has_value() || worker.killed) continue;
    for (const ChunkId chunk_id : worker.chunks) {
      InFlight& chunk = *chunks_.at(chunk_id);
      const SteadyTime at = RerunAt(chunk);
      if (at > now) {
        *later = std::min(*later, at);
      } else if (at < best_at) {
        best = &chunk;
        best_at = at;
      }
    }
  }
  return best;
}

SteadyTime Scheduler::RerunAt(const InFlight& chunk) const {
  const Piece& piece = *chunk.piece;
  if (chunk.cancelled || piece.settled || piece.copies.size() > 1 || piece.deaths > 0) {
    return SteadyTime::max();
  }
  if (!chunk.started.has_value()) return chunk.sent + limits_.steal_time_min;
  // Nobody knows what is long before the job itself has shown it.
  if (!chunk.foreseen.has_value() || !JobAt(piece.job).ns_per_input.has_value()) {
    return SteadyTime::max();
  }
  const auto expected =
      std::chrono::duration_cast<SteadyDuration>(*chunk.foreseen * limits_.straggler_factor);
  return *chunk.started + std::max(expected, limits_.straggler_time_min);
}

// Many inputs that take far longer than those before: they would keep one worker busy while others
// have nothing, and every estimate waits for them.
void Scheduler::OnOverlong(ChunkId id) {
  const auto found = chunks_.find(id);
  if (found == chunks_.end() || found->second->cancelled || found->second->piece->settled) return;
  port_.CancelChunk(found->second->worker, id);
}

// Its worker is ended when it goes on for longer than its grace and `patience`.
void Scheduler::Cancel(InFlight& chunk, SteadyDuration patience) {
  if (chunk.cancelled) return;
  chunk.cancelled = true;
  port_.CancelChunk(chunk.worker, chunk.id);
  AddTimer(clock_.Steady() + workers_.at(chunk.worker)->info.cancel_grace + patience,
           TimerKind::kCancelGrace, chunk.id);
}

void Scheduler::OnCancelGrace(ChunkId id) {
  const auto found = chunks_.find(id);
  if (found == chunks_.end()) return;
  InFlight& chunk = *found->second;
  KillFor(chunk, absl::StrCat("a task of job j", chunk.piece->job, " went on for ",
                              Format(workers_.at(chunk.worker)->info.cancel_grace),
                              " after it was told to stop"));
}

void Scheduler::OnInputCheck(ChunkId id) {
  const auto found = chunks_.find(id);
  if (found == chunks_.end()) return;
  InFlight& chunk = *found->second;
  Job* job = FindJob(chunk.piece->job);
  if (job == nullptr || chunk.cancelled || chunk.piece->settled) return;
  const SteadyTime now = clock_.Steady();
  const SteadyDuration timeout = *job->plan.input_timeout;
  const SteadyDuration allowed = timeout + workers_.at(chunk.worker)->info.cancel_grace;
  const absl::optional<uint64_t> running = port_.RunningInputOf(chunk.worker, id);
  if (!running.has_value()) {
    // It cannot be seen: all of them together may take as long as each is allowed.
    chunk.seen_input.reset();
    chunk.seen_since = *chunk.started + timeout * (chunk.piece->count - 1);
  } else if (running != chunk.seen_input) {
    chunk.seen_input = running;
    chunk.seen_since = now;
  }
  if (now - chunk.seen_since >= allowed) {
    chunk.timed_out = true;
    return KillFor(chunk, absl::StrCat("an input of job j", job->plan.id, " ran longer than ",
                                       Format(timeout), " and went on after it was told to stop"));
  }
  AddTimer(now + allowed / limits_.timeout_checks, TimerKind::kInputCheck, id);
}

void Scheduler::KillFor(InFlight& chunk, const std::string& reason) {
  Worker& worker = *workers_.at(chunk.worker);
  if (worker.killed || worker.lost) return;
  worker.killed = true;
  UpdateRoom(worker);
  port_.KillWorker(worker.id, reason);
}

}  // namespace center::jobs
