// Starting and stopping servers.
#include "services/coordinator/api/fleet.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/log.h"
#include "services/common/net_address.h"
#include "services/common/scoreboard.h"
#include "services/common/status_macros.h"
#include "services/coordinator/api/spec.h"

namespace center::coordinator {
namespace {

absl::Status ServerRunning(const std::string& name, absl::string_view what) {
  return rpc::WithReason(absl::AlreadyExistsError(absl::StrCat("server '", name, "' ", what)),
                         "SERVER_RUNNING", {{"server", name}});
}

supervision::RestartPolicy ToPolicy(v1::RestartPolicy policy) {
  switch (policy) {
    case v1::RESTART_POLICY_ON_FAILURE:
      return supervision::RestartPolicy::kOnFailure;
    case v1::RESTART_POLICY_NEVER:
      return supervision::RestartPolicy::kNever;
    default:
      return supervision::RestartPolicy::kAlways;
  }
}

}  // namespace

Fleet::Fleet(Dependencies dependencies, LaunchContext launch)
    : deps_(std::move(dependencies)),
      launch_(std::move(launch)),
      backend_(MakeBackend()),
      supervisor_(*backend_),
      requests_(*deps_.store, *deps_.clock),
      deadlines_(deps_.arm_timer),
      archive_(ArchiveDependencies()) {}

Fleet::~Fleet() = default;

void Fleet::StartServer(const v1::StartServerRequest& request, SteadyTime deadline,
                        ServerAnswer answer) {
  if (shutting_down_) return answer(CoordinatorStopping());
  if (request.request_id().size() > kRequestIdBytesMax) {
    return answer(CheckStart(request, ServerNameOrDefault(request.name())).status());
  }
  requests_.Run({"StartServer", request.request_id(), request.SerializeAsString()},
                std::move(answer),
                [&](ServerAnswer finish) { StartChecked(request, deadline, std::move(finish)); });
}

absl::StatusOr<v1::ServerSpec> Fleet::CheckStart(const v1::StartServerRequest& request,
                                                 const std::string& name) const {
  const auto found = servers_.find(name);
  v1::ServerSpec spec =
      MergeSpec(found != servers_.end() ? found->second.spec : DefaultSpec(), request.spec());
  std::vector<rpc::FieldViolation> violations;
  CheckName(name, &violations);
  CheckSpec(spec, &violations);
  CheckRequestId(request.request_id(), &violations);
  if (!violations.empty()) return rpc::InvalidFields(violations);
  RETURN_IF_ERROR(CheckOutside(request.spec(), name));
  return spec;
}

void Fleet::StartChecked(const v1::StartServerRequest& request, SteadyTime deadline,
                         ServerAnswer answer) {
  const std::string name = ServerNameOrDefault(request.name());
  auto spec = CheckStart(request, name);
  if (!spec.ok()) return answer(spec.status());
  uint32_t port = spec->port();
  if (auto found = servers_.find(name); found != servers_.end()) {
    Entry& entry = found->second;
    if (entry.run == Run::kSupervised && NobodyLeft(entry)) {
      // Nothing of it runs. Its failed slots are forgotten first, then it is started as if stopped.
      entry.stop_waiters.push_back([this, request, deadline, answer = std::move(answer)] {
        StartChecked(request, deadline, answer);
      });
      return BeginStop(entry, /*now=*/true);
    }
    if (entry.run == Run::kStopping) return answer(ServerRunning(name, "is still stopping"));
    if (entry.run != Run::kStopped && entry.run != Run::kBroken) {
      return answer(ServerRunning(name, "runs already"));
    }
    // The port that the kernel chose stays the server's own until another one is asked for.
    if (port == 0 && !request.spec().has_port()) port = entry.record.port;
  } else if (servers_.size() >= kServersMax) {
    deps_.events->LimitReached("SERVER_LIMIT", "coordinator",
                               absl::StrCat("server '", name, "' was refused: there are ",
                                            kServersMax, ", the most there can be"));
    return answer(
        rpc::WithReason(absl::ResourceExhaustedError(absl::StrCat(
                            "there are ", kServersMax, " servers, the most there can be")),
                        "SERVER_LIMIT"));
  }
  const bool wait_ready = request.wait_ready();
  Bind(name, *spec, port, [=, this, answer = std::move(answer)](const absl::Status& status) {
    if (!status.ok()) return answer(status);
    Entry& entry = servers_.at(name);
    if (!wait_ready) return answer(View(entry));
    entry.start_waiters.push_back({deadline, answer});
    deps_.arm_timer(deadline);
    dirty_.insert(name);
    ScheduleSettle();
  });
}

void Fleet::Listen(const v1::ServerSpec& spec, uint32_t port, Listened done) {
  if (spec.no_listen()) return done(ScopedFd());
  deps_.listen(spec.host(), static_cast<uint16_t>(port), std::move(done));
}

void Fleet::Bind(const std::string& name, const v1::ServerSpec& spec, uint32_t port,
                 std::function<void(absl::Status)> done) {
  const bool is_new = !servers_.contains(name);
  Entry& binding = servers_[name];
  if (is_new) binding.record.name = name;
  const Run before = is_new ? Run::kStopped : binding.run;
  binding.run = Run::kBinding;
  const auto bound = [=, this, spec = spec,
                      done = std::move(done)](absl::StatusOr<ScopedFd> listener) {
    // Nobody takes an entry away while it is being bound.
    Entry& entry = servers_.at(name);
    absl::Status status;
    if (shutting_down_) {
      status = CoordinatorStopping();
    } else if (listener.ok()) {
      status = Launch(name, spec, *std::move(listener));
    } else if (supervisor_.Launches()) {
      status = BindError(listener.status(), spec, port, HolderOf(port));
    } else {
      status = listener.status();
    }
    if (!status.ok()) {
      if (is_new) {
        servers_.erase(name);
      } else if (entry.record.desired_running) {
        entry.run = Run::kBroken;
        entry.detail = std::string(status.message());
      } else {
        entry.run = before;
      }
    }
    dirty_.insert(name);
    ScheduleSettle();
    done(std::move(status));
  };
  if (supervisor_.Launches()) return Listen(spec, port, bound);
  SetWorkers(name, spec.workers(), [bound](const absl::Status& status) {
    bound(status.ok() ? absl::StatusOr<ScopedFd>(ScopedFd()) : status);
  });
}

std::string Fleet::HolderOf(uint32_t port) const {
  for (const auto& [name, candidate] : servers_) {
    if (candidate.listener.valid() && candidate.record.port == port) return name;
  }
  return "";
}

absl::Status Fleet::Launch(const std::string& name, v1::ServerSpec spec, ScopedFd listener) {
  Entry& entry = servers_.at(name);
  auto port = static_cast<uint16_t>(supervisor_.Launches() ? 0 : spec.port());
  if (listener.valid()) {
    ASSIGN_OR_RETURN(port, LocalPort(listener.get()));
  }
  ScopedFd scoreboard;
  if (supervisor_.Launches()) {
    ASSIGN_OR_RETURN(scoreboard, Scoreboard::CreateMemfd());
  }
  const bool is_new = entry.record.spec.empty();
  const state::ServerRecord before = entry.record;
  std::string stored = spec.SerializeAsString();
  const bool changed = !is_new && before.spec != stored;
  const state::ServerRecord wanted{
      .name = name,
      .spec = std::move(stored),
      .desired_running = true,
      .create_time = is_new ? deps_.clock->Wall() : before.create_time,
      .port = port,
      .generation = before.generation + (changed ? 1 : 0),
  };
  const bool unchanged =
      before.desired_running && before.port == port && before.spec == wanted.spec;
  if (!unchanged) RETURN_IF_ERROR(deps_.store->PutServer(wanted));
  const v1::ServerSpec spec_before = std::exchange(entry.spec, std::move(spec));
  entry.record = wanted;
  entry.listener = std::move(listener);
  entry.scoreboard = std::move(scoreboard);
  absl::Status status = Supervise(entry);
  if (status.ok()) return status;
  AddEvent(v1::EVENT_TYPE_SERVER_STOPPED, name,
           absl::StrCat("could not be started: ", status.message()));
  entry.record = before;
  entry.spec = spec_before;
  entry.listener.Reset();
  entry.scoreboard.Reset();
  const absl::Status undone =
      is_new ? deps_.store->DeleteServer(name) : deps_.store->PutServer(before);
  if (!undone.ok()) spdlog::error("server {}: undoing a failed start: {}", name, undone);
  return status;
}

supervision::ServerPlan Fleet::PlanOf(const Entry& entry) {
  const v1::ServerSpec& spec = entry.spec;
  supervision::ServerPlan plan;
  plan.name = entry.record.name;
  plan.slots = spec.workers();
  plan.drain_timeout = ToDuration(spec.drain_timeout());
  plan.start_timeout = ToDuration(spec.start_timeout());
  plan.liveness_timeout = ToDuration(spec.liveness_timeout());
  plan.restart = ToPolicy(spec.restart());
  plan.generation = entry.record.generation;
  plan.launch = [this, name = plan.name](uint32_t slot, const std::string& token) {
    const Entry& launched = servers_.at(name);
    return WorkerLaunch(launch_, launched.spec,
                        {.server = name,
                         .slot = slot,
                         .token = token,
                         .listener_fd = launched.listener.get(),
                         .scoreboard_fd = launched.scoreboard.get()});
  };
  plan.examine = [this, name = plan.name](uint32_t slot, const supervision::ProcessExit& exit) {
    return Examine(servers_.at(name), slot, exit);
  };
  return plan;
}

absl::Status Fleet::Supervise(Entry& entry) {
  const std::string& name = entry.record.name;
  entry.seats.clear();
  entry.journals = launch_.data_dir->JournalSlots(name);
  entry.detail.clear();
  entry.run = Run::kSupervised;
  AddEvent(v1::EVENT_TYPE_SERVER_STARTED, name,
           absl::StrCat(
               entry.spec.no_listen()
                   ? "takes no connections,"
                   : absl::StrCat("listens on ",
                                  NetAddress{.host = entry.spec.host(),
                                             .port = static_cast<uint16_t>(entry.record.port)}
                                      .ToString()),
               " with ", entry.spec.workers(), entry.spec.workers() == 1 ? " worker" : " workers"));
  if (entry.lost.empty()) return supervisor_.Start(PlanOf(entry));
  // The processes that are in the store: so that their deaths take them out of it.
  for (const auto& process : entry.lost) entry.seats[process.slot].pid = process.pid;
  RETURN_IF_ERROR(supervisor_.Adopt(PlanOf(entry), std::exchange(entry.lost, {})));
  supervisor_.Release(name);
  return absl::OkStatus();
}

void Fleet::StopServer(const v1::StopServerRequest& request, ServerAnswer answer) {
  if (shutting_down_) return answer(CoordinatorStopping());
  const absl::Status valid =
      CheckNameAndId(ServerNameOrDefault(request.name()), request.request_id());
  if (!valid.ok()) return answer(valid);
  requests_.Run({"StopServer", request.request_id(), request.SerializeAsString()},
                std::move(answer),
                [&](ServerAnswer finish) { StopChecked(request, std::move(finish)); });
}

void Fleet::StopChecked(const v1::StopServerRequest& request, ServerAnswer answer) {
  const std::string name = ServerNameOrDefault(request.name());
  const auto found = servers_.find(name);
  if (found == servers_.end()) return answer(ServerNotFound(name, supervisor_.Trouble()));
  Entry& entry = found->second;
  const bool runs = entry.record.desired_running || entry.run == Run::kStopping;
  if (!runs || entry.run == Run::kBinding) return answer(ServerStopped(name));
  SetWorkers(name, 0, [this, request, answer = std::move(answer)](const absl::Status& status) {
    if (!status.ok()) return answer(status);
    StopNow(request, answer);
  });
}

// REQUIRES: there is such a server.
void Fleet::StopNow(const v1::StopServerRequest& request, ServerAnswer answer) {
  const std::string name = ServerNameOrDefault(request.name());
  Entry& entry = servers_.at(name);
  const bool runs = entry.record.desired_running || entry.run == Run::kStopping;
  if (!runs || entry.run == Run::kBinding) return answer(ServerStopped(name));
  if (entry.record.desired_running) {
    state::ServerRecord wanted = entry.record;
    wanted.desired_running = false;
    if (absl::Status stored = deps_.store->PutServer(wanted); !stored.ok()) return answer(stored);
    entry.record = wanted;
  }
  if (entry.run == Run::kBroken) {
    FinishStop(entry);
    return answer(View(entry));
  }
  entry.stop_waiters.push_back(
      [this, name, answer = std::move(answer)] { answer(View(servers_.at(name))); });
  if (entry.run == Run::kSupervised || (entry.run == Run::kStopping && request.now())) {
    BeginStop(entry, request.now());
  }
}

void Fleet::BeginStop(Entry& entry, bool now) {
  entry.run = Run::kStopping;
  entry.held = false;
  CloseListener(entry);
  dirty_.insert(entry.record.name);
  archive_.End(entry.record.name, 0, [] {});
  if (absl::Status status = supervisor_.Stop(entry.record.name, now); !status.ok()) {
    spdlog::error("server {}: stop: {}", entry.record.name, status);
    stopped_.insert(entry.record.name);
  }
  ScheduleSettle();
}

void Fleet::FinishStop(Entry& entry) {
  entry.detail = std::exchange(entry.failure, "");
  entry.run = entry.detail.empty() ? Run::kStopped : Run::kBroken;
  entry.lost.clear();
  entry.listener.Reset();
  entry.scoreboard.Reset();
  entry.seats.clear();
  const std::string name = entry.record.name;
  if (!entry.record.desired_running) {
    AddEvent(v1::EVENT_TYPE_SERVER_STOPPED, name, "stopped on request");
  }
  dirty_.insert(name);
  ScheduleSettle();
  AnswerScaleWaiters(entry);
  for (StartWaiter& waiter : std::exchange(entry.start_waiters, {})) {
    waiter.answer(rpc::WithReason(
        absl::AbortedError(absl::StrCat("server '", name, "' was stopped before it was ready")),
        "START_FAILED", {{"server", name}}));
  }
  for (auto& waiter : std::exchange(entry.stop_waiters, {})) waiter();
}

void Fleet::Shutdown(bool now, std::function<void()> done) {
  if (!supervisor_.Launches()) {  // what others run goes on
    Leave();
    return deps_.post(std::move(done));
  }
  shutting_down_ = true;
  shutdown_done_ = std::move(done);
  for (auto& [name, entry] : servers_) {
    for (StartWaiter& waiter : std::exchange(entry.start_waiters, {}))
      waiter.answer(CoordinatorStopping());
    if (entry.run == Run::kSupervised || (entry.run == Run::kStopping && now)) {
      BeginStop(entry, now);
    }
  }
  ScheduleSettle();
}

void Fleet::Leave() {
  shutting_down_ = true;
  for (auto& [name, entry] : servers_) {
    for (StartWaiter& waiter : std::exchange(entry.start_waiters, {})) {
      waiter.answer(CoordinatorStopping());
    }
    dirty_.insert(name);
    for (auto& [slot, seat] : entry.seats) {
      if (seat.line != nullptr) seat.line->Close(absl::UnavailableError("the coordinator leaves"));
    }
  }
  ScheduleSettle();
}

}  // namespace center::coordinator
