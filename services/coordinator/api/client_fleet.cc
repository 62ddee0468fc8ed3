// Starting and stopping clients.
#include "services/coordinator/api/client_fleet.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/log.h"
#include "services/common/status_macros.h"
#include "services/common/text.h"
#include "services/coordinator/api/client_spec.h"
#include "services/coordinator/api/spec.h"

namespace center::coordinator {
namespace {

absl::Status ClientRunning(const std::string& name, absl::string_view what) {
  return rpc::WithReason(absl::AlreadyExistsError(absl::StrCat("client '", name, "' ", what)),
                         "CLIENT_RUNNING", {{"client", name}});
}

absl::Status ClientNotFound(const std::string& name) {
  return rpc::WithReason(absl::NotFoundError(absl::StrCat("there is no client '", name, "'")),
                         "CLIENT_NOT_FOUND", {{"client", name}});
}

void CheckClientName(const std::string& name, std::vector<rpc::FieldViolation>* violations) {
  if (absl::Status status = ValidateName("client name", name); !status.ok()) {
    violations->push_back({"name", std::string(status.message())});
  }
}

std::string Counted(uint64_t count, absl::string_view one) {
  return absl::StrCat(count, " ", one, count == 1 ? "" : one == "process" ? "es" : "s");
}

}  // namespace

ClientFleet::ClientFleet(Dependencies dependencies, LaunchContext launch)
    : deps_(std::move(dependencies)),
      launch_(std::move(launch)),
      supervisor_(*deps_.launcher, *deps_.clock, *this, SupervisorSettings()),
      requests_(*deps_.store, *deps_.clock) {}

ClientFleet::~ClientFleet() = default;

void ClientFleet::StartClient(const v1::StartClientRequest& request, SteadyTime deadline,
                              ClientAnswer answer) {
  if (shutting_down_) return answer(CoordinatorStopping());
  if (request.request_id().size() > kRequestIdBytesMax) {
    return answer(CheckStart(request, ClientNameOrDefault(request.name())).status());
  }
  if (request.dry_run()) return StartChecked(request, deadline, std::move(answer));
  requests_.Run({"StartClient", request.request_id(), request.SerializeAsString()},
                std::move(answer),
                [&](ClientAnswer finish) { StartChecked(request, deadline, std::move(finish)); });
}

absl::StatusOr<v1::ClientSpec> ClientFleet::CheckStart(const v1::StartClientRequest& request,
                                                       const std::string& name) const {
  const auto found = clients_.find(name);
  v1::ClientSpec base = found != clients_.end() ? found->second.spec : DefaultClientSpec();
  std::vector<rpc::FieldViolation> violations;
  CheckClientName(name, &violations);
  SpecProblems resets;
  ResetClientFields(request.reset(), request.spec(), &base, &resets);
  for (SpecProblem& problem : resets) {
    violations.push_back({std::move(problem.field), std::move(problem.description)});
  }
  v1::ClientSpec spec = MergeClientSpec(base, request.spec());
  CheckClientSpec(request.spec(), spec, &violations);
  CheckRequestId(request.request_id(), &violations);
  if (!violations.empty()) return rpc::InvalidFields(violations);
  return spec;
}

absl::StatusOr<ServerTarget> ClientFleet::FindTarget(const v1::ClientSpec& spec) const {
  if (!spec.address().empty()) return ServerTarget{.address = spec.address(), .running = true};
  ASSIGN_OR_RETURN(ServerTarget target, deps_.find_server(spec.server()));
  if (target.running) return target;
  return rpc::WithReason(
      absl::FailedPreconditionError(
          absl::StrCat("server '", spec.server(), "' is not running: there is nobody to send to")),
      "SERVER_STOPPED", {{"server", spec.server()}});
}

absl::Status ClientFleet::CheckLimit(const std::string& name) const {
  if (clients_.size() < kClientsMax) return absl::OkStatus();
  deps_.events->LimitReached("CLIENT_LIMIT", "coordinator",
                             absl::StrCat("client '", name, "' was refused: there are ",
                                          kClientsMax, ", the most there can be"));
  return rpc::WithReason(absl::ResourceExhaustedError(absl::StrCat(
                             "there are ", kClientsMax, " clients, the most there can be")),
                         "CLIENT_LIMIT");
}

void ClientFleet::StartChecked(const v1::StartClientRequest& request, SteadyTime deadline,
                               ClientAnswer answer) {
  const std::string name = ClientNameOrDefault(request.name());
  const auto spec = CheckStart(request, name);
  if (!spec.ok()) return answer(spec.status());
  const auto found = clients_.find(name);
  // Nothing of it runs.
  const bool failed =
      found != clients_.end() && found->second.run == Run::kSupervised && NobodyLeft(found->second);
  if (found == clients_.end()) {
    if (absl::Status full = CheckLimit(name); !full.ok()) return answer(full);
  } else if (found->second.run == Run::kStopping) {
    return answer(ClientRunning(name, "is still stopping"));
  } else if (found->second.run == Run::kSupervised && !failed) {
    return answer(ClientRunning(name, "runs already"));
  }
  auto target = FindTarget(*spec);
  if (!target.ok()) return answer(target.status());
  if (request.dry_run()) return answer(Planned(name, *spec, *target));
  if (failed) {
    // Its failed slots are forgotten first, then it is started as if stopped.
    found->second.stop_waiters.push_back([this, request, deadline, answer = std::move(answer)] {
      StartChecked(request, deadline, answer);
    });
    return BeginStop(found->second, /*now=*/true);
  }
  if (absl::Status status = Launch(name, *spec, *std::move(target)); !status.ok()) {
    return answer(status);
  }
  clients_.at(name).start_waiters.push_back({deadline, std::move(answer)});
  deps_.arm_timer(deadline);
  ScheduleSettle(name);
}

absl::Status ClientFleet::Launch(const std::string& name, const v1::ClientSpec& spec,
                                 ServerTarget target) {
  const auto found = clients_.find(name);
  const bool is_new = found == clients_.end();
  const state::ClientRecord before = is_new ? state::ClientRecord() : found->second.record;
  const state::ClientRecord wanted{
      .name = name,
      .spec = spec.SerializeAsString(),
      .desired_running = true,
      .create_time = is_new ? deps_.clock->Wall() : before.create_time,
  };
  RETURN_IF_ERROR(deps_.store->PutClient(wanted));
  Entry& entry = clients_[name];
  const v1::ClientSpec spec_before = std::exchange(entry.spec, spec);
  entry.record = wanted;
  entry.target = std::move(target);
  entry.seats.clear();
  entry.detail.clear();
  entry.run = Run::kSupervised;
  entry.ended = v1::CLIENT_STATE_STOPPED;
  AddEvent(v1::EVENT_TYPE_CLIENT_STARTED, name,
           absl::StrCat("sends to ", entry.target.address, " with ",
                        Counted(spec.processes(), "process"), " of ",
                        Counted(spec.connections(), "connection")));
  absl::Status status = supervisor_.Start(PlanOf(entry));
  if (status.ok()) return status;
  AddEvent(v1::EVENT_TYPE_CLIENT_STOPPED, name,
           absl::StrCat("could not be started: ", status.message()));
  absl::Status undone;
  if (is_new) {
    clients_.erase(name);
    undone = deps_.store->DeleteClient(name);
  } else {
    entry.record = before;
    entry.spec = spec_before;
    entry.run = Run::kStopped;
    undone = deps_.store->PutClient(before);
  }
  if (!undone.ok()) spdlog::error("client {}: undoing a failed start: {}", name, undone);
  return status;
}

supervision::ServerPlan ClientFleet::PlanOf(const Entry& entry) {
  supervision::ServerPlan plan;
  plan.name = entry.record.name;
  plan.slots = entry.spec.processes();
  plan.drain_timeout = ToDuration(entry.spec.drain_timeout());
  plan.launch = [this, name = plan.name](uint32_t number, const std::string& token) {
    Entry& launched = clients_.at(name);
    RefreshTarget(launched);
    return ClientLaunch(launch_, launched.spec,
                        {.client = name,
                         .number = number,
                         .token = token,
                         .address = launched.target.address,
                         .framing = FramingOf(launched),
                         .count = Left(launched, launched.seats[number])});
  };
  plan.examine = [this, name = plan.name](uint32_t number, const supervision::ProcessExit& exit) {
    return Examine(clients_.at(name), number, exit);
  };
  return plan;
}

void ClientFleet::StopClient(const v1::StopClientRequest& request, ClientAnswer answer) {
  if (shutting_down_) return answer(CoordinatorStopping());
  std::vector<rpc::FieldViolation> violations;
  CheckClientName(ClientNameOrDefault(request.name()), &violations);
  CheckRequestId(request.request_id(), &violations);
  if (!violations.empty()) return answer(rpc::InvalidFields(violations));
  requests_.Run({"StopClient", request.request_id(), request.SerializeAsString()},
                std::move(answer),
                [&](ClientAnswer finish) { StopChecked(request, std::move(finish)); });
}

void ClientFleet::StopChecked(const v1::StopClientRequest& request, ClientAnswer answer) {
  const std::string name = ClientNameOrDefault(request.name());
  const auto found = clients_.find(name);
  if (found == clients_.end()) return answer(ClientNotFound(name));
  Entry& entry = found->second;
  if (entry.run == Run::kStopped) {
    return answer(rpc::WithReason(
        absl::FailedPreconditionError(absl::StrCat(
            "client '", name, "' ",
            entry.ended == v1::CLIENT_STATE_FINISHED ? "has finished" : "is not running")),
        "CLIENT_STOPPED", {{"client", name}}));
  }
  if (entry.record.desired_running) {
    state::ClientRecord wanted = entry.record;
    wanted.desired_running = false;
    if (absl::Status stored = deps_.store->PutClient(wanted); !stored.ok()) return answer(stored);
    entry.record = wanted;
  }
  if (entry.run == Run::kBroken) {
    FinishStop(entry);
    return answer(View(entry));
  }
  entry.stop_waiters.push_back(
      [this, name, answer = std::move(answer)] { answer(View(clients_.at(name))); });
  if (entry.run == Run::kSupervised || request.now()) BeginStop(entry, request.now());
}

void ClientFleet::BeginStop(Entry& entry, bool now) {
  entry.run = Run::kStopping;
  const std::string name = entry.record.name;
  if (absl::Status status = supervisor_.Stop(name, now); !status.ok()) {
    spdlog::error("client {}: stop: {}", name, status);
    stopped_.insert(name);
  }
  ScheduleSettle(name);
}

void ClientFleet::Finish(Entry& entry) {
  entry.ended = v1::CLIENT_STATE_FINISHED;
  entry.record.desired_running = false;
  entry.past_changed = true;
  StorePast(entry);
  BeginStop(entry, /*now=*/false);
}

void ClientFleet::FinishStop(Entry& entry) {
  const std::string name = entry.record.name;
  entry.run = Run::kStopped;
  entry.detail.clear();
  for (auto& [number, seat] : entry.seats) seat.ended = false;
  entry.past_changed = true;
  StorePast(entry);
  const v1::ClientStats stats = Sum(entry);
  const std::string counts = absl::StrCat(Counted(stats.payloads_sent(), "payload"), " sent, ",
                                          stats.payloads_acknowledged(), " acknowledged");
  if (entry.ended == v1::CLIENT_STATE_FINISHED) {
    AddEvent(v1::EVENT_TYPE_CLIENT_FINISHED, name, counts);
  } else if (!entry.record.desired_running) {
    AddEvent(v1::EVENT_TYPE_CLIENT_STOPPED, name, absl::StrCat("stopped on request: ", counts));
  }
  for (StartWaiter& waiter : std::exchange(entry.start_waiters, {})) waiter.answer(View(entry));
  for (auto& waiter : std::exchange(entry.stop_waiters, {})) waiter();
}

void ClientFleet::AnswerStartWaiters(Entry& entry) {
  const auto slots = supervisor_.Slots(entry.record.name);
  const bool settled = std::none_of(slots.begin(), slots.end(), [](const auto& slot) {
    return slot.state == supervision::SlotState::kStarting ||
           slot.state == supervision::SlotState::kBackoff;
  });
  const SteadyTime now = deps_.clock->Steady();
  for (StartWaiter& waiter : std::exchange(entry.start_waiters, {})) {
    if (settled || waiter.deadline <= now) {
      waiter.answer(View(entry));
    } else {
      entry.start_waiters.push_back(std::move(waiter));
    }
  }
}

absl::StatusOr<v1::Client> ClientFleet::GetClient(const std::string& name) const {
  const auto found = clients_.find(ClientNameOrDefault(name));
  if (found == clients_.end()) return ClientNotFound(ClientNameOrDefault(name));
  return View(found->second);
}

void ClientFleet::Shutdown(bool now, std::function<void()> done) {
  Leave();
  shutdown_done_ = std::move(done);
  for (auto& [name, entry] : clients_) {
    if (entry.run == Run::kSupervised || (entry.run == Run::kStopping && now)) {
      BeginStop(entry, now);
    }
  }
  ScheduleSettle("");
}

void ClientFleet::Leave() {
  shutting_down_ = true;
  for (auto& [name, entry] : clients_) {
    for (StartWaiter& waiter : std::exchange(entry.start_waiters, {})) {
      waiter.answer(CoordinatorStopping());
    }
  }
}

void ClientFleet::TellWhenShutDown() {
  if (shutdown_done_ == nullptr) return;
  const bool ended = std::none_of(clients_.begin(), clients_.end(), [](const auto& client) {
    return client.second.run == Run::kSupervised || client.second.run == Run::kStopping;
  });
  if (ended) std::exchange(shutdown_done_, nullptr)();
}

}  // namespace center::coordinator
