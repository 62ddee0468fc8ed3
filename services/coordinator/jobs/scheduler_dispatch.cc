// Who gets what, and how much of it.
#include <algorithm>
#include <cmath>
#include <utility>

#include "services/coordinator/jobs/scheduler.h"
#include "services/coordinator/jobs/scheduler_internal.h"

namespace center::jobs {
namespace {

// What a chunk is charged whose time cannot be foreseen; corrected when it is done.
constexpr int64_t kUnknownChargeNs = 1'000'000;
// Chunks in flight for each compute thread.
constexpr size_t kDepth = 2;
// A worker that is new to a job starts with this part of a full chunk.
constexpr double kFirstShare = 0.25;
// Near the end a worker gets this part of what it has to run until then. The rest makes up for what
// was foreseen wrongly: chunks that are a third too short or too long do not delay the end.
constexpr double kLastShare = 2.0 / 3;

}  // namespace

Scheduler::Server& Scheduler::ServerOf(const std::string& name) {
  std::unique_ptr<Server>& server = servers_[name];
  if (server == nullptr) {
    server = std::make_unique<Server>();
    server->name = name;
  }
  return *server;
}

bool Scheduler::HasFresh(const Job& job) const {
  return job.plan.done.NextGap(job.next) < job.plan.inputs.arrived();
}

bool Scheduler::Runnable(const Job& job) const {
  if (job.ending) return false;
  if (!job.retries.empty()) return true;
  const bool unread = job.unread_bytes > limits_.unread_bytes_per_job_max ||
                      (unread_bytes_ > limits_.unread_bytes_max && job.unread_bytes > 0);
  return !store_busy_ && !unread && HasFresh(job);
}

void Scheduler::UpdateRunnable(Job& job) {
  Server& server = ServerOf(job.plan.server);
  const bool was = job.key.has_value();
  if (was) server.runnable.erase(*job.key);
  job.key.reset();
  if (!Runnable(job)) return;
  // Who had nothing to run has not saved up time for later.
  if (!was) job.used_ns = std::max(job.used_ns, server.clock[job.plan.priority]);
  job.key = RunKey{job.plan.priority, job.used_ns, job.plan.id};
  server.runnable.insert(*job.key);
}

void Scheduler::UpdateAllRunnable() {
  for (auto& [id, job] : jobs_) UpdateRunnable(*job);
  for (auto& [name, server] : servers_) Dispatch(*server);
}

void Scheduler::AddWorker(WorkerId id, WorkerInfo info) {
  auto added = std::make_unique<Worker>();
  added->id = id;
  added->info = std::move(info);
  added->info.threads = std::max(added->info.threads, 1u);
  Server& server = ServerOf(added->info.server);
  server.workers.insert(id);
  server.threads += added->info.threads;
  Worker& worker = *added;
  workers_[id] = std::move(added);
  UpdateRoom(worker);
  Dispatch(server);
}

void Scheduler::SetAccepting(WorkerId id, bool accepting) {
  const auto found = workers_.find(id);
  if (found == workers_.end() || found->second->accepting == accepting) return;
  Worker& worker = *found->second;
  worker.accepting = accepting;
  worker.reserved = false;
  UpdateRoom(worker);
  Dispatch(ServerOf(worker.info.server));
}

bool Scheduler::HasRoom(const Worker& worker) const {
  if (!worker.accepting || worker.lost || worker.death.has_value() || worker.killed ||
      worker.reserved || worker.alone) {
    return false;
  }
  if (worker.chunks.size() < worker.info.threads) return true;
  if (worker.chunks.size() >= kDepth * worker.info.threads) return false;
  SteadyDuration waits{};
  for (const ChunkId id : worker.chunks) {
    const InFlight& chunk = *chunks_.at(id);
    if (!chunk.foreseen.has_value()) return false;
    waits += *chunk.foreseen;
  }
  return waits <= limits_.queue_time_max * worker.info.threads;
}

void Scheduler::UpdateRoom(Worker& worker) {
  Server& server = ServerOf(worker.info.server);
  if (worker.room_key.has_value()) server.room.erase(*worker.room_key);
  worker.room_key.reset();
  if (!HasRoom(worker)) return;
  worker.room_key = {static_cast<double>(worker.chunks.size()) / worker.info.threads, worker.id};
  server.room.insert(*worker.room_key);
}

void Scheduler::Dispatch(Server& server) {
  if (!server.with_suspects.empty()) ReserveForSuspects(server);
  while (!server.room.empty() && !server.runnable.empty()) {
    Worker& worker = *workers_.at(server.room.begin()->second);
    DispatchNext(*jobs_.at(server.runnable.begin()->id), worker);
  }
  if (server.runnable.empty() && !server.room.empty()) Rerun(server);
}

void Scheduler::ReserveForSuspects(Server& server) {
  size_t taken = 0;
  std::vector<Worker*> free;
  for (const WorkerId id : server.workers) {
    Worker& worker = *workers_.at(id);
    if (worker.reserved || worker.alone) {
      ++taken;
    } else if (worker.accepting && !worker.lost && !worker.death.has_value() && !worker.killed) {
      free.push_back(&worker);
    }
  }
  size_t wanted = 0;
  for (const JobId id : server.with_suspects) wanted += jobs_.at(id)->suspects.size();
  // Half of the workers at most: other inputs go on.
  const size_t most = std::max<size_t>(1, (taken + free.size()) / 2);
  std::sort(free.begin(), free.end(),
            [](const Worker* a, const Worker* b) { return a->chunks.size() < b->chunks.size(); });
  for (Worker* worker : free) {
    if (wanted == 0 || taken >= most) return;
    --wanted;
    ++taken;
    worker->reserved = true;
    UpdateRoom(*worker);
    if (worker->chunks.empty()) DispatchSuspect(server, *worker);
  }
}

void Scheduler::DispatchSuspect(Server& server, Worker& worker) {
  worker.reserved = false;
  Job* best = nullptr;
  for (const JobId id : server.with_suspects) {
    Job* job = FindJob(id);
    if (best == nullptr || job->plan.priority > best->plan.priority) best = job;
  }
  if (best == nullptr) return UpdateRoom(worker);
  const std::shared_ptr<Piece> piece = std::move(best->suspects.front());
  best->suspects.pop_front();
  if (best->suspects.empty()) server.with_suspects.erase(best->plan.id);
  worker.alone = true;
  Send(piece, *best, worker);
}

// How long an input will take there; 0: nobody knows.
double Scheduler::ExpectedNs(const Job& job, const Worker& worker) const {
  const auto known = job.speed.find(worker.id);
  if (known != job.speed.end()) return known->second.ns_per_input;
  return job.ns_per_input.value_or(job.presumed_ns_per_input);
}

// What a thread of this worker has to run yet, beside what it has, so that all of the server's end
// together.
double Scheduler::FairShareNs(const Job& job, const Worker& worker, double ns_per_input) const {
  const SteadyTime now = clock_.Steady();
  const auto threads = static_cast<double>(
      std::max<size_t>(servers_.at(job.plan.server)->threads, worker.info.threads));
  const double fresh = static_cast<double>(job.plan.inputs.arrived() - job.next) * ns_per_input;
  double own = 0;
  for (const ChunkId id : worker.chunks) {
    const InFlight& chunk = *chunks_.at(id);
    if (chunk.piece->job != job.plan.id || !chunk.foreseen.has_value()) continue;
    const SteadyDuration passed = now - chunk.started.value_or(now);
    own += static_cast<double>(std::max(*chunk.foreseen - passed, SteadyDuration{}).count());
  }
  return (fresh + job.outstanding.LeftNs(now)) / threads - own / worker.info.threads;
}

uint64_t Scheduler::ChunkSize(const Job& job, const Worker& worker) const {
  const auto known = job.speed.find(worker.id);
  const double ns_per_input = ExpectedNs(job, worker);
  const auto full = static_cast<double>(limits_.chunk_time.count());
  double most = 1;
  if (known != job.speed.end()) {
    most = 2.0 * static_cast<double>(known->second.last_count);
  } else if (job.ns_per_input.has_value()) {
    most = kFirstShare * full / ns_per_input;
  } else if (ns_per_input > 0) {
    most = static_cast<double>(limits_.presumed_chunk_time.count()) / ns_per_input;
  }
  if (ns_per_input > 0) most = std::min(most, full / ns_per_input);
  if (job.bytes_per_result.value_or(0) > 0) {
    most = std::min(most, static_cast<double>(limits_.chunk_bytes_max) / *job.bytes_per_result);
  }
  if (job.plan.inputs.complete() && ns_per_input > 0) {
    const double share = kLastShare * FairShareNs(job, worker, ns_per_input);
    const auto least = static_cast<double>(limits_.chunk_time_min.count());
    most = std::min(most, std::max(share, least) / ns_per_input);
  }
  most = std::min(most, static_cast<double>(limits_.chunk_inputs_max));
  return std::max<uint64_t>(1, static_cast<uint64_t>(most));
}

std::shared_ptr<Scheduler::Piece> Scheduler::NextPiece(Job& job, const Worker& worker) {
  const uint64_t size = ChunkSize(job, worker);
  if (!job.retries.empty()) {
    std::shared_ptr<Piece> piece = std::move(job.retries.front());
    job.retries.pop_front();
    if (piece->count > 2 * size) {
      auto rest = std::make_shared<Piece>(*piece);
      rest->first += size;
      rest->count -= size;
      piece->count = size;
      job.retries.push_front(std::move(rest));
    }
    return piece;
  }
  auto piece = std::make_shared<Piece>();
  piece->job = job.plan.id;
  piece->first = job.plan.done.NextGap(job.next);
  const uint64_t end = std::min(job.plan.done.NextMember(piece->first), job.plan.inputs.arrived());
  piece->count = std::min(size, end - piece->first);
  return piece;
}

void Scheduler::DispatchNext(Job& job, Worker& worker) {
  const bool fresh = job.retries.empty();
  const std::shared_ptr<Piece> piece = NextPiece(job, worker);
  int64_t& clock = ServerOf(job.plan.server).clock[job.plan.priority];
  clock = std::max(clock, job.used_ns);
  Send(piece, job, worker);
  if (fresh) job.next = piece->first + piece->count;
  UpdateRunnable(job);
}

void Scheduler::Send(const std::shared_ptr<Piece>& piece, Job& job, Worker& worker) {
  Chunk chunk{.id = ++last_chunk_, .job = job.plan.id, .first = piece->first};
  uint64_t count = piece->count;
  chunk.inputs = job.plan.inputs.Take(piece->first, limits_.chunk_bytes_max, &count);
  piece->count = count;  // less than wished for when they are long
  chunk.count = count;
  chunk.attempt = ++piece->attempts;
  piece->copies.push_back(chunk.id);

  const SteadyTime now = clock_.Steady();
  auto out = std::make_unique<InFlight>();
  out->id = chunk.id;
  out->worker = worker.id;
  out->piece = piece;
  out->sent = now;
  const double ns_per_input = ExpectedNs(job, worker);
  out->charged_ns = kUnknownChargeNs;
  if (ns_per_input > 0) {
    out->charged_ns = static_cast<int64_t>(ns_per_input * static_cast<double>(count));
    out->foreseen = std::chrono::nanoseconds(out->charged_ns);
  }
  job.used_ns += out->charged_ns;
  job.chunks.insert(chunk.id);
  job.outstanding.Add(out->foreseen.value_or(SteadyDuration{}));
  worker.chunks.push_back(chunk.id);
  InFlight& added = *out;
  chunks_[chunk.id] = std::move(out);
  if (worker.chunks.size() <= worker.info.threads) Started(added, now);
  UpdateRoom(worker);
  port_.SendChunk(worker.id, std::move(chunk));
}

void Scheduler::Started(InFlight& chunk, SteadyTime now) {
  chunk.started = now;
  Job& job = *FindJob(chunk.piece->job);
  job.outstanding.Start(now);
  if (chunk.foreseen.has_value() && chunk.piece->count > 1) {
    const auto overlong =
        std::chrono::duration_cast<SteadyDuration>(*chunk.foreseen * limits_.overlong_factor);
    AddTimer(now + std::max(overlong, limits_.overlong_time_min), TimerKind::kOverlong, chunk.id);
  }
  if (job.plan.input_timeout.has_value()) {
    const SteadyDuration allowed =
        *job.plan.input_timeout + workers_.at(chunk.worker)->info.cancel_grace;
    AddTimer(now + allowed / limits_.timeout_checks, TimerKind::kInputCheck, chunk.id);
  }
}

}  // namespace center::jobs
