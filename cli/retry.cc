#include "cli/retry.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "services/common/rpc/status.h"

namespace center::cli {
namespace {

constexpr absl::Duration kFirstPause = absl::Milliseconds(50);
constexpr absl::Duration kLongestPause = absl::Seconds(2);

}  // namespace

bool Reconnector::ShouldRetry(const absl::Status& status) {
  // CANCELLED without our asking and INTERNAL resets are what a dying server's streams end with.
  const bool broken = absl::IsUnavailable(status) || absl::IsCancelled(status) ||
                      (absl::IsInternal(status) && rpc::ReasonOf(status).empty());
  if (stopped() || !ever_up_ || !broken) return false;
  if (!down_) {
    context_.Warn(absl::StrCat("centerctl: the line to the coordinator at ", context_.address(),
                               " is broken; trying again until it answers"));
    pause_ = kFirstPause;
    down_ = true;
  }
  const bool told_to_stop = stopped_.WaitForNotificationWithTimeout(pause_);
  pause_ = std::min(pause_ * 2, kLongestPause);
  return !told_to_stop;
}

void Reconnector::OnProgress() {
  ever_up_ = true;
  if (!down_) return;
  context_.Warn("centerctl: connected again; going on where it stopped");
  down_ = false;
}

}  // namespace center::cli
