// What Open does before the journal takes records: finding out where it begins and ends.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/worker/journal/journal.h"
#include "services/worker/journal/segment_set.h"
#include "services/worker/journal/writer.h"

namespace center::journal {

struct Recovered {
  Writer::Active active;
  std::vector<std::string> sealed;  // names of the other segments
};

// Fills `segments` and its offsets. Reads the last segment only; the older ones are taken by name
// and size, and damage in them is found when they are read. Cuts off an incomplete tail. After
// damage, the last segment is sealed and a new one begun, so that it is met only once.
// REQUIRES: the folder is locked.
absl::StatusOr<Recovered> Recover(const Options& options, const Dependencies& dependencies,
                                  const std::shared_ptr<SegmentSet>& segments);

}  // namespace center::journal
