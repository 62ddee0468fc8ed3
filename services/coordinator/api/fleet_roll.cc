// New processes for old ones.
#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "services/common/log.h"
#include "services/common/status_macros.h"
#include "services/coordinator/api/fleet.h"
#include "services/coordinator/api/spec.h"

namespace center::coordinator {
namespace {

using supervision::RollOutcome;

absl::Status WorkerNotFound(absl::string_view worker) {
  return rpc::WithReason(absl::NotFoundError(absl::StrCat("there is no worker '", worker, "'")),
                         "WORKER_NOT_FOUND", {{"worker", worker}});
}

std::string Processes(uint32_t count) {
  return absl::StrCat(count, count == 1 ? " process" : " processes");
}

}  // namespace

absl::Status ServerBusy(absl::StatusCode code, absl::string_view name, absl::string_view what) {
  return rpc::WithReason(absl::Status(code, absl::StrCat("server '", name, "' ", what)),
                         "SERVER_BUSY", {{"server", name}});
}

absl::StatusOr<Fleet::Entry*> Fleet::FindRunning(const std::string& name) {
  const auto found = servers_.find(name);
  if (found == servers_.end()) return ServerNotFound(name, supervisor_.Trouble());
  if (NotTold()) {
    const std::string trouble = supervisor_.Trouble();
    return ServerBusy(absl::StatusCode::kUnavailable, name,
                      absl::StrCat("is kept in a cluster, whose API server has not told yet what ",
                                   "there is", trouble.empty() ? "" : ": ", trouble));
  }
  switch (found->second.run) {
    case Run::kSupervised:
      if (!found->second.held) return &found->second;
      return ServerBusy(absl::StatusCode::kUnavailable, name,
                        "is being taken over from an earlier coordinator; ask again in a moment");
    case Run::kBinding:
      return ServerBusy(absl::StatusCode::kAlreadyExists, name, "is being started");
    case Run::kStopping:
    case Run::kStopped:
    case Run::kBroken:
      break;
  }
  return ServerStopped(name);
}

void Fleet::RestartServer(const v1::RestartServerRequest& request, SteadyTime deadline,
                          Answer<v1::RestartServerResponse> answer) {
  if (shutting_down_) return answer(CoordinatorStopping());
  const std::string name = ServerNameOrDefault(request.name());
  const absl::Status valid = CheckNameAndId(name, request.request_id());
  if (!valid.ok()) return answer(valid);
  using Response = v1::RestartServerResponse;
  requests_.Run<Response>(
      {"RestartServer", request.request_id(), request.SerializeAsString()},
      deadlines_.Limit<Response>(
          deadline, [this, name] { return RollGoesOn(name, "its workers are being replaced"); },
          std::move(answer)),
      [&](Answer<Response> finish) {
        Roll(name, {.now = request.now(), .only_outdated = request.only_outdated()},
             [this, name, finish = std::move(finish)](const absl::StatusOr<uint32_t>& replaced) {
               if (!replaced.ok()) return finish(replaced.status());
               Response response;
               *response.mutable_server() = View(servers_.at(name));
               response.set_restarted(*replaced);
               finish(response);
             });
      });
}

void Fleet::RestartWorker(const v1::RestartWorkerRequest& request, SteadyTime deadline,
                          Answer<v1::RestartWorkerResponse> answer) {
  if (shutting_down_) return answer(CoordinatorStopping());
  std::vector<rpc::FieldViolation> violations;
  CheckRequestId(request.request_id(), &violations);
  if (!violations.empty()) return answer(rpc::InvalidFields(violations));
  using Response = v1::RestartWorkerResponse;
  requests_.Run<Response>(
      {"RestartWorker", request.request_id(), request.SerializeAsString()},
      deadlines_.Limit<Response>(
          deadline,
          [worker = request.name()] {
            return absl::StrCat("worker '", worker, "' is being replaced, which goes on");
          },
          std::move(answer)),
      [&](Answer<Response> finish) { RestartWorkerChecked(request, std::move(finish)); });
}

void Fleet::RestartWorkerChecked(const v1::RestartWorkerRequest& request,
                                 Answer<v1::RestartWorkerResponse> answer) {
  const std::string& worker = request.name();
  const std::string server = worker.substr(0, worker.find('/'));
  uint32_t slot = 0;
  if (server.size() == worker.size() ||
      !absl::SimpleAtoi(absl::string_view(worker).substr(server.size() + 1), &slot) ||
      WorkerName(server, slot) != worker) {
    return answer(WorkerNotFound(worker));
  }
  Roll(server, {.now = request.now(), .only_slot = slot},
       [this, server, slot, answer = std::move(answer)](const absl::StatusOr<uint32_t>& replaced) {
         if (!replaced.ok()) return answer(replaced.status());
         v1::RestartWorkerResponse response;
         for (const supervision::SlotView& view : supervisor_.Slots(server)) {
           if (view.slot != slot) continue;
           *response.mutable_worker() = ViewWorker(servers_.at(server), view);
         }
         answer(response);
       });
}

void Fleet::Roll(const std::string& name, supervision::RollOptions options,
                 Answer<uint32_t> answer) {
  auto running = FindRunning(name);
  if (!running.ok()) return answer(running.status());
  WithListener(name, [this, name, options = std::move(options),
                      answer = std::move(answer)](const absl::Status& bound) mutable {
    if (!bound.ok()) return answer(bound);
    const auto slots = supervisor_.Slots(name);
    const absl::optional<uint32_t> slot = options.only_slot;
    if (slot.has_value() && *slot >= slots.size()) {
      return answer(WorkerNotFound(WorkerName(name, *slot)));
    }
    if (supervisor_.Rolling(name).has_value()) {
      return answer(ServerBusy(absl::StatusCode::kAlreadyExists, name,
                               "is having its workers replaced already"));
    }
    // Of one worker, its own events tell.
    const bool tell = !slot.has_value();
    if (tell) {
      AddEvent(v1::EVENT_TYPE_SERVER_ROLLING, name,
               options.only_outdated ? "workers with older settings are replaced, one by one"
                                     : "its workers are replaced, one by one");
    }
    options.done = [this, name, tell, answer](const supervision::RollResult& result) {
      if (tell) {
        AddEvent(v1::EVENT_TYPE_SERVER_ROLLED, name,
                 absl::StrCat(Processes(result.replaced), " replaced",
                              result.reason.empty() ? "" : "; given up: ", result.reason));
      }
      answer(RollAnswer(name, result));
    };
    if (absl::Status begun = supervisor_.Roll(name, std::move(options)); !begun.ok()) {
      spdlog::error("server {}: roll: {}", name, begun);
      answer(ServerBusy(absl::StatusCode::kAborted, name, "has changed meanwhile"));
    }
  });
}

absl::StatusOr<uint32_t> Fleet::RollAnswer(const std::string& name,
                                           const supervision::RollResult& result) {
  switch (result.outcome) {
    case RollOutcome::kDone:
      return result.replaced;
    case RollOutcome::kStopped:
      if (shutting_down_) return CoordinatorStopping();
      return ServerBusy(absl::StatusCode::kAborted, name,
                        absl::StrCat("did not have all its workers replaced: ", result.reason));
    case RollOutcome::kFailed:
      break;
  }
  std::string message = result.reason;
  const std::string words = LastWords(servers_.at(name), result.slot);
  if (!words.empty()) absl::StrAppend(&message, "; it wrote: ", words);
  absl::StrAppend(&message, "; ", Processes(result.replaced),
                  " replaced before; the other workers keep their processes");
  return rpc::WithReason(absl::AbortedError(message), "ROLL_FAILED",
                         {{"server", name}, {"worker", WorkerName(name, result.slot.value_or(0))}});
}

std::string Fleet::RollGoesOn(const std::string& name, absl::string_view what) const {
  std::string text = absl::StrCat("server '", name, "': ", what);
  if (const auto rolling = supervisor_.Rolling(name); rolling.has_value()) {
    absl::StrAppend(&text, ", ", rolling->replaced, " of ", rolling->total, " are");
  }
  return absl::StrCat(text, "; that goes on");
}

void Fleet::WithListener(const std::string& name, Done done) {
  Entry& entry = servers_.at(name);
  if (entry.listener.valid() || entry.spec.no_listen() || !supervisor_.Launches()) {
    return done(absl::OkStatus());
  }
  const uint32_t port = entry.record.port;
  Listen(entry.spec, port,
         [this, name, port, done = std::move(done)](absl::StatusOr<ScopedFd> listener) {
           Entry& bound = servers_.at(name);
           if (shutting_down_) return done(CoordinatorStopping());
           if (!listener.ok()) {
             return done(BindError(listener.status(), bound.spec, port, HolderOf(port)));
           }
           if (bound.run != Run::kSupervised) {
             return done(ServerBusy(absl::StatusCode::kAborted, name, "was stopped meanwhile"));
           }
           if (!bound.listener.valid()) bound.listener = *std::move(listener);
           // It is given up again when what it is for does not begin.
           dirty_.insert(name);
           ScheduleSettle();
           done(absl::OkStatus());
         });
}

}  // namespace center::coordinator
