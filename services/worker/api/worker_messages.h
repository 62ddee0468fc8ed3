// Between the worker's own types and the messages of proto/center/v1.
#pragma once

#include "center/v1/event.pb.h"
#include "center/v1/payload.pb.h"
#include "google/protobuf/duration.pb.h"
#include "services/common/clock.h"
#include "services/worker/journal/journal.h"
#include "services/worker/journal/reader.h"

namespace center::worker {

// An event about `worker`, now; id is left to the coordinator.
v1::Event MakeEvent(v1::EventType type, absl::string_view worker, absl::string_view reason,
                    const Clock& clock);
v1::Event JournalEventToProto(const journal::JournalEvent& event, absl::string_view worker,
                              const Clock& clock);
void SetDuration(absl::Duration duration, google::protobuf::Duration* proto);
v1::Gap GapToProto(const journal::Gap& gap, absl::string_view worker);

}  // namespace center::worker
