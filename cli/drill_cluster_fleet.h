// A server that is there, whose workers are the pods of a StatefulSet: for `drill` to use, and to
// leave as it was found, but for the payloads.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cli/context.h"
#include "cli/drill_fleet.h"

namespace center::cli {

struct ClusterFleetOptions {
  std::string server;
  std::string producers;  // "host:port"; empty: what the server tells
  bool direct = false;    // at rest read also from the workers themselves
};

class ClusterFleet final : public DrillFleet {
 public:
  // Changes nothing. Errors: NotFound and the like (the coordinator's), NotRunning (it is stopped,
  // or nobody listens where its producers are to connect), FailedPrecondition (its workers are no
  // pods, too few to do without one, or not all READY).
  static absl::StatusOr<std::unique_ptr<ClusterFleet>> Find(const Context& outer,
                                                            const ClusterFleetOptions& options);
  // Scales back to what was found, if the drill has left it otherwise.
  ~ClusterFleet() override;

  std::unique_ptr<Context> NewContext() const override;
  Context& context() override { return *context_; }
  absl::Status ReadAtRest(DrillTally* stored, std::vector<DrillJournal>* journals) override;

 private:
  ClusterFleet(const Context& outer, const ClusterFleetOptions& options, uint32_t workers);

  const Globals globals_;
  const Dependencies dependencies_;
  const bool direct_;
  std::unique_ptr<Context> context_;
};

}  // namespace center::cli
