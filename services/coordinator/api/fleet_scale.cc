// More workers, or fewer.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/log.h"
#include "services/coordinator/api/fleet.h"
#include "services/coordinator/api/spec.h"

namespace center::coordinator {

using supervision::SlotState;
using supervision::SlotView;

void Fleet::ScaleServer(const v1::ScaleServerRequest& request, SteadyTime deadline,
                        Answer<v1::ScaleServerResponse> answer) {
  if (shutting_down_) return answer(CoordinatorStopping());
  const std::string name = ServerNameOrDefault(request.name());
  std::vector<rpc::FieldViolation> violations;
  CheckName(name, &violations);
  CheckRequestId(request.request_id(), &violations);
  if (request.workers() < 1 || request.workers() > kWorkersPerServerMax) {
    violations.push_back({"workers", absl::StrCat("is ", request.workers(), "; must be from 1 to ",
                                                  kWorkersPerServerMax)});
  }
  if (!violations.empty()) return answer(rpc::InvalidFields(violations));
  using Response = v1::ScaleServerResponse;
  requests_.Run<Response>(
      {"ScaleServer", request.request_id(), request.SerializeAsString()},
      deadlines_.Limit<Response>(
          deadline,
          [this, name, workers = request.workers()] {
            return absl::StrCat("server '", name, "' is being scaled to ", workers,
                                " workers, which goes on: ", DetailOf(servers_.at(name)));
          },
          std::move(answer)),
      [&](Answer<Response> finish) { ScaleChecked(request, std::move(finish)); });
}

void Fleet::ScaleChecked(const v1::ScaleServerRequest& request,
                         Answer<v1::ScaleServerResponse> answer) {
  const std::string name = ServerNameOrDefault(request.name());
  auto running = FindRunning(name);
  if (!running.ok()) return answer(running.status());
  const uint32_t before = (*running)->spec.workers();
  Scale(name, request.workers(), request.now(),
        [this, name, before, answer = std::move(answer)](const absl::Status& status) {
          if (!status.ok()) return answer(status);
          v1::ScaleServerResponse response;
          *response.mutable_server() = View(servers_.at(name));
          response.set_workers_before(before);
          answer(response);
        });
}

void Fleet::Scale(const std::string& name, uint32_t workers, bool now, Done done) {
  WithListener(name, [=, this, done = std::move(done)](const absl::Status& bound) {
    if (!bound.ok()) return done(bound);
    // A journal has one process at a time: its reader goes before its worker comes.
    const uint32_t first = servers_.at(name).spec.workers();
    archive_.End(name, first, [=, this] {
      SetWorkers(name, workers, [=, this](const absl::Status& set) {
        if (!set.ok()) return done(set);
        ScaleNow(name, workers, now, done);
      });
    });
  });
}

void Fleet::ScaleNow(const std::string& name, uint32_t workers, bool now, const Done& done) {
  Entry& entry = servers_.at(name);
  if (entry.run != Run::kSupervised) {
    return done(ServerBusy(absl::StatusCode::kAborted, name, "was stopped meanwhile"));
  }
  const uint32_t before = entry.spec.workers();
  if (workers != before) {
    v1::ServerSpec spec = entry.spec;
    spec.set_workers(workers);
    state::ServerRecord wanted = entry.record;
    wanted.spec = spec.SerializeAsString();
    if (absl::Status stored = deps_.store->PutServer(wanted); !stored.ok()) return done(stored);
    entry.spec = std::move(spec);
    entry.record = std::move(wanted);
    AddEvent(v1::EVENT_TYPE_SERVER_SCALED, name,
             absl::StrCat("from ", before, " to ", workers, " workers"));
  }
  if (absl::Status scaled = supervisor_.Scale(name, workers, now); !scaled.ok()) {
    return done(scaled);
  }
  entry.scale_waiters.push_back({.first_new = std::min(before, workers), .done = done});
  dirty_.insert(name);
  ScheduleSettle();
}

void Fleet::AnswerScaleWaiters(Entry& entry) {
  const std::string& name = entry.record.name;
  const auto slots = supervisor_.Slots(name);
  const bool drained =
      std::none_of(slots.begin(), slots.end(), [](const SlotView& slot) { return slot.leaving; });
  for (ScaleWaiter& waiter : std::exchange(entry.scale_waiters, {})) {
    absl::Status status;
    bool ready = true;
    for (const SlotView& slot : slots) {
      if (slot.leaving || slot.slot < waiter.first_new) continue;
      ready = ready && slot.state == SlotState::kReady;
      if (slot.state != SlotState::kFailed && slot.state != SlotState::kStopped) continue;
      const std::string worker = WorkerName(name, slot.slot);
      std::string message =
          absl::StrCat("the new worker ", worker,
                       " has failed: ", slot.last_exit.has_value() ? slot.last_exit->reason : "");
      const std::string words = LastWords(entry, slot.slot);
      if (!words.empty()) absl::StrAppend(&message, "; it wrote: ", words);
      status = rpc::WithReason(absl::AbortedError(message), "START_FAILED",
                               {{"server", name}, {"worker", worker}});
    }
    if (shutting_down_) {
      status = CoordinatorStopping();
    } else if (entry.run != Run::kSupervised) {
      status = ServerBusy(absl::StatusCode::kAborted, name, "was stopped meanwhile");
    }
    if (status.ok() && !(ready && drained)) {
      entry.scale_waiters.push_back(std::move(waiter));
    } else {
      waiter.done(status);
    }
  }
}

}  // namespace center::coordinator
