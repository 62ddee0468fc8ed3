#include "services/coordinator/api/fleet_applier.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/common/log.h"
#include "services/common/rpc/status.h"

namespace center::coordinator {
namespace {

// A server that is being started or rolled cannot be changed: it is looked at again.
constexpr SteadyDuration kBusyRetry = std::chrono::milliseconds(50);
constexpr SteadyDuration kBusyTimeout = std::chrono::seconds(60);

}  // namespace

void FleetApplier::Apply(FleetFile file) {
  if (current_.has_value()) {
    waiting_ = std::move(file);
    return;
  }
  current_ = std::move(file);
  items_.clear();
  for (const DesiredClient& client : current_->clients) {
    if (!client.running) items_.push_back({.client = &client});
  }
  for (const DesiredServer& server : current_->servers) items_.push_back({.server = &server});
  for (const DesiredClient& client : current_->clients) {
    if (client.running) items_.push_back({.client = &client});
  }
  at_ = 0;
  done_.clear();
  failed_.clear();
  deps_.post([this] { PlanNext(); });
}

SteadyTime FleetApplier::OnTimer() {
  if (retry_ > deps_.clock->Steady()) return retry_;
  retry_ = SteadyTime::max();
  if (current_.has_value()) PlanCurrent();
  return retry_;
}

void FleetApplier::PlanNext() {
  if (at_ == items_.size()) return Finish();
  give_up_ = deps_.clock->Steady() + kBusyTimeout;
  PlanCurrent();
}

void FleetApplier::PlanClientItem() {
  const DesiredClient& desired = *items_[at_].client;
  const auto client = deps_.clients->GetClient(desired.name);
  if (!client.ok() && !absl::IsNotFound(client.status())) return OnStep(client.status());
  change_ = PlanClient(desired, client.ok() ? &*client : nullptr);
  TakeStep();
}

void FleetApplier::PlanCurrent() {
  step_ = 0;
  if (items_[at_].client != nullptr) return PlanClientItem();
  const auto server = deps_.fleet->GetServer(Desired().name);
  exists_ = server.ok();
  if (absl::IsNotFound(server.status())) {
    change_ = PlanServer(Desired(), nullptr, {});
    return TakeStep();
  }
  if (!server.ok()) return OnStep(server.status());
  v1::UpdateServerRequest request = UpdateRequestFor(Desired());
  request.set_dry_run(true);
  deps_.fleet->UpdateServer(request, SteadyTime::max(),
                            [this](const absl::StatusOr<v1::UpdateServerResponse>& answer) {
                              if (!answer.ok()) return OnStep(answer.status());
                              change_ = PlanServer(Desired(), &answer->server(), answer->changes());
                              TakeStep();
                            });
}

void FleetApplier::TakeStep() {
  if (step_ == change_.steps.size()) {
    done_.insert(done_.end(), change_.lines.begin(), change_.lines.end());
    return NextItem();
  }
  const FleetStep step = change_.steps[step_];
  items_[at_].client != nullptr ? TakeClientStep(step) : TakeServerStep(step);
}

void FleetApplier::TakeClientStep(FleetStep step) {
  const auto taken = [this](const absl::StatusOr<v1::Client>& answer) { OnStep(answer.status()); };
  const DesiredClient& desired = *items_[at_].client;
  if (step == FleetStep::kStop) {
    v1::StopClientRequest request;
    request.set_name(desired.name);
    return deps_.clients->StopClient(request, taken);
  }
  deps_.clients->StartClient(StartRequestFor(desired), SteadyTime::max(), taken);
}

void FleetApplier::TakeServerStep(FleetStep step) {
  switch (step) {
    case FleetStep::kStop: {
      v1::StopServerRequest request;
      request.set_name(Desired().name);
      return deps_.fleet->StopServer(
          request, [this](const absl::StatusOr<v1::Server>& answer) { OnStep(answer.status()); });
    }
    case FleetStep::kUpdate:
      return deps_.fleet->UpdateServer(
          UpdateRequestFor(Desired()), SteadyTime::max(),
          [this](const absl::StatusOr<v1::UpdateServerResponse>& answer) {
            OnStep(answer.status());
          });
    case FleetStep::kStart: {
      v1::StartServerRequest request;
      request.set_name(Desired().name);
      if (!exists_) *request.mutable_spec() = Desired().spec;
      return deps_.fleet->StartServer(
          request, SteadyTime::max(),
          [this](const absl::StatusOr<v1::Server>& answer) { OnStep(answer.status()); });
    }
  }
}

void FleetApplier::OnStep(const absl::Status& status) {
  if (status.ok()) {
    ++step_;
    // Later: an answer may come before the call that it answers returns.
    return deps_.post([this] { TakeStep(); });
  }
  const SteadyTime now = deps_.clock->Steady();
  if (rpc::ReasonOf(status) == "SERVER_BUSY" && now < give_up_) {
    retry_ = now + kBusyRetry;
    return deps_.arm_timer(retry_);
  }
  failed_.push_back(absl::StrCat(items_[at_].client != nullptr
                                     ? "client " + items_[at_].client->name
                                     : "server " + Desired().name,
                                 ": ", status.message()));
  NextItem();
}

void FleetApplier::NextItem() {
  ++at_;
  deps_.post([this] { PlanNext(); });
}

void FleetApplier::Finish() {
  std::string what =
      absl::StrCat(current_->file, ": ",
                   done_.empty() ? (failed_.empty() ? "all is as it says" : "nothing was done")
                                 : absl::StrJoin(done_, "; "));
  if (!failed_.empty()) absl::StrAppend(&what, "; not done: ", absl::StrJoin(failed_, "; "));
  if (failed_.empty()) {
    spdlog::info("{}", what);
  } else {
    spdlog::error("{}", what);
  }
  deps_.tell(what);
  current_.reset();
  if (waiting_.has_value()) Apply(*std::exchange(waiting_, absl::nullopt));
}

}  // namespace center::coordinator
