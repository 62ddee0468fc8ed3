// The event with which a coordinator says that it is there, and how the one before has ended.
#pragma once

#include <string>

#include "absl/types/optional.h"
#include "center/v1/event.pb.h"
#include "services/coordinator/state/store.h"

namespace center::coordinator {

v1::Event StartEvent(const absl::optional<state::RunRecord>& before, const std::string& data_dir);

}  // namespace center::coordinator
