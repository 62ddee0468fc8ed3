// What a request to change settings changes, and what each change needs.
#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "center/v1/server.pb.h"

namespace center::coordinator {

struct SpecUpdate {
  v1::ServerSpec spec;                     // after
  std::vector<v1::SettingChange> changes;  // in the order of the fields

  bool Needs(v1::ChangeEffect effect) const;
};

// `before` has every field set. `running`: the server has processes; otherwise everything holds at
// once, because the next start launches with it. Errors: InvalidArgument (a malformed spec, an
// unknown field in `reset`, a field in both), FailedPrecondition with reason NEEDS_STOP (no error
// of a dry run).
absl::StatusOr<SpecUpdate> PlanUpdate(const v1::ServerSpec& before,
                                      const v1::UpdateServerRequest& request, bool running);

}  // namespace center::coordinator
