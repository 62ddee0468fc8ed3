// The workers that run jobs, and the lines to them.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/log.h"
#include "services/common/rpc/status.h"
#include "services/coordinator/api/fleet.h"
#include "services/coordinator/api/job_manager.h"
#include "services/coordinator/api/job_messages.h"

namespace center::coordinator {
namespace {

constexpr SteadyDuration kBackoffMin = std::chrono::milliseconds(50);
constexpr SteadyDuration kBackoffMax = std::chrono::seconds(2);

// Whether what ran can have been the reason.
jobs::Blame BlameOf(const supervision::ExitRecord& exit, bool killed_by_us) {
  if (exit.requested || killed_by_us) return jobs::Blame::kNobody;
  switch (exit.cause) {
    case supervision::DeathCause::kCrash:
    case supervision::DeathCause::kErrorExit:
    case supervision::DeathCause::kCleanExit:
    case supervision::DeathCause::kOutOfMemory:
      return jobs::Blame::kInput;
    case supervision::DeathCause::kRequested:
    case supervision::DeathCause::kTaskTimeout:
      return jobs::Blame::kNobody;
    default:
      return jobs::Blame::kOutside;
  }
}

}  // namespace

void JobManager::OnServer(const FleetServer& server) {
  if (stopping_) return;
  ServerState& state = servers_[server.name];
  state.running = server.running;
  if (server.cancel_grace > absl::ZeroDuration()) {
    state.cancel_grace = absl::ToChronoNanoseconds(server.cancel_grace);
  }
  for (auto& [name, seat] : state.seats) seat.worker.ready = false;  // unless it is named below
  for (const FleetWorker& worker : server.workers) {
    Seat& seat = state.seats[worker.endpoint.worker];
    if (seat.worker.pid != worker.pid) {
      // The line of the process that is gone ends by itself: results may be on their way still.
      if (seat.joined) --state.connected;
      seat = Seat{.server = server.name};
    }
    seat.worker = worker;
    if (seat.joined) scheduler_.SetAccepting(seat.id, worker.ready);
    if (worker.ready && seat.link == nullptr && !seat.unable) Connect(seat);
  }
  WakeWaiting(server.name);
  Settle();
}

void JobManager::Connect(Seat& seat) {
  auto channel = channels_.Get(seat.worker.endpoint);
  if (!channel.ok()) {
    seat.unable = true;
    spdlog::error("worker {}: no chunks can be sent: {}", seat.worker.endpoint.worker,
                  channel.status());
    return;
  }
  const jobs::WorkerId id = ++last_link_;
  seat.id = id;
  seat.joined = false;
  const auto post = [this, weak = std::weak_ptr(self_)](std::function<void()> task) {
    deps_.post([weak, task = std::move(task)] {
      if (weak.lock() != nullptr) task();
    });
  };
  seat.link = std::make_shared<ComputeLink>(
      seat.worker.endpoint.worker,
      ComputeLink::Handlers{
          .on_hello =
              [this, post, id](v1::ComputeHello hello) {
                post([this, id, hello = std::move(hello)] { OnHello(id, hello); });
              },
          .on_result =
              [this, post, id](jobs::ChunkId chunk, jobs::ChunkOutcome outcome) {
                post([this, id, chunk, outcome = std::move(outcome)]() mutable {
                  scheduler_.OnResult(id, chunk, std::move(outcome));
                  Settle();
                });
              },
          .on_closed =
              [this, post, id, open = open_links_](const absl::Status& status) {
                post([this, id, status] { OnLinkClosed(id, status); });
                open->Remove();
              },
      });
  links_[id] = {seat.server, seat.worker.endpoint.worker, seat.link};
  open_links_->Add();
  seat.link->Start(*std::move(channel));
}

JobManager::Seat* JobManager::FindSeat(jobs::WorkerId id) {
  const auto link = links_.find(id);
  if (link == links_.end()) return nullptr;
  const auto server = servers_.find(link->second.server);
  if (server == servers_.end()) return nullptr;
  const auto seat = server->second.seats.find(link->second.worker);
  if (seat == server->second.seats.end() || seat->second.id != id) return nullptr;
  return &seat->second;
}

void JobManager::OnHello(jobs::WorkerId id, const v1::ComputeHello& hello) {
  Seat* seat = FindSeat(id);
  if (seat == nullptr || seat->joined || stopping_) return;
  seat->joined = true;
  seat->backoff = {};
  ServerState& server = servers_.at(seat->server);
  server.tasks.emplace(hello.tasks().begin(), hello.tasks().end());
  ++server.connected;
  scheduler_.AddWorker(id, {.name = seat->worker.endpoint.worker,
                            .server = seat->server,
                            .threads = hello.threads(),
                            .cancel_grace = server.cancel_grace});
  scheduler_.SetAccepting(id, seat->worker.ready);
  WakeWaiting(seat->server);
  Settle();
}

void JobManager::OnLinkClosed(jobs::WorkerId id, const absl::Status& status) {
  scheduler_.OnWorkerLost(id);
  if (Seat* seat = FindSeat(id); seat != nullptr) {
    if (seat->joined) --servers_.at(seat->server).connected;
    seat->joined = false;
    seat->link.reset();
    if (absl::IsUnimplemented(status)) {
      seat->unable = true;
      spdlog::warn("worker {} runs no tasks", seat->worker.endpoint.worker);
    } else {
      spdlog::debug("worker {}: the line for chunks is closed: {}", seat->worker.endpoint.worker,
                    status);
    }
    seat->backoff = std::clamp(2 * seat->backoff, kBackoffMin, kBackoffMax);
    seat->retry_at = deps_.clock->Steady() + seat->backoff;
    deps_.arm_timer(seat->retry_at);
  }
  links_.erase(id);
  Settle();
}

// Submissions do not wait for ever.
SteadyTime JobManager::GiveUpWaiting(SteadyTime now) {
  SteadyTime next = SteadyTime::max();
  for (Waiting& waiting : std::exchange(waiting_, {})) {
    if (waiting.deadline <= now) {
      waiting.go_on();
    } else {
      next = std::min(next, waiting.deadline);
      waiting_.push_back(std::move(waiting));
    }
  }
  return next;
}

// Calls those again whose line has broken while their process lives.
SteadyTime JobManager::Reconnect(SteadyTime now) {
  SteadyTime next = SteadyTime::max();
  if (stopping_) return next;
  for (auto& [name, server] : servers_) {
    for (auto& [worker, seat] : server.seats) {
      if (seat.link != nullptr || seat.unable || !seat.worker.ready) continue;
      if (seat.retry_at <= now) {
        Connect(seat);
      } else {
        next = std::min(next, seat.retry_at);
      }
    }
  }
  return next;
}

void JobManager::OnWorkerExited(const std::string& worker, int64_t pid,
                                const supervision::ExitRecord& exit,
                                const std::vector<RunningTask>& running) {
  const auto server = servers_.find(worker.substr(0, worker.find('/')));
  if (server == servers_.end()) return;
  const auto found = server->second.seats.find(worker);
  if (found == server->second.seats.end() || found->second.worker.pid != pid) return;
  Seat& seat = found->second;
  seat.worker.ready = false;
  jobs::Death death{.reason = exit.reason, .blame = BlameOf(exit, seat.killed)};
  for (const RunningTask& task : running) death.running.push_back({task.chunk, task.input});
  scheduler_.OnWorkerDied(seat.id, std::move(death));
  Settle();
}

void JobManager::SendChunk(jobs::WorkerId worker, jobs::Chunk chunk) {
  Seat* seat = FindSeat(worker);
  if (seat == nullptr || seat->link == nullptr) return;  // it is lost; the scheduler will hear
  v1::ComputeRequest request = ToRequest(jobs_.at(chunk.job)->common, chunk);
  seat->link->SendChunk(std::move(request), std::move(chunk));
}

void JobManager::CancelChunk(jobs::WorkerId worker, jobs::ChunkId chunk) {
  Seat* seat = FindSeat(worker);
  if (seat != nullptr && seat->link != nullptr) seat->link->CancelChunk(chunk);
}

void JobManager::KillWorker(jobs::WorkerId worker, const std::string& reason) {
  Seat* seat = FindSeat(worker);
  if (seat == nullptr) return;
  seat->killed = true;
  // Later: it may tell us at once that the process is gone.
  deps_.post([kill = deps_.kill, name = seat->worker.endpoint.worker, pid = seat->worker.pid,
              reason] { kill(name, pid, reason); });
}

absl::optional<uint64_t> JobManager::RunningInputOf(jobs::WorkerId worker, jobs::ChunkId chunk) {
  const Seat* seat = FindSeat(worker);
  if (seat == nullptr || !deps_.running) return absl::nullopt;
  for (const RunningTask& task : deps_.running(seat->worker.endpoint.worker)) {
    if (task.chunk == chunk) return task.input;
  }
  return absl::nullopt;
}

void JobManager::WithTasks(const std::string& server, std::function<void()> go_on) {
  const ServerState& state = servers_.at(server);
  if (state.tasks.has_value()) return go_on();
  const SteadyTime deadline = deps_.clock->Steady() + limits_.tasks_timeout;
  waiting_.push_back({server, deadline, std::move(go_on)});
  deps_.arm_timer(deadline);
}

void JobManager::WakeWaiting(const std::string& server) {
  const ServerState& state = servers_.at(server);
  const bool knows = state.tasks.has_value() || !state.running;
  for (Waiting& waiting : std::exchange(waiting_, {})) {
    if (waiting.server == server && knows) {
      waiting.go_on();
    } else {
      waiting_.push_back(std::move(waiting));
    }
  }
}

void JobManager::ListTasks(
    const std::string& server,
    const std::function<void(absl::StatusOr<v1::ListTasksResponse>)>& answer) {
  if (absl::Status status = CheckServer(server); !status.ok()) return answer(status);
  const ServerState& state = servers_.at(server);
  if (!state.tasks.has_value()) {
    return answer(rpc::WithReason(
        absl::UnavailableError(absl::StrCat("no worker of server '", server, "' is ready")),
        "WORKER_UNAVAILABLE", {{"server", server}}));
  }
  v1::ListTasksResponse response;
  for (const v1::TaskInfo& task : *state.tasks) *response.add_tasks() = task;
  answer(std::move(response));
}

void JobManager::Shutdown() {
  if (std::exchange(stopping_, true)) return;
  for (auto& [id, line] : links_) {
    if (const auto link = line.link.lock()) link->Close();
  }
  for (Waiting& waiting : std::exchange(waiting_, {})) waiting.go_on();
}

}  // namespace center::coordinator
