#include "services/coordinator/api/start_event.h"

#include <unistd.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "services/coordinator/api/event_log.h"

namespace center::coordinator {

v1::Event StartEvent(const absl::optional<state::RunRecord>& before, const std::string& data_dir) {
  v1::Event event = CoordinatorEvent(v1::EVENT_TYPE_COORDINATOR_STARTED, "");
  std::string reason = absl::StrCat("version ", CENTER_VERSION, ", process ", ::getpid(),
                                    ", data directory ", data_dir);
  if (before.has_value()) {
    absl::StrAppend(&reason, "; the one before (version ", before->version, ", process ",
                    before->pid,
                    before->ended ? ") ended in order"
                                  : ") did not end in order: it was killed or crashed, or the "
                                    "machine went down");
    (*event.mutable_details())["previous_ended"] = before->ended ? "true" : "false";
    (*event.mutable_details())["previous_pid"] = absl::StrCat(before->pid);
    (*event.mutable_details())["previous_version"] = before->version;
  }
  event.set_reason(std::move(reason));
  (*event.mutable_details())["version"] = CENTER_VERSION;
  (*event.mutable_details())["pid"] = absl::StrCat(::getpid());
  return event;
}

}  // namespace center::coordinator
