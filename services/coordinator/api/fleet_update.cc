// New settings.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/common/text.h"
#include "services/coordinator/api/fleet.h"
#include "services/coordinator/api/spec.h"

namespace center::coordinator {
namespace {

std::string Describe(const SpecUpdate& update) {
  return absl::StrJoin(update.changes, "; ", [](std::string* out, const v1::SettingChange& change) {
    absl::StrAppend(out, change.field(), " from ", change.before(), " to ", change.after());
  });
}

// What went wrong after the settings were stored.
absl::Status AfterStored(const absl::Status& status) {
  absl::Status result(status.code(), absl::StrCat("the settings are stored; ", status.message()));
  status.ForEachPayload([&](absl::string_view type_url, const absl::Cord& payload) {
    result.SetPayload(type_url, payload);
  });
  return result;
}

}  // namespace

void Fleet::UpdateServer(const v1::UpdateServerRequest& request, SteadyTime deadline,
                         Answer<v1::UpdateServerResponse> answer) {
  if (shutting_down_) return answer(CoordinatorStopping());
  const std::string name = ServerNameOrDefault(request.name());
  const absl::Status valid = CheckNameAndId(name, request.request_id());
  if (!valid.ok()) return answer(valid);
  using Response = v1::UpdateServerResponse;
  requests_.Run<Response>(
      {"UpdateServer", request.request_id(), request.SerializeAsString()},
      deadlines_.Limit<Response>(
          deadline,
          [this, name] {
            return RollGoesOn(name, "the settings are stored; its workers are being replaced");
          },
          std::move(answer)),
      [&](const Answer<Response>& finish) { UpdateChecked(request, finish); });
}

void Fleet::UpdateChecked(const v1::UpdateServerRequest& request,
                          const Answer<v1::UpdateServerResponse>& answer) {
  const std::string name = ServerNameOrDefault(request.name());
  const auto found = servers_.find(name);
  if (found == servers_.end()) return answer(ServerNotFound(name, supervisor_.Trouble()));
  Entry& entry = found->second;
  if (absl::Status valid = CheckOutside(request.spec(), name); !valid.ok()) return answer(valid);
  if (entry.run == Run::kBinding) {
    return answer(ServerBusy(absl::StatusCode::kAlreadyExists, name, "is being started"));
  }
  const bool running = entry.run == Run::kSupervised;
  // A port that the kernel has chosen is shown, and taken, as the server's. A running one has what
  // who asks for the kernel's choice wants; a stopped one forgets it, and gets another.
  v1::ServerSpec shown = entry.spec;
  const bool any_port = running && request.spec().has_port() && request.spec().port() == 0;
  if (shown.port() == 0 && !any_port) shown.set_port(entry.record.port);
  auto update = PlanUpdate(shown, request, running);
  if (!update.ok()) return answer(update.status());
  const bool roll = request.roll() != v1::UpdateServerRequest::ROLL_LATER &&
                    update->Needs(v1::CHANGE_EFFECT_ROLLING_RESTART);
  if (!request.dry_run() && roll && supervisor_.Rolling(name).has_value()) {
    return answer(ServerBusy(absl::StatusCode::kAlreadyExists, name,
                             "is having its workers replaced already; nothing was changed"));
  }
  const auto finish = [this, name, changes = update->changes,
                       answer](const absl::StatusOr<uint32_t>& restarted) {
    if (!restarted.ok()) return answer(AfterStored(restarted.status()));
    v1::UpdateServerResponse response;
    *response.mutable_server() = View(servers_.at(name));
    response.mutable_changes()->Assign(changes.begin(), changes.end());
    response.set_restarted(*restarted);
    answer(response);
  };
  if (request.dry_run() || update->changes.empty()) return finish(0);
  if (update->spec.port() == entry.record.port && entry.spec.port() == 0) update->spec.set_port(0);
  if (absl::Status stored = StoreUpdate(entry, *update); !stored.ok()) return answer(stored);
  if (!running) return finish(0);
  CarryOut(name, *update, roll, finish);
}

absl::Status Fleet::StoreUpdate(Entry& entry, const SpecUpdate& update) {
  v1::ServerSpec spec = update.spec;
  state::ServerRecord wanted = entry.record;
  // The number of workers is stored when it is carried out.
  if (update.Needs(v1::CHANGE_EFFECT_SCALE)) spec.set_workers(entry.spec.workers());
  if (update.Needs(v1::CHANGE_EFFECT_ROLLING_RESTART)) ++wanted.generation;
  // Only a server that is stopped can change its port: the one that it had last is forgotten.
  const bool new_port = std::any_of(update.changes.begin(), update.changes.end(),
                                    [](const auto& change) { return change.field() == "port"; });
  if (new_port) wanted.port = spec.port();
  wanted.spec = spec.SerializeAsString();
  absl::Status stored = deps_.store->PutServer(wanted);
  if (!stored.ok()) return stored;
  entry.spec = std::move(spec);
  entry.record = std::move(wanted);
  AddEvent(v1::EVENT_TYPE_SERVER_UPDATED, entry.record.name, Describe(update));
  dirty_.insert(entry.record.name);
  ScheduleSettle();
  return stored;
}

void Fleet::CarryOut(const std::string& name, const SpecUpdate& update, bool roll,
                     Answer<uint32_t> answer) {
  if (absl::Status set = supervisor_.SetPlan(PlanOf(servers_.at(name))); !set.ok()) {
    return answer(set);
  }
  Done then = [this, name, roll, answer = std::move(answer)](const absl::Status& scaled) {
    if (!scaled.ok()) return answer(scaled);
    if (!roll) return answer(0);
    Roll(name, {.only_outdated = true}, answer);
  };
  if (!update.Needs(v1::CHANGE_EFFECT_SCALE)) return then(absl::OkStatus());
  Scale(name, update.spec.workers(), /*now=*/false, std::move(then));
}

}  // namespace center::coordinator
