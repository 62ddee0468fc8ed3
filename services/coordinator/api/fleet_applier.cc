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
  if (at_ == current_->servers.size()) return Finish();
  give_up_ = deps_.clock->Steady() + kBusyTimeout;
  PlanCurrent();
}

void FleetApplier::PlanCurrent() {
  step_ = 0;
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
    return NextServer();
  }
  switch (change_.steps[step_]) {
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
  failed_.push_back(absl::StrCat("server ", Desired().name, ": ", status.message()));
  NextServer();
}

void FleetApplier::NextServer() {
  ++at_;
  deps_.post([this] { PlanNext(); });
}

void FleetApplier::Finish() {
  std::string what = absl::StrCat(
      current_->file, ": ",
      done_.empty() ? (failed_.empty() ? "all servers are as it says" : "nothing was done")
                    : absl::StrJoin(done_, "; "));
  if (!failed_.empty()) absl::StrAppend(&what, "; not done: ", absl::StrJoin(failed_, "; "));
  if (!current_->clients.empty()) {
    absl::StrAppend(&what, "; clients are left to `centerctl apply`");
  }
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
