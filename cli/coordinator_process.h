// A coordinator as a process of ours: started, and asked until it answers.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "center/v1/server.pb.h"
#include "cli/context.h"
#include "cli/daemon.h"

namespace center::cli {

// What the coordinator says about itself.
absl::StatusOr<v1::Coordinator> AskCoordinator(Context& context, absl::Duration timeout);

// Where the program is and how it is to be run. NotFound when it is not beside centerctl.
absl::StatusOr<DaemonSpec> CoordinatorSpec(const Context& context, const std::string& data_dir,
                                           std::vector<std::string> args);

// A coordinator that was started: the process, and how much its log held before.
struct StartedCoordinator {
  DaemonProcess process;
  int64_t log_start = 0;
};
absl::StatusOr<StartedCoordinator> StartCoordinator(const DaemonSpec& spec);

// Asks again until it answers. Internal, with what it logged, when it has ended instead;
// DeadlineExceeded when it does neither within the context's timeout.
absl::StatusOr<v1::Coordinator> WaitForCoordinator(Context& context, StartedCoordinator& started,
                                                   const DaemonSpec& spec);

}  // namespace center::cli
