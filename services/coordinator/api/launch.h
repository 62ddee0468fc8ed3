// How a worker process is started for a server: its command line, its environment, its descriptors.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "center/v1/server.pb.h"
#include "services/coordinator/api/data_dir.h"
#include "services/coordinator/supervision/process_launcher.h"

namespace center::coordinator {

// What all workers of a coordinator share.
struct LaunchContext {
  const DataDir* data_dir = nullptr;
  std::string worker_program;       // path of center-worker
  std::string coordinator_address;  // where RegistryService is
  std::string handover_address;     // where workers that we did not launch bring what they keep
  std::string log_format = "text";
  std::string log_level = "info";
};

// One worker of a server. The descriptors are the server's and stay with the caller.
struct WorkerSeat {
  std::string server;
  uint32_t slot = 0;
  std::string token;
  int listener_fd = -1;
  int scoreboard_fd = -1;
};

std::string WorkerName(absl::string_view server, uint32_t slot);

std::vector<std::string> WorkerArguments(const LaunchContext& context, const v1::ServerSpec& spec,
                                         const WorkerSeat& seat);

supervision::LaunchSpec WorkerLaunch(const LaunchContext& context, const v1::ServerSpec& spec,
                                     const WorkerSeat& seat);

// A process that serves what a slot without a worker has journalled (see archive_readers.h).
supervision::LaunchSpec ReaderLaunch(const LaunchContext& context, const WorkerSeat& seat);

}  // namespace center::coordinator
