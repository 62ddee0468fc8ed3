#include "services/coordinator/api/host_duties.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/common/clock.h"
#include "services/common/log.h"

namespace center::coordinator {
namespace {

// Whoever started us does not hear it: that is no reason to end.
void LogUnheard(const absl::Status& status) {
  if (!status.ok()) spdlog::warn("the service manager cannot be told: {}", status);
}

}  // namespace

HostDuties::HostDuties(Dependencies dependencies)
    : deps_(std::move(dependencies)),
      log_level_(deps_.log_level),
      orphans_(deps_.is_ours),
      watchdog_timer_(*deps_.loop, [this] { return FeedWatchdog(); }),
      orphans_timer_(*deps_.loop, [this] { return ReapOrphans(); }) {}

void HostDuties::Ready() {
  told_status_ = deps_.status();
  LogUnheard(deps_.notifier.Ready(told_status_));
  const SteadyTime now = RealClock().Steady();
  if (deps_.notifier.active() && watchdog_interval_.has_value()) watchdog_timer_.ArmBy(now);
  if (supervision::OrphanChildren::AreOurs()) orphans_timer_.ArmBy(now);
}

void HostDuties::Stopping(absl::string_view how) { LogUnheard(deps_.notifier.Stopping(how)); }

// On the control thread on purpose: one that stands still must not look alive.
SteadyTime HostDuties::FeedWatchdog() {
  LogUnheard(deps_.notifier.Watchdog());
  if (std::string status = deps_.status(); status != told_status_) {
    told_status_ = std::move(status);
    LogUnheard(deps_.notifier.Status(told_status_));
  }
  return RealClock().Steady() + absl::ToChronoNanoseconds(*watchdog_interval_);
}

SteadyTime HostDuties::ReapOrphans() {
  orphans_.Reap();
  return RealClock().Steady() + supervision::OrphanChildren::kInterval;
}

void HostDuties::Reload(const std::string& why) {
  LogUnheard(deps_.notifier.Reloading());
  std::string outcome = "there is no configuration file (--config), so nothing is read again";
  if (deps_.read_again) {
    const auto reloaded = deps_.read_again();
    outcome = reloaded.ok()
                  ? Apply(*reloaded)
                  : absl::StrCat("all settings stay as they are: ", reloaded.status().message());
  }
  deps_.tell(absl::StrCat(why, ": ", outcome));
  told_status_ = deps_.status();
  LogUnheard(deps_.notifier.Ready(told_status_));
}

std::string HostDuties::Apply(const Reloaded& reloaded) {
  std::vector<std::string> parts;
  if (reloaded.log_level != log_level_) {
    parts.push_back(absl::StrCat("log-level is ", reloaded.log_level, ", was ", log_level_));
    log_level_ = reloaded.log_level;
    deps_.set_log_level(log_level_);
  }
  if (!reloaded.need_restart.empty()) {
    parts.push_back(absl::StrCat("changed too, but only a restart of the coordinator applies it: ",
                                 absl::StrJoin(reloaded.need_restart, ", ")));
  }
  if (deps_.apply_fleet && !reloaded.fleet.WantsNothing()) deps_.apply_fleet(reloaded.fleet);
  return parts.empty() ? "no setting has changed" : absl::StrJoin(parts, "; ");
}

}  // namespace center::coordinator
